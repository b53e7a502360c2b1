"""From a JSON schema to a value that a person can begin with: every member that is named, with its example or default. Pure.

Schemas come from a guest: they may refer to themselves, name thousands of members, and hold anything at all. So the depth and the
number of values have limits, and whatever is not understood becomes null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

MAX_DEPTH = 8
"""Of values inside each other; a schema that refers to itself ends there."""
MAX_VALUES = 300
"""Values in one sample: more than anybody fills in by hand."""
MAX_STRING = 2_000
"""Characters of one example."""

Look = Callable[[Any], Mapping[str, Any]]
"""From a schema, or a reference to one, to its mapping; an empty one where there is none."""

_SIMPLE: Mapping[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "null": None}


def sample(media: Mapping[str, Any], look: Look) -> Any:
    """A beginning for a body of this media type: its own example, or one that is made from its schema."""
    maker = _Maker(look)
    if "example" in media:
        return maker.copy(media["example"], 0)
    examples = media.get("examples")
    if isinstance(examples, dict) and examples:
        first = look(next(iter(examples.values())))
        if "value" in first:
            return maker.copy(first["value"], 0)
    return maker.make(media.get("schema"), 0)


def shown(value: Any) -> str:
    """A value as text in a form: words as they are, everything else as JSON."""
    return value[:MAX_STRING] if isinstance(value, str) else json.dumps(value)[:MAX_STRING]


class _Maker:
    """Makes one sample within its limits."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._left = MAX_VALUES

    def make(self, declared: Any, depth: int) -> Any:
        schema = self._look(declared)
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return None
        for name in ("example", "default", "const"):
            if name in schema:
                return self.copy(schema[name], depth)
        for name in ("examples", "enum"):
            if isinstance(schema.get(name), list) and schema[name]:
                return self.copy(schema[name][0], depth)
        for name in ("oneOf", "anyOf"):
            if isinstance(schema.get(name), list) and schema[name]:
                return self.make(schema[name][0], depth + 1)
        members = self._members(schema, depth)
        kind = _kind(schema)
        if members or kind == "object":
            return members
        if kind == "array":
            return [self.make(schema.get("items"), depth + 1)] if "items" in schema else []
        return self._number(schema) if kind in ("integer", "number") else _SIMPLE.get(kind)

    def copy(self, value: Any, depth: int) -> Any:
        """An example as far as the limits allow."""
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            return None
        if isinstance(value, dict):
            return {name[:MAX_STRING]: self.copy(each, depth + 1) for name, each in value.items() if self._left > 0}
        if isinstance(value, list):
            return [self.copy(each, depth + 1) for each in value if self._left > 0]
        if isinstance(value, float) and not isfinite(value):
            return None
        return value[:MAX_STRING] if isinstance(value, str) else value

    def _members(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """The members that it names itself or by `allOf`; what only answers hold is left out."""
        found: dict[str, Any] = {}
        parts = schema.get("allOf")
        for part in parts if isinstance(parts, list) else ():
            made = self.make(part, depth + 1) if self._left > 0 else None
            if isinstance(made, dict):
                found.update(made)
        properties = schema.get("properties")
        for name, declared in properties.items() if isinstance(properties, dict) else ():
            if self._left <= 0:
                break
            if self._look(declared).get("readOnly") is not True:
                found[name[:MAX_STRING]] = self.make(declared, depth + 1)
        return found

    @staticmethod
    def _number(schema: Mapping[str, Any]) -> Any:
        """The least that is allowed, or 0."""
        least = schema.get("minimum")
        return least if isinstance(least, int | float) and not isinstance(least, bool) and least > 0 else 0


def _kind(schema: Mapping[str, Any]) -> str:
    """The type; of several (OpenAPI 3.1) the first that is more than null."""
    declared = schema.get("type")
    several = declared if isinstance(declared, list) else [declared]
    return next((one for one in several if isinstance(one, str) and one != "null"), "")
