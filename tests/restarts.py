"""Daemons that are stopped and killed under traffic, again and again: `python -m tests.restarts [--restarts 100] [--vms 20] [--seed N]`.

Holds that no VM ends, that followers see each event once and in order, that what was acknowledged is there, and that clients find back by
themselves. The tests do the same with fewer restarts.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.hello import hello
from tests.rig import SURVIVING, Rig, rig
from volant.client.aio_following import follow_events as follow_events_async
from volant.client.blocking import Client
from volant.client.following import follow_events
from volant.proto.api.event import Event
from volant.proto.errors import AgentMissing, Cancelled, Fault, NameTaken, NoSuchVm, Unreachable

LAST = "last"
"""The VM whose creation tells the followers that they are through."""

PATIENCE_S = 120.0
"""How long anything may take before the run has failed: a daemon's restart takes half a second on an idle machine."""


@dataclass
class Traffic:
    """What clients do meanwhile, and what they were told."""

    path: str
    rng: random.Random
    over: threading.Event = field(default_factory=threading.Event)
    created: list[str] = field(default_factory=list)
    """Ids of VMs whose creation was acknowledged."""
    deleted: list[str] = field(default_factory=list)
    calls: int = 0
    interrupted: int = 0
    defects: list[BaseException] = field(default_factory=list)

    def ask(self, client: Client, method: str, params: dict[str, Any], *, so_already: type[Fault] | None = None) -> Any:
        """Ask until answered. `so_already`: what a try after a heeded one leads to; None then."""
        lost = False
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.calls += 1
                return client.call_plain(method, params)
            except (Unreachable, Cancelled):
                self.interrupted += 1
                lost = True
            except Fault as fault:
                if lost and so_already is not None and isinstance(fault, so_already):
                    return None
                raise
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def change(self, client: Client) -> None:
        """VMs come and go."""
        number = 0
        while not self.over.is_set():
            number += 1
            name = f"come-{number}"
            made = self.ask(client, "vm.create", {"name": name, "plugin": "hello", "wait": "ready"}, so_already=NameTaken)
            vm_id = (made or self.ask(client, "vm.get", {"name": name}))["id"]
            self.created.append(vm_id)
            self.ask(client, "vm.patch", {"name": name, "memory_mb": 256})
            self.ask(client, "vm.delete", {"name": name, "force": True}, so_already=NoSuchVm)
            self.deleted.append(vm_id)

    def look(self, client: Client) -> None:
        """Lists, and programs in the VMs that stay."""
        while not self.over.is_set():
            page = self.ask(client, "vm.list", {"limit": 1_000})
            name = self.rng.choice([item["name"] for item in page["items"] if item["name"].startswith("stay-")])
            try:
                with client.bytes_call("vm.exec", {"name": name, "argv": ["echo", "here"]}) as call:
                    assert b"".join(iter(call.read, b"")) == b"here\n"
                    self.calls += 1
            except (Unreachable, AgentMissing, Cancelled):
                self.interrupted += 1

    @contextmanager
    def flowing(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._kept, args=(work,)) for work in (self.change, self.look)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(PATIENCE_S)

    def _kept(self, work: Callable[[Client], None]) -> None:
        """Do it with one client, which finds back by itself."""
        try:
            with Client(self.path) as client:
                work(client)
        except BaseException as defect:
            self.defects.append(defect)


class Follower:
    """Keeps every event that one of the clients hears, from the first on."""

    def __init__(self, name: str, follow: Callable[[Follower], None]) -> None:
        self.name = name
        self.events: list[Event] = []
        self._thread = threading.Thread(target=follow, args=(self,), daemon=True)
        self._thread.start()

    def is_last(self, event: Event) -> bool:
        self.events.append(event)
        return event.vm == LAST and event.kind == "VM_READY"

    def finish(self) -> list[Event]:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"the {self.name} follower did not hear of the last VM"
        return self.events


def follow_blocking(path: str, follower: Follower) -> None:
    for event in follow_events(path, after=0, patience_s=PATIENCE_S):
        if follower.is_last(event):
            return


