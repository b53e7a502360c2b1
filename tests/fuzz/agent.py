"""A hostile agent in one VM: what is asked of that VM ends with a named fault, the VM beside it and the daemon go on, and no task is left.

The agent is the fake guest's, and somebody sits on its line: changes, swallows, repeats and adds to what it says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.ensemble import Ensemble, no_threads
from tests.fuzz.mutants import PLAIN, TEXTS, Words, declared, framed, mutants
from tests.fuzz.running import Property
from tests.vectors.make import MESSAGES
from volant.daemon.guests.link import AgentLink
from volant.proto.api import guest
from volant.proto.api.vm import DeleteVm, ExecResult, ExecStarted, LogLine, StartVm, StopVm
from volant.proto.api.vm_call import HttpHead
from volant.proto.connection import INITIAL_CREDIT, MAX_DATA
from volant.proto.errors import Fault, Internal
from volant.proto.messages import Kind
from volant.proto.preamble import MAGIC, preamble
from volant.proto.specs.states import VmState, WaitFor

ANSWER_S = 90.0
"""On the mock clock: longer than a start may take, and any pause between two attaches."""

TAKEN = 50
"""Items or pieces that a caller takes of one call before it has seen enough."""

FLOOD = 100
"""Reads that a flood lasts: long enough to fill whatever has no limit."""

_WORDS: Words = {"phase": st.sampled_from(["booting", "starting", "ready", "unhealthy", "exited", "failed"]) | TEXTS}
_SAID = [guest.GuestStatus, guest.GuestInfo, LogLine, HttpHead, ExecStarted, ExecResult]
_VALUES = mutants(st.sampled_from(_SAID).flatmap(lambda kind: declared(kind, _WORDS)), most=2) | PLAIN
_IDS = st.integers(1, 6)
_FAULTS = mutants(st.just(next(said.message[2] for said in MESSAGES if said.name == "fault")))
_MESSAGES = st.one_of(
    st.tuples(st.sampled_from([int(Kind.REPLY), int(Kind.ITEM)]), _IDS, _VALUES).map(list),
    st.tuples(st.just(int(Kind.FAULT)), st.integers(0, 6), _FAULTS).map(list),
    st.tuples(st.just(int(Kind.END)), _IDS, st.integers(0, 4)).map(list),
    st.tuples(st.just(int(Kind.CREDIT)), _IDS, st.integers(0, 4), st.sampled_from([0, 1, 2**24])).map(list),
    st.tuples(st.just(int(Kind.DATA)), _IDS, st.integers(0, 4), st.binary(max_size=40)).map(list),
    mutants(st.sampled_from([said.message for said in MESSAGES])),
)
ACTS = st.one_of(
    st.just(["pass"]),
    st.sampled_from([["swallow"], ["repeat"], ["flood"], ["hang up"], ["magic"]]),
    st.tuples(st.sampled_from(["add", "say instead"]), _MESSAGES).map(list),
    st.tuples(st.just("overrun"), _IDS).map(list),
    st.tuples(st.just("damage"), st.integers(0, 200), st.integers(1, 255)).map(list),
    st.tuples(st.just("bytes"), st.binary(max_size=60)).map(list),
)
LINES = st.lists(ACTS, max_size=10)


@contextmanager
def agent() -> Iterator[Sequence[Property]]:
    with no_threads():
        yield [Property("a hostile agent costs its own VM alone", LINES, check_line)]


@dataclass
class Line:
    """What happens on the way from an agent to the daemon: one act for each read, over all its connections; in the end nothing more."""

    acts: list[list[Any]]
    is_tapped: bool = False
    flood: int = 0
    """Reads that still are a flood."""

    def link(self, stream: trio.abc.Stream) -> AgentLink:
        return AgentLink(Tapped(stream, self) if self.is_tapped else stream)

    def altered(self, data: bytes) -> bytes | None:
        """What arrives in place of `data`: empty at the end of the connection, None for nothing."""
        if not data or not self.acts:
            return data
        match self.acts.pop(0):
            case ["swallow"]:
                return None
            case ["repeat"]:
                return data + data
            case ["magic"]:
                return preamble(MAGIC[:16]) + data
            case ["hang up"]:
                return b""
            case ["add", message]:
                data += framed(message)
            case ["say instead", message]:
                data = framed(message)
            case ["overrun", id]:
                data += framed([int(Kind.DATA), id, 1, bytes(MAX_DATA)]) * (INITIAL_CREDIT // MAX_DATA + 1)
            case ["damage", at, bits]:
                place = at % len(data)
                data = data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]
            case ["bytes", added]:
                data += added
            case ["flood"]:
                self.flood = FLOOD
        return data


class Tapped(trio.abc.Stream):
    """The daemon's end of an agent's pipe that a `Line` alters."""

    def __init__(self, inner: trio.abc.Stream, line: Line) -> None:
        self._inner, self._line = inner, line

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._line.flood:
            self._line.flood -= 1
            await trio.lowlevel.checkpoint()
            return framed([int(Kind.ITEM), 1 + self._line.flood % 6, {"phase": "ready", "message": "x" * 1_000}]) * 20
        while (data := self._line.altered(bytes(await self._inner.receive_some(max_bytes)))) is None:
            pass
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()


def check_line(acts: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory(prefix="vl-") as folder:
        trio.run(endure, Path(folder), Line(list(acts)), clock=MockClock(autojump_threshold=0))


async def endure(folder: Path, line: Line) -> None:
    """A calm VM, and one whose agent's line is tapped: used, stopped and started while it is, deleted once it is not."""
    ensemble = Ensemble(folder)
    ensemble.link_over = line.link
    async with ensemble.playing() as vms:
        calm = await ensemble.create("calm")
        await trio.testing.wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        line.is_tapped = True
        await ends(lambda: ensemble.create("bad", timeout_ms=60_000))
        async with trio.open_nursery() as users:
            for use in (uses_program, uses_workload, reads_logs, asks_info):
                users.start_soon(ends, lambda use=use: use(vms.link("bad")))
        await echoes(vms.link("calm"))
        async with trio.open_nursery() as users:
            users.start_soon(ends_with_vm, ensemble)
            await trio.testing.wait_all_tasks_blocked()
            await ends(lambda: vms.stop(StopVm(name="bad", grace_ms=500)))
        await ends(lambda: vms.start(StartVm(name="bad", wait=WaitFor.READY)))
        line.acts.clear()
        line.flood = 0
        await vms.stop(StopVm(name="bad", grace_ms=500))
        assert (await vms.start(StartVm(name="bad", wait=WaitFor.READY))).status is VmState.READY
        await echoes(vms.link("bad"))
        await vms.delete(DeleteVm(name="bad", force=True))
        await echoes(vms.link("calm"))
        assert vms.get("calm") == calm
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


