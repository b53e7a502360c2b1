"""Kinds of manifest fields: one declaration that the parser, the JSON Schema and the plain form all read.

A dataclass field made with `declared` carries its kind in its metadata. Patterns are kept as text and compiled on first
use, because a guest imports this module while it boots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_TEXT_CHARS = 4_096
"""Longest single text: PATH_MAX, which also is more than a URL or an argument needs."""
MAX_CONTENT_CHARS = 65_536
"""Longest inline document: what cloud data sources accept as user data, and half of a manifest."""
MAX_ITEMS = 256
"""Most entries of one list or map: more actions, variables or disks than one VM has use for."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string. Trimmed unless `verbatim`; empty means not given."""

    help: str
    pattern: str = ""
    """Regular expression that the whole trimmed text has to match."""
    expects: str = ""
    """What the pattern asks for, as a clause after the field's path: "must be ..."."""
    required: bool = False
    choices: tuple[str, ...] = ()
    """Allowed values, compared without case; the value becomes the choice's own spelling."""
    lower: bool = False
    """The value is written in lower case."""
    verbatim: bool = False
    """Spaces matter, and lines may break: arguments, variables, documents."""
    max_chars: int = MAX_TEXT_CHARS


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number within bounds, both included."""

    help: str
    least: int
    most: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    help: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items are all of one kind."""

    help: str
    item: Kind
    required: bool = False


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with free keys."""

    help: str
    key: Text
    value: Kind


@dataclass(frozen=True, slots=True)
class Object:
    """An object with the fields of a declared dataclass."""

    help: str
    cls: type[Any]
    required: bool = False
    """Read as an empty object when missing, so that its own required fields are named."""


Kind = Text | Number | Flag | ListOf | MapOf | Object

_KIND = "kind"


def declared(kind: Kind, default: Any = None, *, factory: Any = None) -> Any:
    """A dataclass field of this kind; `default` (or what `factory` makes) stands for a field that is not given."""
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata={_KIND: kind})
    return dataclasses.field(default=default, metadata={_KIND: kind})


def kinds_of(cls: type[Any]) -> dict[str, Kind]:
    """The declared fields of a manifest class, in order."""
    return {field.name: field.metadata[_KIND] for field in dataclasses.fields(cls)}


Complaint = tuple[tuple[str, ...], str]
"""Fields that don't go together (the first one is blamed) and why not."""


class Declared:
    """Base of the manifest's classes: rules between fields, and when an object counts as not given."""

    __slots__ = ()

    def is_empty(self) -> bool:
        """Whether the object says nothing, so that it counts as not given."""
        return False

    def complaints(self) -> Iterator[Complaint]:
        """Rules between fields that this object breaks; fields that are wrong on their own are not looked at again."""
        return iter(())
