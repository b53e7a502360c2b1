"""The RPC service: a listening socket, a session per connection, and an orderly end."""

from __future__ import annotations

import socket
from typing import Any

import trio

from volant.daemon.rpc.dispatch import Dispatcher
from volant.daemon.rpc.listener import GROUP, accept_all, group_id
from volant.daemon.rpc.peer import Group, Policy, owner_policy, peer_of
from volant.daemon.rpc.registry import Handlers
from volant.daemon.rpc.session import Session

MAX_CONNECTIONS = 4_096
"""Most connections at once, each some 30 KiB when idle; one more is closed at once. A thousand watchers fit four times."""

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
    ) -> None:
        """`app` is handed to every handler as it is. `listening` is closed when `run` ends."""
        self.dispatcher = Dispatcher(app, handlers, policy or owner_policy(Group(GROUP, group_id(GROUP))))
        self._listening = listening
        self._drain_seconds = drain_seconds
        self._accepting = trio.CancelScope()
        self._sessions: set[Session] = set()

    @property
    def connections(self) -> int:
        return len(self._sessions)

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
        if len(self._sessions) >= MAX_CONNECTIONS:
            connected.close()
            return
        session = Session(connected, peer_of(connected), self.dispatcher)
        self._sessions.add(session)
        sessions.start_soon(self._serve, session)

    async def _serve(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