async def ends(use: Callable[[], Awaitable[object]]) -> None:
    """In time: well, or with a fault that says what and is no defect of ours; or its user has waited long enough."""
    try:
        with trio.move_on_after(ANSWER_S):
            await use()
    except Fault as fault:
        assert fault.message and not isinstance(fault, Internal), repr(fault)


async def ends_with_vm(ensemble: Ensemble) -> None:
    """Whoever follows the logs is told when the VM stops, whatever its agent said."""
    with trio.fail_after(ANSWER_S):
        try:
            async with ensemble.vms.link("bad").open(guest.LOGS, guest.Logs(follow=True)) as call:
                while await call.next_item() is not None:
                    pass
        except Fault:
            pass


async def echoes(link: Any) -> None:
    """A program in the VM answers."""
    with trio.fail_after(ANSWER_S):
        async with link.open(guest.EXEC, guest.Exec(argv=("echo", "here"))) as call:
            assert await call.next_item()
            assert await call.receive(1) == b"here\n"
            assert (await call.result())["exit_code"] == 0


async def uses_program(link: Any) -> None:
    async with link.open(guest.EXEC, guest.Exec(argv=("cat",))) as call:
        await call.next_item()
        await call.send(0, bytes(MAX_DATA) * 6)
        await call.end(0)
        for _ in range(TAKEN):
            if not await call.receive(1):
                break
        await call.result()


async def uses_workload(link: Any) -> None:
    async with link.open(guest.HTTP, guest.Request(method="GET", path="/greet")) as call:
        await call.next_item()
        while await call.receive(1):
            pass
        await call.result()


async def reads_logs(link: Any) -> None:
    async with link.open(guest.LOGS, guest.Logs(follow=True)) as call:
        for _ in range(TAKEN):
            if await call.next_item() is None:
                break


async def asks_info(link: Any) -> None:
    await link.call(guest.INFO, guest.Watch())