def follow_asyncio(path: str, follower: Follower) -> None:
    async def follow() -> None:
        async with aclosing(follow_events_async(path, after=0, patience_s=PATIENCE_S)) as events:
            async for event in events:
                if follower.is_last(event):
                    return

    asyncio.run(follow())


@dataclass(frozen=True)
class Outcome:
    restarts: int
    events: int
    calls: int
    interrupted: int
    """Tries that a restart cut off or that met no daemon, and were made again."""
    slowest_s: float
    """The longest from a daemon's start to its listening."""


def endure(host: Rig, *, restarts: int, vms: int, seed: int) -> Outcome:
    """Restart the daemon of `host` so often under traffic. AssertionError when anything of what is promised does not hold."""
    rng = random.Random(seed)
    host.start()
    host.volant("plugin", "install", hello(host.root))
    path = str(host.socket)
    with Client(path) as client:
        for number in range(vms):
            client.call_plain("vm.create", {"name": f"stay-{number}", "plugin": "hello", "wait": "ready"})
    before = standing(path)
    followers = [Follower(way.__name__, lambda kept, way=way: way(path, kept)) for way in (follow_blocking, follow_asyncio)]  # type: ignore[misc]
    traffic = Traffic(path, random.Random(seed))
    slowest = 0.0
    with traffic.flowing():
        for _ in range(restarts):
            time.sleep(rng.uniform(0, 0.5))
            host.kill() if rng.random() < 0.5 else host.stop()
            began = time.monotonic()
            host.start()
            slowest = max(slowest, time.monotonic() - began)
    assert not traffic.defects, traffic.defects
    with Client(path) as client:
        traffic.ask(client, "vm.create", {"name": LAST, "plugin": "hello", "wait": "ready"})
        heard = [follower.finish() for follower in followers]
        traffic.ask(client, "vm.delete", {"name": LAST, "force": True})
        for name in before:
            traffic.ask(client, "vm.wait", {"name": name, "until": "ready"})
    assert standing(path) == before, "a VM ended"
    assert heard[0] == heard[1], "two followers heard different things"
    check_events(heard[0], traffic, stayed=set(before))
    host.volant("ledger", "--check")
    assert "Traceback" not in host.log.read_text()
    return Outcome(restarts, len(heard[0]), traffic.calls, traffic.interrupted, slowest)


def standing(path: str) -> dict[str, tuple[str, int, int]]:
    """Id, pid and boot of each VM that stays."""
    with Client(path) as client:
        items = client.call_plain("vm.list", {"limit": 1_000})["items"]
    return {item["name"]: (item["id"], item["pid"], item["boot"]) for item in items if item["name"].startswith("stay-")}


def check_events(events: list[Event], traffic: Traffic, *, stayed: set[str]) -> None:
    """Each number once and in order; no end of a VM that stays; everything that was acknowledged."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), "an event was lost or came twice"
    ended = [event for event in events if event.vm in stayed and event.kind in ("VM_CRASHED", "VM_STOPPED", "VM_FAILED", "VM_STARTING")]
    assert len(ended) == len(stayed) and all(event.kind == "VM_STARTING" for event in ended), ended
    for kind, acknowledged in (("VM_CREATED", traffic.created), ("VM_DELETED", traffic.deleted)):
        told = [event.vm_id for event in events if event.kind == kind]
        assert len(told) == len(set(told)) and set(acknowledged) <= set(told), f"a {kind} that was acknowledged was not told"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.restarts", description="Restart a daemon under traffic, again and again.")
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--vms", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="what makes the moments of the restarts the same again")
    asked = parser.parse_args(argv)
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    with ExitStack() as stack:
        host = stack.enter_context(rig(program=SURVIVING, network="none"))
        outcome = endure(host, restarts=asked.restarts, vms=asked.vms, seed=asked.seed)
    print(f"{outcome.restarts} restarts, {asked.vms} VMs, {outcome.events} events, slowest start {outcome.slowest_s:.2f} s")
    print(f"{outcome.calls} calls; {outcome.interrupted} tries were cut off or met no daemon, and were made again")
    print(f"no VM ended, no event was lost; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main(sys.argv[1:]))
