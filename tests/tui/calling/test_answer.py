"""Answers of workloads as lines: JSON exactly as it came but for its layout, text folded, and what is no text only told of."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.tui.calling.answer import MAX_BODY_BYTES, Answer, lines, pretty
from volant.tui.lines import columns_of, text_of


def answer(body: bytes, *, kind: str = "text/plain", status: int = 200, **more: Any) -> Answer:
    return Answer(status, "", (("Content-Type", kind), ("X-Trace", "a\x1b[31mb")), body, more.pop("size", len(body)), 0.012, **more)


def drawn(shown: Answer, width: int = 40, *, headers: bool = False) -> list[str]:
    found = lines(shown, width, headers=headers)
    assert all(columns_of(line) <= width for line in found)
    return [text_of(line) for line in found]


def test_status_time_size_headers_and_body_are_shown() -> None:
    assert drawn(answer(b"one\ntwo\n"), headers=True) == [
        "200 OK   12ms   8 B   text/plain",
        "Content-Type: text/plain",
        "X-Trace: a\\x1b[31mb",
        "",
        "one",
        "two",
    ]
    assert drawn(answer(b"", status=404))[0].startswith("404 Not Found")
    assert drawn(answer(b""))[-1] == "an empty body"
    assert [answer(b"", status=status).style for status in (204, 304, 500)] == ["good", "warm", "bad"]


def test_json_is_laid_out_and_its_values_stay_as_they_came() -> None:
    body = b'{"a":1.50,"b":[],"c":{"d":"x y","d":1e3},"e":[true,null,{}]}'
    assert drawn(answer(body, kind="application/json"))[2:] == [
        "{",
        '  "a": 1.50,',
        '  "b": [],',
        '  "c": {',
        '    "d": "x y",',
        '    "d": 1e3',
        "  },",
        '  "e": [',
        "    true,",
        "    null,",
        "    {}",
        "  ]",
        "}",
    ]


def test_a_long_value_is_folded_and_not_cut() -> None:
    found = drawn(answer(json.dumps({"a": "x" * 100}).encode()))[3:-1]
    assert "".join(line.strip() for line in found) == '"a": "' + "x" * 100 + '"'


@pytest.mark.parametrize("body", [b'{"a": }', b"[1, 2", b"{}{}", b"[" * 100_000], ids=range(4))
def test_what_only_begins_like_json_is_shown_as_it_is(body: bytes) -> None:
    assert pretty(body.decode(), 80) is None
    assert drawn(answer(body))[2].startswith(body.decode()[:8])


def test_what_is_no_text_is_told_of() -> None:
    found = drawn(answer(b"\x89PNG\r\n\x1a\n" + bytes(100), kind="image/png"), 100)
    assert found[0] == "200 OK   12ms   108 B   image/png"
    assert "no text" in found[2] and "89 50 4e 47" in found[3]
    assert "no text" in drawn(answer("é".encode("latin-1")), 100)[2]


def test_what_was_not_kept_is_told() -> None:
    cut = ("é" * MAX_BODY_BYTES).encode()[: MAX_BODY_BYTES - 1]
    found = drawn(answer(cut, size=2 * MAX_BODY_BYTES, whole=False))
    assert found[0].startswith("200 OK   12ms   2.0 MiB and more")
    assert found[-1] == "the rest is not shown"
    assert drawn(answer(b"[" + b"1," * 400_000 + b"1]"))[-1] == "the rest is not shown"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=30,
)


@given(st.lists(JSON) | st.dictionaries(st.text(max_size=5), JSON), st.booleans())
def test_laying_out_changes_nothing_but_blanks(value: Any, dense: bool) -> None:
    text = json.dumps(value, separators=(",", ":") if dense else None)
    found = pretty(text, 10_000)
    assert found is not None
    assert json.loads("".join(text_of(line) for line in found)) == value


@given(st.binary(max_size=200), st.integers(1, 60))
def test_any_bytes_are_shown_harmlessly(body: bytes, width: int) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(drawn(answer(body), width)))
