"""The RPC service: a listening socket, a session per connection, and an orderly end."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import trio

from volant.daemon.rpc.budget import MAX_HELD_BYTES, Budget
from volant.daemon.rpc.dispatch import Dispatcher
from volant.daemon.rpc.listener import GROUP, accept_all, group_id
from volant.daemon.rpc.peer import Group, Policy, owner_policy, peer_of
from volant.daemon.rpc.registry import Handlers
from volant.daemon.rpc.session import Session, goodbye
from volant.proto.errors import ConnectionLost

MAX_CONNECTIONS = 4_096
"""Most connections at once, each some 30 KiB when idle; one more is told so and closed. A thousand watchers fit four times."""

DRAIN_SECONDS = 1.0
"""How long open calls have to end by themselves when the service stops; streams never do."""


class RpcService:
    """Answers calls on one listening socket; after `stop`, finishes what it took and takes no more."""

    def __init__(
        self,
        app: Any,
        handlers: Handlers,
        listening: socket.socket,
        *,
        policy: Policy | None = None,
        drain_seconds: float = DRAIN_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
        max_held: int = MAX_HELD_BYTES,
    ) -> None:
        """`app` is handed to every handler as it is. `listening` is closed when `run` ends."""
        self.dispatcher = Dispatcher(app, handlers, policy or owner_policy(Group(GROUP, group_id(GROUP))))
        self._listening = listening
        self._drain_seconds = drain_seconds
        self._max_connections = max_connections
        self._budget = Budget(max_held)
        # Made once: a flood of connections costs us an accept, a write and a close each.
        self._no_room = goodbye(
            ConnectionLost(
                f"volantd serves {max_connections} connections already, and takes no more",
                hint="close some of them, or ask again later",
            )
        )
        self._accepting = trio.CancelScope()
        self._sessions: set[Session] = set()

    def stop(self) -> None:
        """Take no more connections and calls; `run` returns when what is open has ended or, after `drain_seconds`, was cancelled."""
        self._accepting.cancel()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`. Started once clients can connect."""
        with self._listening:
            async with trio.open_nursery() as sessions:
                task_status.started()
                with self._accepting:
                    await accept_all(self._listening, lambda connected: self._take(connected, sessions))
                for session in self._sessions:
                    session.drain(self._drain_seconds)

    def _take(self, connected: socket.socket, sessions: trio.Nursery) -> None:
        if len(self._sessions) >= self._max_connections:
            _refuse(connected, self._no_room)
            return
        session = Session(connected, peer_of(connected), self.dispatcher, self._budget)
        self._sessions.add(session)
        sessions.start_soon(self._serve, session)

    async def _serve(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            self._sessions.discard(session)


def _refuse(connected: socket.socket, last_words: bytes) -> None:
    """Close a connection that there is no room for; the peer is told as far as its socket takes it now."""
    with connected, suppress(OSError):
        connected.setblocking(False)
        connected.send(last_words)
