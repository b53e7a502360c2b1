"""The blocking client: for scripts and the `volant` command. One thread uses a Client at a time."""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import suppress
from types import TracebackType

from volant.client.asking import (
    GREETING_S,
    NAMED,
    asked,
    check_path,
    check_read_only,
    lost,
    new_connection,
    silent,
    typed_result,
    why_unreachable,
)
from volant.client.calls import Inbox
from volant.client.paths import default_socket
from volant.proto.errors import ConnectionLost, Fault
from volant.proto.messages import ClosedByPeer, Hello, HelloReceived

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Self, TypeVar

    from volant.client.blocking_calls import BytesCall, Stream
    from volant.client.nouns import Noun
    from volant.proto.connection import Connection
    from volant.proto.method import Method

    P = TypeVar("P")
    R = TypeVar("R")

_READ_BYTES = 256 * 1024
"""One read: a page of VMs comes in few of them."""
_LONGEST_SLEEP = 1
"""Seconds. A signal that comes between Python's last look for signals and the wait itself does not end that wait, so that an
interrupt would go unheeded until the daemon says something: no wait is longer than this."""


class Client:
    """A connection to a daemon. Closing it, or leaving its `with` block, cancels what is still open.

    A connection that was lost ends its open calls with ConnectionLost: what they asked for may have been done or not. The next call makes
    another connection, so that a restart of the daemon ends no client.

    `client.vms.create(name="web", plugin="hello")`, `client.events.follow()`: see `nouns`.
    """

    def __init__(self, path: str | None = None, *, read_only: bool = False, reconnect: bool = True) -> None:
        """Connect to the socket at `path`, by default where `paths.default_socket` says. `read_only`: the daemon refuses (NotAllowed)
        every call that would change something. `reconnect`: a call after the connection was lost makes another; without it such calls
        fail with what ended the connection.

        SocketMissing, SocketRefused, SocketForbidden, SocketPathTooLong.
        """
        self.path = path or default_socket()
        check_path(self.path)
        self._read_only, self._reconnect = read_only, reconnect
        self._handed: tuple[str, Any, bool] | None = None
        """The plain result or item that was handed out last, with its method's name and whether it is an item."""
        self._connect()

    def _connect(self) -> None:
        self._wire = new_connection(read_only=self._read_only)
        self._unchecked = self._read_only
        """The daemon has not said yet whether it holds us to reading."""
        self._inboxes: dict[int, Inbox] = {}
        self._broken: Fault | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _LONGEST_SLEEP, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(GREETING_S), 0))  # holds for connecting too
        self._greeted_by = time.monotonic() + GREETING_S
        try:
            self._socket.connect(self.path)
        except OSError as error:
            self._socket.close()
            self._broken = why_unreachable(self.path, error)
            raise self._broken from None
        # Sent with the first call, so that one write and one read do for a short command.
        self._unsent = bytearray(self._wire.hello())

    @property
    def daemon(self) -> Hello:
        """What the daemon said of itself: its version and features."""
        self._flush()
        while self._wire.peer is None:
            self.pump()
        return self._wire.peer

    @property
    def is_lost(self) -> bool:
        """The connection has ended, or was closed. Looks at what has come."""
        with suppress(Fault):
            while self.pump(wait=False):
                pass  # the end comes after all that was said before
        return self._broken is not None

    def call(self, method: Method[P, R], params: P) -> R:
        """Make a UNARY call, and wait for its result. Raises the fault it ended with."""
        result: R = typed_result(method, self.call_plain(*asked(method, params)))
        return result

    def call_plain(self, method: str, params: dict[str, Any], *, meanwhile: Callable[[], object] | None = None) -> Any:
        """`call` with a method's name and plain values; `meanwhile` is done while the daemon works on it."""
        inbox = self._open(method, params, is_unary=True)
        if meanwhile is not None:
            meanwhile()
        while not inbox.over:
            self.pump()
        return self.handed(method, inbox.outcome())

    def stream(self, method: Method[P, R], params: P) -> Stream[R]:
        """Make a STREAM call: iterate over its typed items, then take its `result`."""
        from volant.client.blocking_calls import Stream

        return Stream(self, method, self._open(*asked(method, params)))

    def stream_plain(self, method: str, params: dict[str, Any]) -> Stream[Any]:
        """`stream` with a method's name and plain values."""
        from volant.client.blocking_calls import Stream

        return Stream(self, method, self._open(method, params))

    def bytes_call(self, method: Method[Any, Any] | str, params: Any) -> BytesCall:
        """Make a BYTES call, to send and receive on. With a method's name: plain parameters, items and result."""
        from volant.client.blocking_calls import BytesCall

        return BytesCall(self, method, self._open(*asked(method, params)))

    def __getattr__(self, name: str) -> Noun:
        if name in NAMED:
            from volant.client.nouns import Noun

            return Noun(self, NAMED[name])
        raise AttributeError(f"a client has no {name!r}; its nouns are {', '.join(NAMED)}")

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection; the daemon cancels what is still open on it."""
        self._broken = self._broken or ConnectionLost("this client was closed")
        self._reconnect = False
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # What streams and byte calls use; scripts have no need of these.

    @property
    def wire(self) -> Connection:
        return self._wire

    @property
    def unsent(self) -> int:
        """Bytes that wait for the daemon to read."""
        return len(self._unsent)

    def pump(self, *, wait: bool = True) -> bool:
        """Read once and hand out what came; whether anything did, which is not sure even with `wait`: call it until what is
        waited for is there. ConnectionLost, or what the daemon said when it closed."""
        self._check()
        if wait and self._unsent:
            return self._drain()
        try:
            data = self._socket.recv(_READ_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            if self._wire.peer is None and time.monotonic() > self._greeted_by:
                self._break(silent(self.path))
            return False
        except OSError as error:
            self._break(lost(str(error.strerror)))
        if not data:
            self._break(lost("the daemon closed it"))
        try:
            for message in self._wire.receive(data):
                if isinstance(message, ClosedByPeer):
                    raise message.fault
                if not isinstance(message, HelloReceived):
                    inbox = self._inboxes.get(message.id)
                    if inbox is not None and inbox.take(message):
                        del self._inboxes[message.id]
        except Fault as fault:
            self._break(fault)
        return True

    def write(self, frame: bytes) -> None:
        """Send `frame`. What the socket does not take now stays `unsent`, and goes with the next write or wait."""
        self._unsent += frame
        self._flush()

    def forget(self, inbox: Inbox) -> None:
        """Cancel a call, and drop what still comes for it."""
        if not inbox.over and self._broken is None:
            self._inboxes.pop(inbox.id, None)
            self.write(self._wire.cancel(inbox.id))

    def handed(self, method: str, plain: Any, *, is_item: bool = False) -> Any:
        """`plain`, which is about to be handed out unchecked; see `misread`."""
        self._handed = (method, plain, is_item)
        return plain

    def misread(self, error: Exception) -> Fault | None:
        """The fault for who stumbled with `error` over the plain result or item that was handed out last; None when none was."""
        if self._handed is None:
            return None
        from volant.client.asking import misread

        method, plain, is_item = self._handed
        return misread(method, plain, error, is_item=is_item)

    def _open(self, method: str, params: dict[str, Any], *, is_unary: bool = False) -> Inbox:
        if self._reconnect and self.is_lost:
            self._socket.close()
            self._connect()
        self._check()
        if self._unchecked:
            check_read_only(self.daemon)
            self._unchecked = False
        id, frame = self._wire.call(method, params)
        inbox = self._inboxes[id] = Inbox(id, self._wire, is_unary=is_unary)
        self.write(frame)
        return inbox

    def _drain(self) -> bool:
        """Wait until all is sent or something came; whether something did. Reading and sending at once, for otherwise daemon and
        client might each wait for the other for ever."""
        while self._unsent:
            poller = select.poll()
            poller.register(self._socket, select.POLLIN | select.POLLOUT)
            for _, event in poller.poll(_LONGEST_SLEEP * 1000):
                if event & ~select.POLLOUT:
                    return self.pump(wait=False)
                self._flush()
        return False

    def _flush(self) -> None:
        """Send what the socket takes now."""
        self._check()
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent, socket.MSG_DONTWAIT)]
        except BlockingIOError:
            return
        except OSError as error:
            # What the daemon said before it closed explains it best.
            while self.pump(wait=False):
                pass
            self._break(lost(str(error.strerror)))

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _break(self, fault: Fault) -> NoReturn:
        """End every open call with `fault`."""
        self._broken = fault
        for inbox in self._inboxes.values():
            inbox.fail(fault)
        self._inboxes.clear()
        raise fault
