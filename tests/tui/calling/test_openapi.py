"""Reading OpenAPI documents: what a form needs of them, and that nothing in them can hurt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.proto.errors import InvalidParams
from volant.tui.calling.form import Form, Target
from volant.tui.calling.openapi import MAX_DOCUMENT_BYTES, MAX_OPERATIONS, Body, Operation, Parameter, parse
from volant.tui.calling.sample import MAX_DEPTH, MAX_VALUES

PET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string", "example": "Rex"},
        "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}},
        "age": {"type": ["null", "integer"], "minimum": 1},
        "parent": {"$ref": "#/components/schemas/Pet"},
    },
}
SHOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "http://shop.local/v1/"}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "summary": "One   pet",
                "parameters": [
                    {"name": "fields", "in": "query", "schema": {"type": "string", "enum": ["all", "few"], "default": "all"}},
                    {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}, "example": 10},
                    {"name": "X-Key", "in": "header", "schema": {"type": "string", "format": "password"}},
                    {"name": "session", "in": "cookie"},
                ],
            },
            "put": {"requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}},
        },
        "/upload": {"post": {"requestBody": {"content": {"text/csv": {}}}}},
    },
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "description": "its number", "schema": {"type": "integer"}}},
        "schemas": {"Pet": PET, "Tag": {"enum": ["old", "new"]}},
    },
}


def read(document: Any) -> tuple[Operation, ...]:
    return parse(json.dumps(document).encode())


def test_parameters_are_those_of_the_path_and_of_the_operation() -> None:
    get = read(SHOP)[0]
    assert (get.method, get.path, get.summary) == ("GET", "/v1/pets/{id}", "One pet")
    assert get.parameters == (
        Parameter("id", "path", True, "integer", "its number"),
        Parameter("fields", "query", False, "string", value="all", choices=("all", "few")),
        Parameter("limit", "query", True, "integer", value="10"),
        Parameter("X-Key", "header", False, "string", secret=True),
    )


def test_a_body_begins_with_everything_that_its_schema_names() -> None:
    _, put, post = read(SHOP)
    assert put.body is not None and put.body.required
    made = json.loads(put.body.text)
    assert {name: made[name] for name in ("name", "tags", "age")} == {"name": "Rex", "tags": ["old"], "age": 1}
    assert "id" not in made, "only answers have it"
    assert post.body == Body("text/csv", False, "")


@pytest.mark.parametrize(
    ("media", "begun"),
    [
        ({"example": {"a": 1}}, {"a": 1}),
        ({"examples": {"one": {"value": [True]}}}, [True]),
        ({"schema": {"allOf": [{"properties": {"a": {"const": 3}}}, {"properties": {"b": {"type": "boolean"}}}]}}, {"a": 3, "b": False}),
        ({"schema": {"oneOf": [{"type": "string", "examples": ["x"]}, {"type": "integer"}]}}, "x"),
        ({"schema": {"type": "array"}}, []),
        ({"schema": {"type": "object"}}, {}),
        ({"schema": {"type": "starship"}}, None),
        ({"schema": True}, None),
    ],
)
def test_beginnings_of_bodies(media: dict[str, Any], begun: Any) -> None:
    (operation,) = read({"paths": {"/": {"post": {"requestBody": {"content": {"application/vnd.x+json; charset=utf-8": media}}}}}})
    assert operation.body is not None
    assert json.loads(operation.body.text) == begun


def test_what_refers_to_itself_ends() -> None:
    again = {"properties": {f"member{number}": {"$ref": "#/components/schemas/Again"} for number in range(9)}}
    document = {
        "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Again"}}}}}},
                  "/b": {"$ref": "#/paths/~1b"}, "/c": {"$ref": "#/paths/%7E1a"}},
        "components": {"schemas": {"Again": again}},
    }  # fmt: skip
    first, same = read(document)
    assert first.body is not None and first.body.text.count(":") <= MAX_VALUES
    assert (same.path, same.body) == ("/c", first.body)


@pytest.mark.parametrize(
    "document",
    [b"", b"openapi: 3.0.0\npaths: {}", b"[]", b'{"paths": 3}', b"[" * 100_000, b"\xff", b" " * (MAX_DOCUMENT_BYTES + 1)],
    ids=range(7),
)
def test_what_is_no_document_is_refused_in_one_sentence(document: bytes) -> None:
    with pytest.raises(InvalidParams) as caught:
        parse(document)
    assert "\n" not in caught.value.message and caught.value.hint


def test_a_thousand_operations_are_too_many() -> None:
    assert len(read({"paths": {f"/{number}": {"get": {}} for number in range(1_000)}})) == MAX_OPERATIONS


WORDS = st.sampled_from(
    ["paths", "/a", "/a/{b}", "get", "post", "parameters", "name", "in", "path", "query", "schema", "$ref", "#/paths/~1a", "#/", "enum",
     "requestBody", "content", "application/json", "type", "object", "array", "items", "properties", "allOf", "oneOf", "example", "default",
     "examples", "value", "servers", "url", "http://[", "required", "minimum"]
)  # fmt: skip
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=[]), max_size=5), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=6)),
    max_leaves=40,
)


@given(ANYTHING, ANYTHING)
def test_any_document_gives_operations_or_a_refusal(item: Any, schema: Any) -> None:
    """Each makes a form and a request, and a body that is begun from it is JSON, not deeper than it may be."""
    document = {"paths": {"/a": item, "/b": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}}}
    try:
        operations = read(document)
    except InvalidParams:
        operations = ()
    for operation in operations:
        form = Form.of(Target("", operation.method, operation.path, operation=operation))
        assert form.command("web-1") and form.request().path.startswith("/")
        if operation.body is not None and operation.body.text:
            assert depth(json.loads(operation.body.text)) <= MAX_DEPTH + 1


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, dict | list) else 0
