"""Regular expressions of filters: what they match is what Python's engine says, and none is slow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.proto.errors import InvalidParams
from volant.proto.specs.pattern import MAX_PATTERN_CHARS, Pattern

LEAVES = st.sampled_from(["a", "b", "-", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\.", "^", "$", ""])
PATTERNS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from("*+?")).map(lambda two: f"({two[0]}){two[1]}"),
    ),
    max_leaves=8,
).filter(lambda text: len(text) <= MAX_PATTERN_CHARS)


@given(PATTERNS, st.text("abc-.1", max_size=12))
def test_it_matches_what_pythons_engine_matches(pattern: str, text: str) -> None:
    assert Pattern(pattern).found_in(text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("web", "my-WEB-1", True),
        ("Web", "web", False),
        (r"\D", "123", False),
        ("^web$", "web-1", False),
        ("(warn|oom)", "an OOM kill", True),
        ("[]x]", "]", True),
        ("a.b", "a\nb", False),
        ("", "", True),
    ],
)
def test_by_value(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).found_in(text) is found


@pytest.mark.parametrize(("pattern", "at"), [("(a", 2), ("a)", 1), ("*", 1), ("[a", 2), ("a\\", 2), ("a{2}", 1), ("(?:a)", 1), (r"\q", 2)])
def test_what_cannot_be_read_is_told_with_its_place(pattern: str, at: int) -> None:
    with pytest.raises(InvalidParams) as refused:
        Pattern(pattern)
    assert refused.value.data["at"] == at
    assert refused.value.hint


@given(st.text(max_size=80))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        Pattern(text).found_in("web-1")
    except InvalidParams:
        pass


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a)*b", "(a+)+$", ".*.*.*.*.*.*x", "(a|b)*a(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)$"])
def test_no_pattern_is_slow(pattern: str) -> None:
    compiled, text = Pattern(pattern), "ab" * 400 + "a" * 200
    begun = time.process_time()
    compiled.found_in(text)
    assert time.process_time() - begun < 1
