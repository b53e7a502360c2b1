"""The wire's codec for a client: pure Python for a short command's few small messages, cbor2 for all others.

Importing cbor2, with the typing that it imports, takes longer than a short command spends on all of its messages.
"""

from __future__ import annotations

from volant.proto import purecbor

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

SMALL = 4_096
"""Bytes of a message up to which the pure codec takes less time (a fifth of a millisecond) than importing the other."""
FEW = 32
"""Messages each way; a connection that carries more lives longer than an import takes."""


class QuickStart:
    """A codec (`connection.Codec`) for one connection."""

    def __init__(self) -> None:
        self._encoded = self._decoded = 0

    def dumps(self, value: Any, /) -> bytes:
        """`value` as one CBOR item. NotPlain when it is outside the subset."""
        self._encoded += 1
        if self._encoded <= FEW:
            return purecbor.dumps(value)
        from volant.proto import cbor

        self.dumps = cbor.dumps  # type: ignore[method-assign]
        return cbor.dumps(value)

    def loads(self, data: bytes, /) -> Any:
        """The one item that `data` holds. MalformedFrame when it is anything but exactly one item of the subset."""
        self._decoded += 1
        if self._decoded <= FEW and len(data) <= SMALL:
            return purecbor.loads(data)
        from volant.proto import cbor

        self.loads = cbor.loads  # type: ignore[method-assign]
        return cbor.loads(data)
