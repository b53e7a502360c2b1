"""What a call is: each is declared once, here in `proto/api/`, and every surface is read off the declaration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, Generic, TypeVar

from volant.proto.errors import Fault, NoSuchMethod

P = TypeVar("P")
R = TypeVar("R")

NOUNS = ("system", "vm", "plugin", "deployment", "event")
"""The nouns a client may use, one module each in `proto/api/`. `guest` is spoken only between daemon and agent."""

_MORE_OF = {"vm": ("vm_call", "vm_config", "vm_console", "vm_explain", "vm_lease", "vm_logs", "vm_stats", "vm_watch")}
"""Further modules below `proto/api/` that add methods to a noun of another module."""


class Shape(StrEnum):
    """What flows between call and reply."""

    UNARY = "unary"
    """Nothing."""
    STREAM = "stream"
    """Items from the callee."""
    BYTES = "bytes"
    """Data with credit on the declared channels, and possibly items."""


@dataclass(frozen=True, slots=True)
class Http:
    """Where the gateway puts this call."""

    verb: str
    path: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One byte channel of a BYTES call; `number` is what data, end and credit messages carry."""

    number: int
    name: str
    to_callee: bool


@dataclass(frozen=True, slots=True)
class Method(Generic[P, R]):
    """One call, described once: socket, gateway, OpenAPI, CLI and TUI all read this."""

    name: str
    params: type[P]
    result: type[R]
    help: str
    faults: tuple[type[Fault], ...] = ()
    http: Http | None = None
    shape: Shape = Shape.UNARY
    item: type[Any] | None = None
    """Type of a stream's items."""
    channels: tuple[Channel, ...] = ()
    changes: bool = False
    """Whether it may change anything: a read-only peer may not call it."""
    changes_if: str = ""
    """Name of a flag among the parameters without which it changes nothing, although `changes` says that it may."""
    private: bool = False
    """Whether it shows what is inside a guest's disks, or what VMs are configured with, secrets included: no read-only peer may call it."""


@dataclass(slots=True)
class Noun:
    """The methods of one noun, in the order of their declaration."""

    name: str
    methods: dict[str, Method[Any, Any]] = field(default_factory=dict)

    def add(self, method: Method[P, R]) -> Method[P, R]:
        """Register `method`; its name must be new and start with this noun."""
        noun, _, verb = method.name.partition(".")
        if noun != self.name or not verb or method.name in self.methods:
            raise ValueError(f"{method.name!r} can't be registered under {self.name!r}")
        self.methods[method.name] = method
        return method


def methods_of(noun: str) -> dict[str, Method[Any, Any]]:
    """The methods of one noun; only that noun's modules are imported."""
    module = import_module(f"volant.proto.api.{noun}")
    for more in _MORE_OF.get(noun, ()):
        import_module(f"volant.proto.api.{more}")
    found: dict[str, Method[Any, Any]] = module.NOUN.methods
    return found


def find(name: str) -> Method[Any, Any]:
    """The method called `name`, or `NoSuchMethod`."""
    noun = name.partition(".")[0]
    if noun in NOUNS or noun == "guest":
        method = methods_of(noun).get(name)
        if method is not None:
            return method
    raise NoSuchMethod(name)
