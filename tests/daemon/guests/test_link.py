"""The daemon's end of an agent channel, against agents that flood, stall and never answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from volant.daemon.guests.calls import MAX_QUEUED_BYTES
from volant.daemon.guests.link import GARBAGE_PAUSE_S, READ_BYTES, AgentLink
from volant.proto import cbor
from volant.proto.api import guest
from volant.proto.connection import MAX_OPEN_CALLS, Connection, Side
from volant.proto.errors import ConnectionLost, GuestFailed, Lagged, MalformedFrame
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.messages import CallReceived, CancelReceived, DataReceived, Hello, Message
from volant.proto.preamble import Acceptor, preamble

LINE = {"seq": 1, "time": "2026-01-31T12:00:00.000Z", "stream": "stdout", "text": "x" * 60_000}


class Guest:
    """An agent that does what `answer` says with each message, over a pipe that holds one frame."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.connection = Connection(Side.SERVER, cbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=Hello("agent", "1"))
        self.reading = trio.Event()
        self.reading.set()
        self.seen: list[Message] = []

    async def run(self, answer: Callable[[Guest, Message], bytes]) -> None:
        acceptor = Acceptor()
        try:
            while data := await self.stream.receive_some(READ_BYTES):
                for nonce, piece in acceptor.feed(bytes(data)):
                    if nonce is not None:
                        await self.stream.send_all(preamble(nonce) + self.connection.hello())
                    for message in self.connection.receive(piece):
                        self.seen.append(message)
                        if reply := answer(self, message):
                            await self.stream.send_all(reply)
                await self.reading.wait()
        except trio.BrokenResourceError:
            pass

    def saw(self, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for message in self.seen)


@asynccontextmanager
async def linked(answer: Callable[[Guest, Message], bytes]) -> AsyncIterator[tuple[AgentLink, Guest]]:
    ours, theirs = memory_stream_pair()
    link, agent = AgentLink(ours), Guest(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.run, answer)
        await link.attach()
        nursery.start_soon(link.run)
        yield link, agent
        await link.aclose()
        nursery.cancel_scope.cancel()


def quiet(agent: Guest, message: Message) -> bytes:
    return b""


def floods(agent: Guest, message: Message) -> bytes:
    """Logs without an end; everything else is answered."""
    if not isinstance(message, CallReceived):
        return b""
    if message.method == guest.LOGS.name:
        return b"".join(agent.connection.item(message.id, LINE) for _ in range(2 * MAX_QUEUED_BYTES // 60_000))
    return agent.connection.reply(message.id, {"name": ""})


async def test_a_flood_that_nobody_reads_costs_that_call_alone(autojump_clock: MockClock) -> None:
    async with linked(floods) as (link, agent):
        async with link.open(guest.LOGS, guest.Logs(follow=True)) as call:
            await trio.sleep(1)
            assert sum(size for _, size in call._items) <= MAX_QUEUED_BYTES
            with pytest.raises(Lagged, match="faster than you read"):
                await call.next_item()
            await link.call(guest.SIGNAL, guest.Signal(exec_id=1))
        await trio.sleep(1)
        assert agent.saw(CancelReceived) == 1


async def test_a_call_that_its_caller_left_is_forgotten_whatever_the_agent_still_sends(autojump_clock: MockClock) -> None:
    async with linked(quiet) as (link, agent):
        for _ in range(MAX_OPEN_CALLS // 2):
            with trio.move_on_after(1):
                await link.call(guest.INFO, guest.Watch())
        assert not link._calls
        await trio.sleep(1)
        assert agent.saw(CancelReceived) == MAX_OPEN_CALLS // 2


async def test_a_caller_that_stops_waiting_leaves_no_half_of_a_frame(autojump_clock: MockClock) -> None:
    """The pipe is full because the guest reads slowly; the next call has to be understood all the same."""

    def answer(agent: Guest, message: Message) -> bytes:
        if isinstance(message, CallReceived) and message.method == guest.SIGNAL.name:
            return agent.connection.reply(message.id, {"name": ""})
        return b""

    ours, theirs = trio.testing.lockstep_stream_pair()
    link, agent = AgentLink(ours), Guest(_Slow(theirs))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.run, answer)
        await link.attach()
        nursery.start_soon(link.run)
        for _ in range(5):
            with trio.move_on_after(0.35):
                async with link.open(guest.COPY_IN, guest.GuestPath(path="/")) as call:
                    await call.send(0, b"x" * 200_000)
        with trio.fail_after(3_600):
            await link.call(guest.SIGNAL, guest.Signal(exec_id=1))
        assert agent.saw(DataReceived)
        await link.aclose()
        nursery.cancel_scope.cancel()


class _Slow(trio.abc.Stream):
    """Takes a thousand bytes every tenth of a second."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        await trio.sleep(0.1)
        return await self._inner.receive_some(1_000)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Rubbish(_Slow):
    """Always has more of it."""

    reads = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        return b"\xa5" * READ_BYTES


async def test_rubbish_for_ever_gets_little_of_our_time(autojump_clock: MockClock) -> None:
    rubbish = _Rubbish(memory_stream_pair()[0])
    link = AgentLink(rubbish)
    with trio.move_on_after(1):
        await link.attach()
    assert not link.version
    assert rubbish.reads <= 1 / GARBAGE_PAUSE_S + 1


def lies(agent: Guest, message: Message) -> bytes:
    """Sends what nobody agreed on."""
    if not isinstance(message, CallReceived):
        return b""
    return agent.connection.item(message.id, {"seq": "one"}) + agent.connection.reply(message.id, {"exit_code": [1]})


async def test_answers_of_another_type_are_the_guests_failure(autojump_clock: MockClock) -> None:
    async with linked(lies) as (link, _):
        async with link.open(guest.LOGS, guest.Logs()) as call:
            with pytest.raises(GuestFailed, match="seq must be"):
                await call.next_item()
        async with link.open(guest.EXEC, guest.Exec(argv=("true",))) as call:
            with pytest.raises(GuestFailed, match="exit_code must be"):
                await call.result()
        with pytest.raises(GuestFailed, match="something else than agreed"):
            await link.call(guest.INFO, guest.Watch())


async def test_calls_on_a_closed_link_say_so(autojump_clock: MockClock) -> None:
    async with linked(quiet) as (link, _):
        await link.aclose()
        await trio.sleep(1)
        with pytest.raises(ConnectionLost):
            await link.call(guest.INFO, guest.Watch())


async def test_an_agent_that_breaks_the_rules_ends_every_call_in_the_same_moment(autojump_clock: MockClock) -> None:
    def rubbish(agent: Guest, message: Message) -> bytes:
        return b"\x00\x00\x00\x01\xff" if isinstance(message, CallReceived) else b""

    ended: list[str] = []
    with pytest.RaisesGroup(MalformedFrame):
        async with linked(rubbish) as (link, _):
            async with link.open(guest.EXEC, guest.Exec(argv=("cat",))) as call:
                with pytest.raises(GuestFailed, match="broke the protocol"):
                    await call.result()
                await call.send(0, b"more")
                await call.end(0)
            with pytest.raises(ConnectionLost):
                await link.call(guest.INFO, guest.Watch())
            ended.append("all")
    assert ended == ["all"]
