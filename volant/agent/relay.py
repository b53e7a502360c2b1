"""One HTTP request to the workload and its response, both streamed: for calls over the agent channel, for the guest's own
HTTP surface, and for the health probe."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from volant.agent.http1 import (
    LAST_CHUNK,
    MAX_HEAD,
    BodyReader,
    Head,
    Headers,
    HttpError,
    check_target,
    chunk,
    parse_head,
    render_head,
    response_body,
    status_of,
)
from volant.agent.loop import READ_BYTES, WRITABLE, Loop
from volant.proto.errors import GuestFailed, InvalidParams, Timeout

MEASURED_BODY = 65_536
"""A request's body up to this size is sent with its length; a longer one in chunks, which small servers may not understand."""

_BODILESS = ("GET", "HEAD")
_MAX_INTERIM = 16
"""1xx responses before the real one."""

Body = Callable[[], Awaitable[bytes]]
"""Gives the next piece of a request's body; empty at its end."""


class BaseUrl(NamedTuple):
    """Where the workload listens: `http://HOST[:PORT][/PATH]`."""

    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


class Request(NamedTuple):
    """What is asked of the workload. `path` is relative to the base URL; `timeout_s` bounds the wait for the head, then for each piece."""

    method: str
    path: str
    headers: Headers
    timeout_s: float
    body: Body | None = None


class Sink(Protocol):
    """Takes the response."""

    async def head(self, status: int, reason: str, headers: Headers) -> None: ...
    async def body(self, data: bytes) -> None: ...


def parse_base_url(url: str) -> BaseUrl:
    """InvalidParams unless `url` is plain HTTP to a literal address or localhost: a guest's probe must not hang in a resolver."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        host, port = authority, "80"
    host = host.strip("[]")
    literal = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - an address to call, not to bind
    if scheme != "http" or not separator or not port.isdecimal() or not _is_address(literal):
        raise InvalidParams(f"the workload's base_url {url!r} can't be called", hint="write http://127.0.0.1:PORT")
    return BaseUrl(literal, int(port), ("/" + path).rstrip("/") if slash else "")


async def relay(loop: Loop, base: BaseUrl, request: Request, sink: Sink) -> None:
    """Do `request`, streaming the response into `sink`. GuestFailed when the workload is down or speaks no HTTP; Timeout."""
    path = base.prefix + request.path
    try:
        check_target(request.method, path)
        render_head("", request.headers)
    except HttpError as error:
        raise InvalidParams(f"the request can't be sent: {error}", hint="percent-encode the path") from None
    where = base.authority
    try:
        with loop.move_on_after(request.timeout_s) as deadline:
            connection = await _connect(loop, base)
        if deadline.expired:
            raise _timeout(request, "connect")
        try:
            await _exchange(loop, connection, base, request, sink)
        finally:
            connection.close()
    except HttpError as error:
        raise GuestFailed(
            f"the workload at {where} does not speak proper HTTP: {error}", hint="`volant vm logs` shows what it says"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GuestFailed(f"the workload does not answer at {where}: {reason}", hint="`volant vm logs` shows what it says") from None


async def _exchange(loop: Loop, connection: socket.socket, base: BaseUrl, request: Request, sink: Sink) -> None:
    fd = connection.fileno()
    sender = loop.spawn(_send_request(loop, fd, base, request), "http request")
    try:
        with loop.move_on_after(request.timeout_s) as deadline:
            head, body = await _response_head(loop, fd, request.method)
        if deadline.expired:
            raise _timeout(request, "answer")
        await sink.head(status_of(head), head.first[2], head.passed_on())
        while True:
            with loop.move_on_after(request.timeout_s) as deadline:
                data = await body.read()
            if deadline.expired:
                raise _timeout(request, "go on answering")
            if not data:
                return
            await sink.body(data)
    finally:
        loop.cancel(sender)


async def _connect(loop: Loop, base: BaseUrl) -> socket.socket:
    family = socket.AF_INET6 if ":" in base.host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if connection.connect_ex((base.host, base.port)) != 0:
            await loop.wait_ready(connection.fileno(), WRITABLE)
            number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
    except BaseException:
        connection.close()
        raise
    return connection


async def _send_request(loop: Loop, fd: int, base: BaseUrl, request: Request) -> None:
    """Head and body. A workload that answers early and closes is no failure: its answer counts."""
    try:
        headers = [(name, value) for name, value in Head(("", "", ""), request.headers).passed_on() if name.lower() != "content-length"]
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", base.authority))
        headers.append(("Connection", "close"))
        first = f"{request.method} {base.prefix}{request.path} HTTP/1.1"
        body = None if request.method in _BODILESS else request.body
        begin, more = await _measure(body)
        if more:
            headers.append(("Transfer-Encoding", "chunked"))
        elif begin or body is not None:
            headers.append(("Content-Length", str(len(begin))))
        await loop.write_all(fd, render_head(first, headers) + (chunk(begin) if more else begin))
        while more and body is not None:
            piece = await body()
            await loop.write_all(fd, chunk(piece) if piece else LAST_CHUNK)
            more = bool(piece)
    except OSError:
        pass


async def _measure(body: Body | None) -> tuple[bytes, bool]:
    """The body's beginning, and whether there is more than fits MEASURED_BODY."""
    begin = b""
    while body is not None and len(begin) < MEASURED_BODY:
        piece = await body()
        if not piece:
            return begin, False
        begin += piece
    return begin, body is not None


async def _response_head(loop: Loop, fd: int, method: str) -> tuple[Head, BodyStream]:
    """The head of the final response, and its body to be read."""
    held = b""
    for _ in range(_MAX_INTERIM):
        head, held = await read_head(loop, fd, held)
        status = status_of(head)
        if status >= 200:
            return head, BodyStream(loop, fd, response_body(method, status, head), held)
    raise HttpError("interim responses do not end")


class BodyStream:
    """A message's body, read piece by piece; `held` is what of it came with the head."""

    def __init__(self, loop: Loop, fd: int, body: BodyReader, held: bytes) -> None:
        self._loop, self._fd, self._body, self._held = loop, fd, body, held

    async def read(self) -> bytes:
        """The next piece; empty at the end."""
        while not self._body.done:
            data = self._held or await self._loop.read(self._fd)
            self._held = b""
            if not data:
                self._body.end()
            elif piece := self._body.feed(data):
                return piece
        return b""


async def read_head(loop: Loop, fd: int, held: bytes = b"") -> tuple[Head, bytes]:
    """The next head and what came behind it; HttpError when it is too large or the connection ends before it does."""
    while (end := held.find(b"\r\n\r\n")) < 0:
        if len(held) > MAX_HEAD:
            raise HttpError(f"the head has more than {MAX_HEAD} bytes")
        data = await loop.read(fd, READ_BYTES)
        if not data:
            raise HttpError("the connection ended before the head did" if held else "it closed the connection without a word")
        held += data
    return parse_head(held[: end + 2]), held[end + 4 :]


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _timeout(request: Request, what: str) -> Timeout:
    return Timeout(
        f"the workload did not {what} within {request.timeout_s:g} s ({request.method} {request.path})",
        hint="raise the timeout, or see `volant vm logs` for what keeps it",
    )
