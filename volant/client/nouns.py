"""`client.vms.create(name=..., plugin=...)`: methods by noun and verb, derived from the registry.

A verb takes the fields of its method's params as keywords. A UNARY one gives the typed result; a STREAM one what the client's
`stream` gives, to iterate over; a BYTES one what its `bytes_call` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from volant.proto.method import Method, Shape, methods_of


class _Shell(Protocol):
    """The blocking and the asyncio client alike."""

    def call(self, method: Method[Any, Any], params: Any, /) -> Any: ...
    def stream(self, method: Method[Any, Any], params: Any, /) -> Any: ...
    def bytes_call(self, method: Method[Any, Any], params: Any, /) -> Any: ...


class Noun:
    """The verbs of one noun."""

    def __init__(self, client: _Shell, noun: str) -> None:
        self._client, self._noun = client, noun

    def __dir__(self) -> list[str]:
        return [name.partition(".")[2] for name in methods_of(self._noun)]

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        method = methods_of(self._noun).get(f"{self._noun}.{verb}")
        if method is None:
            raise AttributeError(f"{self._noun} has no verb {verb!r}; it has {', '.join(dir(self))}")
        make = {Shape.UNARY: self._client.call, Shape.STREAM: self._client.stream, Shape.BYTES: self._client.bytes_call}[method.shape]

        def ask(**fields: Any) -> Any:
            return make(method, method.params(**fields))

        ask.__name__, ask.__doc__ = verb, f"{method.help.capitalize()}. Keywords: the fields of {method.params.__name__}."
        return ask
