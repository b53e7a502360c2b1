"""One open call as a client sees it, without I/O: what came for it and how it ended. Both shells use it."""

from __future__ import annotations

from collections import deque

from volant.client.asking import GRANT_BYTES
from volant.proto.connection import Connection
from volant.proto.errors import Fault, OutOfOrder
from volant.proto.messages import DataReceived, EndReceived, FaultReceived, ItemReceived, Message, ReplyReceived

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

Moved = ItemReceived | DataReceived | EndReceived
"""What a callee sends before its reply."""


class Inbox:
    """Messages for one call, oldest first, until its reply or fault. Bytes are bounded by the credit that `granted` gives back."""

    def __init__(self, id: int, wire: Connection, *, is_unary: bool = False) -> None:
        self.id = id
        self._is_unary = is_unary
        self.messages: deque[Moved] = deque()
        self.over = False
        """The reply or fault came, or the connection broke; what came before may still wait here."""
        self._wire = wire
        self._result: Any = None
        self._fault: Fault | None = None
        self._consumed: dict[int, int] = {}

    def take(self, message: Message) -> bool:
        """A message for this call came; whether it was its last. OutOfOrder for anything but its end where nothing else was asked for."""
        if self._is_unary and isinstance(message, ItemReceived | DataReceived | EndReceived):
            raise OutOfOrder(f"more than an answer came for call {self.id}, which asked for no more")
        if isinstance(message, ItemReceived | DataReceived | EndReceived):
            self.messages.append(message)
        elif isinstance(message, ReplyReceived):
            self._result, self.over = message.result, True
        elif isinstance(message, FaultReceived):
            self.fail(message.fault)
        return self.over

    def fail(self, fault: Fault) -> None:
        """The call ended with `fault`."""
        self._fault, self.over = fault, True

    def outcome(self) -> Any:
        """The plain result of a call that is over. Raises the fault it ended with."""
        if self._fault is not None:
            raise self._fault
        return self._result

    def next_moved(self) -> Moved | None:
        """The oldest message that waits."""
        return self.messages.popleft() if self.messages else None

    def next_item(self) -> ItemReceived | None:
        """The oldest item that waits; other messages stay."""
        for message in self.messages:
            if isinstance(message, ItemReceived):
                self.messages.remove(message)
                return message
        return None

    def next_on(self, channel: int) -> DataReceived | EndReceived | None:
        """The oldest data or end that waits on `channel`; other messages stay."""
        for at, message in enumerate(self.messages):
            if not isinstance(message, ItemReceived) and message.channel == channel:
                del self.messages[at]
                return message
        return None

    def granted(self, message: Moved) -> bytes:
        """The bytes to write because `message` was consumed: credit, where enough was. None once the call is over: nothing more comes,
        and there may be another connection by now."""
        if self.over or not isinstance(message, DataReceived):
            return b""
        consumed = self._consumed.get(message.channel, 0) + len(message.data)
        self._consumed[message.channel] = 0 if consumed >= GRANT_BYTES else consumed
        return self._wire.credit(self.id, message.channel, consumed) if consumed >= GRANT_BYTES else b""
