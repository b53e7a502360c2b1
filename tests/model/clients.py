"""Clients of a daemon that may be gone at any moment, each in a thread of its own, and what they keep of it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.model.history import Call
from volant.client.blocking import Client
from volant.client.following import follow_events
from volant.proto.errors import Cancelled, ConnectionLost, Fault, SocketMissing, SocketRefused, Unreachable
from volant.proto.plain import to_plain

PATIENCE_S = 60.0
"""How long anything may take before the run has failed."""


@dataclass(frozen=True)
class Order:
    """A call to be made."""

    noun: str
    verb: str
    name: str
    params: dict[str, Any]
    cancel: bool = False
    """Take it back as soon as it is asked."""


class Caller:
    """Makes one call after the other with one client, which finds the next daemon by itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._orders: queue.Queue[Order | None] = queue.Queue()
        self._client: Client | None = None
        self.calls: list[Call] = []
        self.defect: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ask(self, order: Order) -> None:
        self._orders.put(order)

    def finish(self) -> list[Call]:
        """Once everything is asked and answered."""
        self._orders.put(None)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "a call was not answered"
        if self.defect is not None:
            raise self.defect
        return self.calls

    def _run(self) -> None:
        try:
            while (order := self._orders.get()) is not None:
                self._make(order)
        except BaseException as defect:
            self.defect = defect
        finally:
            if self._client is not None:
                self._client.close()

    def _make(self, order: Order) -> None:
        if self._client is None:
            try:
                self._client = Client(self._path)
            except Unreachable:
                return  # nobody was asked anything
        call = Call(order.noun, order.name, order.verb, order.params, time.monotonic())
        reply, code = None, ""
        try:
            reply = self._answer(self._client, order)
        except (SocketMissing, SocketRefused):
            return  # nobody was asked anything
        except (ConnectionLost, Cancelled):
            code = "lost"
        except Fault as fault:
            code = fault.code
        self.calls.append(replace(call, returned=time.monotonic(), reply=reply, code=code))

    def _answer(self, client: Client, order: Order) -> Any:
        method, params = f"{order.noun}.{order.verb}", order.params | ({"name": order.name} if order.name else {})
        if not order.cancel:
            return client.call_plain(method, params)
        with client.stream_plain(method, params) as call:  # a call is a call: only whether items are looked for differs
            client.write(client.wire.cancel(next(reversed(client.wire.open_calls))))
            return call.result


class Listener:
    """Hears every event after a number, over restarts, until the last one that is waited for."""

    def __init__(self, path: str, after: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._after, self._last = after, 0
        self._grew = threading.Condition()
        self._path = path
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for event in follow_events(self._path, after=self._after, patience_s=PATIENCE_S):
                with self._grew:
                    self.events.append(to_plain(event))
                    self._grew.notify_all()
                    if 0 < self._last <= event.seq:
                        return
        except Unreachable:
            return  # it is missed in `wait_for`

    def wait_for(self, seq: int) -> Sequence[dict[str, Any]]:
        """All up to that number."""
        with self._grew:
            self._last = seq
            heard = self._grew.wait_for(lambda: max([self._after, *(event["seq"] for event in self.events[-1:])]) >= seq, PATIENCE_S)
            assert heard, f"event {seq} was not heard of"
            return [event for event in self.events if event["seq"] <= seq]
