"""Forms: what they ask, the request that comes of them, and that the command that they show makes the same request."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.client.cli.commands import call
from volant.client.cli.parsing import Parser
from volant.proto.errors import Usage
from volant.tui.calling.form import Form, Target, is_secret, targets
from volant.tui.calling.kept import KEPT_CALLS, KEPT_VMS, Kept, Made
from volant.tui.calling.openapi import Body, Operation, Parameter

SUM = {"name": "sum", "description": "Add", "method": "POST", "path": "/cgi-bin/sum", "timeout_ms": 10_000}
HELLO = {"name": "hello", "description": "", "method": "GET", "path": "/hello?style=plain", "timeout_ms": 0}
SHOW = {"name": "show", "description": "", "method": "GET", "path": "/pets/{pet}", "timeout_ms": 500}


def form(declared: dict[str, Any], *operations: Operation) -> Form:
    return Form.of(targets([declared], operations)[0])


def named(shown: Form) -> dict[str, str | None]:
    return {f"{row.parameter.place}.{row.parameter.name}": row.value for row in shown.rows}


def test_a_form_without_openapi_asks_for_what_the_manifest_shows() -> None:
    assert named(form(HELLO)) == {}
    assert named(form(SUM)) == {"body.body": None}
    shown = form(SHOW)
    assert (named(shown), shown.problems) == ({"path.pet": None}, ["pet is needed"])
    assert shown.obstacle == "fill in pet first: it is a part of the path"
    assert shown.filled(0, "a b/c").request().path == "/pets/a%20b%2Fc"


def test_an_action_is_described_by_the_operation_with_its_path_and_the_others_can_be_called_too() -> None:
    found = targets(
        [SHOW, HELLO],
        [
            Operation("GET", "/pets/{id}", "one pet", (Parameter("id", "path", True, "integer"), Parameter("deep", "query", False)), None),
            Operation("DELETE", "/pets/{id}", "away with it", (), None),
        ],
    )
    assert [(each.title, each.description) for each in found] == [("show", "one pet"), ("hello", ""), ("DELETE /pets/{id}", "away with it")]
    assert named(Form.of(found[0])) == {"path.id": None, "query.deep": None}
    assert named(Form.of(found[2])) == {"path.id": None}
    assert Form.of(found[0]).filled(0, "x").problems == ["id is no integer"]


def test_rows_can_be_added() -> None:
    shown = form(SUM).added("name=Ada = Lovelace").added("X-Trace: a=b")
    made = shown.filled(2, "[1,2]").request()
    assert (made.query, made.headers, made.body) == (
        "name=Ada+%3D+Lovelace",
        (("X-Trace", "a=b"), ("Content-Type", "application/json")),
        b"[1,2]",
    )
    for text in ("", "name", "=x", ": x"):
        with pytest.raises(Usage):
            form(SUM).added(text)


def test_problems_are_told_and_do_not_hinder() -> None:
    parameters = (
        Parameter("size", "query", False, choices=("s", "m")),
        Parameter("dry", "query", False, "boolean"),
        Parameter("rate", "query", True, "number"),
    )
    shown = Form.of(Target("", "POST", "/x", operation=Operation("POST", "/x", "", parameters, Body("application/json", True, "{}"))))
    assert shown.problems == ["rate is needed"]
    shown = shown.filled(0, "xl").filled(1, "yes").filled(2, "fast").filled(3, "{")
    assert shown.problems == ["size is none of s, m", "dry is neither true nor false", "rate is no number", "body is no JSON"]
    assert shown.obstacle == ""


def requested(command: str) -> tuple[dict[str, Any], bytes | None]:
    """What the CLI makes of a command."""
    words = shlex.split(command)
    piped: bytes | None = None
    if words[0] == "printf":
        piped = words[2].encode()
        words = words[4:]
    parser = Parser("volant vm call", "")
    call.configure_call(parser)
    assert words[:3] == ["volant", "vm", "call"]
    args = parser.read(words[3:])
    params = call.parameters(args)
    return params, piped if args.data == "-" else None if args.data is None else args.data.encode()


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)


@given(
    TEXTS.filter(bool),
    st.lists(st.tuples(TEXTS.filter(lambda name: name and "=" not in name and ":" not in name), TEXTS), max_size=3),
    st.none() | TEXTS,
)
def test_the_command_that_is_shown_makes_the_same_request(pet: str, query: list[tuple[str, str]], body: str | None) -> None:
    for declared in (SHOW, SUM, HELLO):
        shown = form(declared)
        for name, value in query:
            shown = shown.added(f"{name}={value}")
        for at, row in enumerate(shown.rows):
            if row.parameter.place in ("path", "body"):
                shown = shown.filled(at, pet if row.parameter.place == "path" else body)
        ours, (theirs, sent) = shown.params("web-1"), requested(shown.command("web-1"))
        assert sent == shown.request().body
        assert theirs["name"] == ours["name"]
        assert theirs.get("query", "") == ours["query"]
        assert theirs["headers"] == ours["headers"]
        assert theirs.get("path", declared["path"]) == ours["path"]
        if not theirs.get("action"):
            assert (theirs["method"], theirs.get("timeout_ms", 0)) == (ours["method"], declared["timeout_ms"])


def test_a_call_is_repeated_as_it_was_made() -> None:
    kept = Kept()
    shown = form(SUM).added("token=abc").added("n=1").added("n=2").added("n=1").filled(4, '{"a": 1.50, "password": "x"}')
    kept.add("web-1", shown, Made.of(shown, 1_769_860_800.0, "200 OK"))
    (made,) = kept.of("web-1")
    assert made.form(targets([SUM])).request() == shown.request()
    assert made.form([]).request() == shown.request(), "the manifest has another action now"


def test_a_file_keeps_no_secrets_and_the_rest() -> None:
    secret = Parameter("pin", "query", False, secret=True)
    shown = Form.of(Target("", "POST", "/login/{user}", operation=Operation("POST", "/login/{user}", "", (secret,), None)))
    shown = shown.filled(0, "ada").filled(1, "1234x").added("access_token=1234x").added("Authorization: 1234x").added("Accept: text/html")
    shown = shown.filled(5, '{"user": "ada", "deep": [{"Password": "1234x"}]}')
    kept = Kept()
    kept.add("web-1", shown, Made.of(shown, 1_769_860_800.0, "200 OK   12ms"))
    assert "1234x" not in kept.text()
    (made,) = Kept(kept.text()).of("web-1")
    assert (made.title, made.outcome) == ("POST /login/{user}", "200 OK   12ms")
    assert made.form([]).request().path == "/login/ada"
    assert named(made.form([shown.target])) == {
        "path.user": "ada", "query.pin": None, "header.Accept": "text/html", "body.body": '{"user": "ada", "deep": [{"Password": null}]}',
    }  # fmt: skip


def test_halves_of_characters_are_not_kept() -> None:
    shown = form(SUM).filled(0, '{"a": "\\ud800"}')
    kept = Kept()
    kept.add("web-1", shown, Made.of(shown, 0.0, "200"))
    assert shown.request().body == b'{"a": "\\ud800"}'
    assert [made.values for made in Kept(kept.text()).of("web-1")] == [(("body", "body", None),)]
    assert Kept(kept.text().replace("null", '"\\ud800"')).of("web-1")[0].values == ()


@pytest.mark.parametrize(
    ("name", "secret"),
    [("password", True), ("X_Auth", True), ("apiKey", True), ("access-key", True), ("otp", True), ("author", False), ("keyboard", False)],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret(name, "query") == secret
    assert is_secret(name, "header")


@pytest.mark.parametrize("body", ['"a word"', "12", "plain text", "{", "[" * 100_000], ids=range(5))
def test_bodies_that_have_no_names_are_not_kept(body: str) -> None:
    shown = form(SUM).filled(0, body)
    kept = Kept()
    kept.add("web-1", shown, Made.of(shown, 0.0, "200"))
    assert Kept(kept.text()).of("web-1")[0].values == (("body", "body", None),)


def test_what_is_kept_has_bounds_and_the_newest_comes_first() -> None:
    kept = Kept()
    for number in range(KEPT_CALLS + 5):
        shown = form(HELLO).added(f"n={number}")
        kept.add("web-1", shown, Made.of(shown, float(number), "200"))
    kept.add("web-1", shown, Made.of(shown, 1e9, "200"))
    assert [made.time for made in kept.of("web-1")][:2] == ["2001-09-09T01:46:40Z", "1970-01-01T00:00:23Z"]
    assert len(kept.of("web-1")) == KEPT_CALLS
    for number in range(KEPT_VMS + 1):
        kept.add(f"vm-{number}", shown, Made.of(shown, 0.0, ""))
    assert kept.of("web-1") == kept.of("vm-0") == []
    assert len(Kept(kept.text()).of("vm-1")) == 1


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner)
)


@given(st.one_of(st.text(max_size=30), ANYTHING.map(lambda vms: json.dumps({"version": 1, "vms": vms}))))
def test_a_file_of_anything_is_read(text: str) -> None:
    again = Kept(text)
    assert Kept(again.text()).text() == again.text()
