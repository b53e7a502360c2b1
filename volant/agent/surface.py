"""The guest's own HTTP surface on port 8080, for whoever reaches it by network: health, actions, and the workload's /v1/.

GET  /healthz            200 when the workload is ready, else 503; the phase as JSON
GET, POST /v1/<action>   the action of that name, as the manifest declares it
*    /v1/*               passed to the workload
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from volant.agent import relay
from volant.agent.config import Action
from volant.agent.http1 import Head, Headers, HttpError, render_head, request_body
from volant.agent.loop import READABLE, Loop
from volant.agent.status import Status
from volant.proto.errors import Fault

PORT = 8080

MAX_CONNECTIONS = 64
"""At once; more wait in the kernel's backlog. A small guest has memory for the buffers of these."""

HEAD_TIMEOUT_S = 10.0
"""How long a client may take to send its request's head."""

DEFAULT_TIMEOUT_S = 30.0
"""For actions without a timeout, and for other requests."""

WRITE_TIMEOUT_S = 30.0
"""How long a client may leave what we write unread."""

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Surface:
    """Serves one request per connection."""

    def __init__(
        self,
        loop: Loop,
        status: Status,
        actions: dict[str, Action],
        do_request: Callable[[relay.Request, relay.Sink], Awaitable[None]],
    ) -> None:
        self._loop, self._status = loop, status
        self._actions, self._do_request = actions, do_request
        self._open = 0

    async def run(self, listener: socket.socket) -> None:
        """Accept for ever."""
        listener.setblocking(False)
        while True:
            await self._loop.wait_ready(listener.fileno(), READABLE)
            if self._open >= MAX_CONNECTIONS:
                await self._loop.sleep(0.05)
                continue
            try:
                connection, _ = listener.accept()
            except OSError:
                continue  # it was gone before we took it
            connection.setblocking(False)
            self._open += 1
            self._loop.spawn(self._serve(connection), "http connection")

    async def _serve(self, connection: socket.socket) -> None:
        sink = _SocketSink(self._loop, connection.fileno())
        try:
            with self._loop.move_on_after(HEAD_TIMEOUT_S) as deadline:
                head, rest = await relay.read_head(self._loop, connection.fileno())
            if not deadline.expired:
                await self._answer(head, relay.BodyStream(self._loop, connection.fileno(), request_body(head), rest), sink)
        except HttpError as error:
            await sink.refuse(400, str(error))
        except Fault as fault:
            await sink.refuse(fault.http_status, fault.message, fault.to_wire())
        except OSError:
            pass  # the client went away, or reads no more
        finally:
            connection.close()
            self._open -= 1

    async def _answer(self, head: Head, body: relay.BodyStream, sink: _SocketSink) -> None:
        method, target, _ = head.first
        path, question, query = target.partition("?")
        if path == "/healthz":
            ready = self._status.phase == "ready"
            await sink.json(200 if ready else 503, {"status": "ok" if ready else self._status.phase, "message": self._status.message})
            return
        if not path.startswith("/v1/"):
            await sink.refuse(404, f"there is nothing at {path[:80]}: /healthz, /v1/<action> and the workload's /v1/ are served")
            return
        if _climbs(path):
            await sink.refuse(404, f"{path[:80]!r} may lead out of /v1/, which is all that is served")
            return
        action = self._actions.get(path.removeprefix("/v1/")) if method in ("GET", "POST") else None
        if action is not None:
            joined = action.path + (("&" if "?" in action.path else "?") + query if question else "")
            timeout_s = action.timeout_ms / 1000 or DEFAULT_TIMEOUT_S
            await self._do_request(relay.Request(action.method, joined, head.passed_on(), timeout_s, body.read), sink)
        else:
            await self._do_request(relay.Request(method, target, head.passed_on(), DEFAULT_TIMEOUT_S, body.read), sink)


def _climbs(path: str) -> bool:
    """Whether a server that resolves `..`, spelled out or percent-encoded, may take `path` for one that is not below /v1/."""
    plain = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace("\\", "/")
    return ".." in plain.split("/")


class _SocketSink:
    """A response to a client; its body ends with the connection unless the workload gave its length."""

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop, self._fd = loop, fd
        self._begun = False

    async def head(self, status: int, reason: str, headers: Headers) -> None:
        self._begun = True
        await self.body(render_head(f"HTTP/1.1 {status} {reason}", [*headers, ("Connection", "close")]))

    async def body(self, data: bytes) -> None:
        with self._loop.move_on_after(WRITE_TIMEOUT_S) as deadline:
            await self._loop.write_all(self._fd, data)
        if deadline.expired:
            raise TimeoutError("the client reads no more")

    async def json(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode() + b"\n"
        await self.head(status, _REASONS[status], [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        await self.body(data)

    async def refuse(self, status: int, message: str, detail: dict[str, Any] | None = None) -> None:
        """An error of ours as JSON; once the response has begun, the connection's end has to do."""
        if not self._begun:
            try:
                await self.json(status if status in _REASONS else 500, {"error": detail or {"message": message}})
            except OSError:
                pass  # the client went away


def listen(port: int = PORT) -> socket.socket:
    """The listening socket, on all addresses: the guest's own."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - this is the guest's face to its network
    listener.listen(MAX_CONNECTIONS)
    return listener
