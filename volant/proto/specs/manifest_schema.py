"""The manifest's JSON Schema (2020-12), made from the same declarations that the parser reads.

`python -m volant.proto.specs.manifest_schema > volant/proto/specs/manifest.schema.json` writes the committed file. It
describes what `--strict` accepts. Four rules are beyond a schema and are the parser's alone: names and targets of disks
are unique, a gateway lies in its subnet, a port is at most 65535, and keys differ after trimming.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from volant.proto.specs.fields import MAX_ITEMS, Declared, Flag, Kind, ListOf, MapOf, Number, Text, kinds_of
from volant.proto.specs.manifest import Document, HealthCheck, Initramfs, Manifest, Network, Rootfs, Workload

Schema = dict[str, Any]

_PLAIN = r"[^\x00-\x1f\x7f]"
_NOT_BLANK: Schema = {"type": "string", "pattern": r"\S"}
_NOT_EMPTY: Schema = {"type": "string", "minLength": 1}


def manifest_schema() -> Schema:
    """The schema of a manifest file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Volant plugin manifest",
        **_of_class(Manifest, nullable=False),
    }


def schema_text() -> str:
    """The committed file's content."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


def _of_class(cls: type[Declared], *, nullable: bool) -> Schema:
    kinds = kinds_of(cls)
    required = [name for name, kind in kinds.items() if _is_required(kind)]
    schema: Schema = {
        "type": _type("object", nullable=nullable),
        "properties": {name: {"description": kind.help, **_of_kind(kind, nullable=not _is_required(kind))} for name, kind in kinds.items()},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    if cls in _RULES:
        schema["allOf"] = _RULES[cls]
    return schema


def _of_kind(kind: Kind, *, nullable: bool) -> Schema:
    if isinstance(kind, Text):
        return {"type": _type("string", nullable=nullable), **_of_text(kind)}
    if isinstance(kind, Number):
        return {"type": _type("integer", nullable=nullable), "minimum": kind.least, "maximum": kind.most}
    if isinstance(kind, Flag):
        return {"type": _type("boolean", nullable=nullable)}
    if isinstance(kind, ListOf):
        least: Schema = {"minItems": 1} if kind.required else {}
        return {"type": _type("array", nullable=nullable), "maxItems": MAX_ITEMS, **least, "items": _of_kind(kind.item, nullable=False)}
    if isinstance(kind, MapOf):
        return {
            "type": _type("object", nullable=nullable),
            "maxProperties": MAX_ITEMS,
            "propertyNames": {"pattern": _trimmed(kind.key.pattern, optional=False, most=kind.key.max_chars)},
            "additionalProperties": _of_kind(kind.value, nullable=False),
        }
    return _of_class(kind.cls, nullable=nullable)


def _of_text(kind: Text) -> Schema:
    if kind.verbatim:
        least: Schema = {"minLength": 1} if kind.required else {}
        return {**least, "maxLength": kind.max_chars, "pattern": r"^[^\x00]*$"}
    pattern = "|".join(map(_any_case, kind.choices)) if kind.choices else kind.pattern
    return {"pattern": _trimmed(pattern, optional=not kind.required, most=kind.max_chars)}


def _trimmed(pattern: str, *, optional: bool, most: int) -> str:
    """A pattern of a text that is trimmed before it is looked at, and may hold no control character."""
    # Printable within, so that a pattern's \S or [^...] doesn't let one through.
    printable = rf"(?=\s*{_PLAIN}{{0,{most}}}\s*$)"
    inner = f"(?:{pattern})" if pattern else f"{_PLAIN}*"
    return rf"^{printable}\s*{inner}{'?' if optional and pattern else ''}\s*$"


def _any_case(text: str) -> str:
    return "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in text)


def _type(name: str, *, nullable: bool) -> str | list[str]:
    return [name, "null"] if nullable else name


def _is_required(kind: Kind) -> bool:
    return not isinstance(kind, Flag | MapOf) and kind.required


def _with(**fields: Schema) -> Schema:
    """An object that has all these fields, each as described."""
    return {"type": "object", "required": list(fields), "properties": fields}


_TRUE: Schema = {"const": True}
_BRIDGED: Schema = {"type": "string", "pattern": rf"^\s*{_any_case('bridged')}\s*$"}
_CHECKSUM_NEEDS_URL: Schema = {"if": _with(checksum=_NOT_BLANK), "then": _with(url=_NOT_BLANK)}

_RULES: dict[type[Declared], list[Schema]] = {
    Manifest: [{"anyOf": [_with(rootfs=_with(url=_NOT_BLANK)), _with(initramfs=_with(url=_NOT_BLANK))]}],
    Rootfs: [_CHECKSUM_NEEDS_URL],
    Initramfs: [_CHECKSUM_NEEDS_URL],
    Workload: [{"properties": {"entrypoint": {"prefixItems": [_NOT_BLANK]}}}],
    HealthCheck: [{"if": _with(timeout_ms={"type": "integer", "minimum": 1}), "then": _with(endpoint=_NOT_BLANK)}],
    Document: [
        {"not": _with(path=_NOT_BLANK, content=_NOT_EMPTY)},
        {"not": _with(path=_NOT_BLANK, inline=_TRUE)},
        {"if": _with(inline=_TRUE), "then": _with(content=_NOT_EMPTY)},
    ],
    Network: [
        {"if": {"anyOf": [_with(subnet=_NOT_BLANK), _with(gateway=_NOT_BLANK), _with(auto_assign=_TRUE)]}, "then": _with(mode=_NOT_BLANK)},
        {
            "if": _with(mode=_BRIDGED, subnet=_NOT_BLANK),
            "then": {"anyOf": [_with(gateway=_NOT_BLANK), _with(auto_assign=_TRUE)]},
        },
    ],
}


if __name__ == "__main__":
    sys.stdout.write(schema_text())
