"""What a workload says of its own HTTP interface: as much of OpenAPI 3 (https://spec.openapis.org/oas/v3.1.0) as a form needs. Pure.

The document comes from a guest or from whoever wrote a plugin, so nothing in it is trusted: references are followed inside the document
only and so many times, everything that is counted has a limit, and what has another type than it should is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from volant.proto.errors import InvalidParams
from volant.tui.calling.sample import sample, shown

MAX_DOCUMENT_BYTES = 1024 * 1024
"""Largest document that is read: hundreds of operations, and some 20 ms of parsing."""
MAX_OPERATIONS = 500
MAX_PARAMETERS = 100
"""Of one operation; what goes beyond is not offered."""
MAX_HOPS = 32
"""References followed one after the other before they count as going round in circles."""
MAX_TEXT = 400
"""Characters of a summary or an explanation."""

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
PLACES = ("path", "query", "header")
"""Where parameters may be; cookies are not offered."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a request may carry."""

    name: str
    place: str
    """One of PLACES."""
    required: bool
    kind: str = ""
    """Type of its values, as `integer`; empty when not told."""
    help: str = ""
    value: str | None = None
    """What it is unless somebody says otherwise; None: it is left out."""
    choices: tuple[str, ...] = ()
    secret: bool = False
    """A password: not remembered."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a request may carry besides."""

    media_type: str
    required: bool
    text: str
    """A beginning: JSON with everything that the schema names; empty when nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that the workload answers."""

    method: str
    """Capital letters."""
    path: str
    """Below the workload's base_url, with `{name}` for parameters."""
    summary: str
    parameters: tuple[Parameter, ...]
    body: Body | None


def parse(document: bytes) -> tuple[Operation, ...]:
    """The operations in it, in its order. InvalidParams when it is no OpenAPI document."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise InvalidParams(f"the OpenAPI document has more than {MAX_DOCUMENT_BYTES} bytes", hint="forms are made from the manifest alone")
    try:
        parsed = json.loads(document)
        json.dumps(parsed, ensure_ascii=False).encode()  # fails where escapes spell halves of characters, which could not be sent
    except (ValueError, RecursionError):
        raise InvalidParams(
            "the OpenAPI document is no JSON of whole characters", hint="YAML is not read; forms are made from the manifest alone"
        ) from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("paths"), dict):
        raise InvalidParams("the OpenAPI document has no paths", hint="forms are made from the manifest alone")
    return Document(parsed).operations()


class Document:
    """A parsed document, to look things up in."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def operations(self) -> tuple[Operation, ...]:
        found: list[Operation] = []
        for path, methods in self._root["paths"].items():
            item = self.at(methods)
            for method in METHODS:
                declared = item.get(method)
                if isinstance(declared, dict) and path.startswith("/") and len(found) < MAX_OPERATIONS:
                    found.append(self._operation(method, path, item, declared))
        return tuple(found)

    def at(self, value: Any) -> Mapping[str, Any]:
        """The mapping that `value` is or refers to; an empty one for anything else."""
        for _ in range(MAX_HOPS):
            if not isinstance(value, dict):
                return {}
            reference = value.get("$ref")
            if reference is None:
                return value
            value = self._referred(reference)
        return {}

    def _referred(self, reference: Any) -> Any:
        """What stands at a JSON pointer (RFC 6901) of this document; None for nothing, or for another document."""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        place: Any = self._root
        for step in reference[2:].split("/"):
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, dict) else None
        return place

    def _operation(self, method: str, path: str, item: Mapping[str, Any], declared: Mapping[str, Any]) -> Operation:
        parameters = {(each.place, each.name): each for source in (item, declared) for each in self._parameters(source)}
        summary = _text(declared.get("summary")) or _text(declared.get("description")) or _text(item.get("summary"))
        return Operation(
            method.upper(), self._prefix() + path, summary, tuple(parameters.values()), self._body(declared.get("requestBody"))
        )

    def _prefix(self) -> str:
        """The path of the first server, below which all paths are."""
        servers = self._root.get("servers")
        first = servers[0] if isinstance(servers, list) and servers else None
        url = first.get("url") if isinstance(first, dict) else None
        try:
            path = urlsplit(url).path if isinstance(url, str) else ""
        except ValueError:
            return ""
        return path.rstrip("/") if path.startswith("/") and "{" not in path else ""

    def _parameters(self, source: Mapping[str, Any]) -> Iterator[Parameter]:
        listed = source.get("parameters")
        for each in listed[:MAX_PARAMETERS] if isinstance(listed, list) else ():
            given = self.at(each)
            name, place = given.get("name"), given.get("in")
            if isinstance(name, str) and name and place in PLACES:
                yield self._parameter(name, str(place), given)

    def _parameter(self, name: str, place: str, given: Mapping[str, Any]) -> Parameter:
        schema = self.at(given.get("schema"))
        required = given.get("required") is True or place == "path"
        choices = schema.get("enum")
        value = next((one for one in (given.get("example"), schema.get("default"), schema.get("example")) if _is_scalar(one)), None)
        kind = schema.get("type")
        return Parameter(
            name=name[:MAX_TEXT],
            place=place,
            required=required,
            kind=kind if isinstance(kind, str) else "",
            help=_text(given.get("description")),
            value=shown(value) if value is not None and (required or "default" in schema) else None,
            choices=tuple(shown(one) for one in choices[:MAX_PARAMETERS] if _is_scalar(one)) if isinstance(choices, list) else (),
            secret=schema.get("format") == "password",
        )

    def _body(self, declared: Any) -> Body | None:
        given = self.at(declared)
        content = given.get("content")
        if not isinstance(content, dict) or not content:
            return None
        chosen = next((name for name in content if _is_json(name)), next(iter(content)))
        media = self.at(content[chosen])
        text = json.dumps(sample(media, self.at), indent=2, ensure_ascii=False) if _is_json(chosen) and media else ""
        return Body(chosen[:MAX_TEXT], given.get("required") is True, text)


def _is_json(media_type: str) -> bool:
    bare = media_type.partition(";")[0].strip().lower()
    return bare == "application/json" or bare.endswith("+json")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _text(value: Any) -> str:
    """One line of words; empty when it is no text."""
    return " ".join(value[: 4 * MAX_TEXT].split())[:MAX_TEXT] if isinstance(value, str) else ""
