"""Which function answers which method.

A handler converts and forwards, nothing else. Its shape follows the method's:

    @handles(vm_api.GET)                                             UNARY; `def` runs inline and must not take long
    def get(app, peer, params): return result
    @handles(vm_api.STOP)                                            UNARY that waits; runs in a task of its own
    async def stop(app, peer, params): return result
    @handles(vm_api.LOGS)                                            STREAM and BYTES: with the `Call` to send and receive on
    async def logs(app, peer, params, call): ...; return result

`app` is the services object that was given to RpcService, `peer` the `Peer`, `params` the method's params type. The result is the
method's result type, or `Encoded`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Any, TypeVar

from volant.proto.method import Method, Shape

Handler = Callable[..., Any]
_F = TypeVar("_F", bound=Handler)
_MARK = "_volant_method"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A result or item that is encoded already, one CBOR item, and spliced into its message as it is."""

    cbor: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One method and its handler."""

    method: Method[Any, Any]
    function: Handler
    inline: bool
    """A plain function of a UNARY method: it runs in the session's own task."""
    known: frozenset[str]
    """Names of the fields that the params have."""


def handles(method: Method[Any, Any]) -> Callable[[_F], _F]:
    """Mark a function as the handler of `method`; `Handlers.of` finds it in its module."""

    def mark(function: _F) -> _F:
        if method.shape is not Shape.UNARY and not iscoroutinefunction(function):
            raise TypeError(f"{method.name} moves items or bytes, so its handler must be async")
        setattr(function, _MARK, method)
        return function

    return mark


class Handlers:
    """The handlers of one daemon, by method name."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    @classmethod
    def of(cls, *modules: ModuleType) -> Handlers:
        """All marked functions of these modules."""
        handlers = cls()
        for module in modules:
            for function in list(vars(module).values()):
                method = getattr(function, _MARK, None)
                if method is not None and function.__module__ == module.__name__:
                    handlers.add(method, function)
        return handlers

    def add(self, method: Method[Any, Any], function: Handler) -> None:
        """Register one handler. ValueError when the method has one."""
        if method.name in self._entries:
            raise ValueError(f"{method.name} has two handlers")
        known = frozenset(method.params.__dataclass_fields__)
        self._entries[method.name] = Entry(method, function, not iscoroutinefunction(function), known)

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())
