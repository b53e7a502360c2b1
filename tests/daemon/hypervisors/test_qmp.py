"""QMP: hostile bytes into the parser, and a monitor against a scripted QEMU."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from volant.daemon.hypervisors.qemu.monitor import Monitor, MonitorGone
from volant.daemon.hypervisors.qemu.qmp import MAX_LINE, Greeting, Happened, QmpBroken, QmpReader, Refused, Returned, command
from volant.proto.errors import GuestFailed

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}\r\n'
"""As QEMU 7.2 said it."""

SHUTDOWN = b'{"timestamp": {"seconds": 1, "microseconds": 5}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}\r\n'

_WORDS = st.sampled_from(["QMP", "event", "return", "error", "id", "desc", "data"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["QMP", "event", "return", "error", "id", "desc", "data"]), inner)
    ),
    max_leaves=8,
)


def test_what_qemu_says_is_understood_however_it_is_cut() -> None:
    said = GREETING + b'{"return": {}, "id": 1}\r\n' + SHUTDOWN + b'{"error": {"class": "GenericError", "desc": "no"}, "id": 2}\r\n'
    expected = [Greeting("7.2.22"), Returned(1, {}), Happened("SHUTDOWN", {"guest": True, "reason": "guest-reset"}), Refused(2, "no")]
    for size in (1, 7, len(said)):
        reader = QmpReader()
        pieces = [said[at : at + size] for at in range(0, len(said), size)]
        assert [message for piece in pieces for message in reader.feed(piece)] == expected


@settings(max_examples=500)
@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"[" * 100_000 + b"\n"])
@example([b'{"return": ' + b"9" * 5_000 + b', "id": 1}\n'])
@example([b'{"QMP": {"version": {"qemu": {"major": true, "minor": 1, "micro": 1}}}}\n'])
def test_any_bytes_give_messages_or_the_one_error(pieces: list[bytes]) -> None:
    reader = QmpReader()
    try:
        for piece in pieces:
            reader.feed(piece)
    except QmpBroken:
        pass


@settings(max_examples=500)
@given(_json)
def test_any_json_gives_a_message_or_the_one_error(value: Any) -> None:
    try:
        QmpReader().feed(json.dumps(value).encode() + b"\n")
    except QmpBroken:
        pass


@pytest.mark.parametrize("line", [b"x" * (MAX_LINE + 1), b" " * MAX_LINE + b" \n" + b"y" * (MAX_LINE + 1)])
def test_a_line_without_end_is_cut_off(line: bytes) -> None:
    with pytest.raises(QmpBroken, match=str(MAX_LINE)):
        QmpReader().feed(line)


def test_commands_are_lines() -> None:
    assert command(3, "stop") == b'{"execute":"stop","id":3}\n'


class Qemu:
    """The other end of a monitor."""

    def __init__(self) -> None:
        self.ours, self.stream = trio.testing.memory_stream_pair()
        self.events: list[Happened] = []
        self.monitor = Monitor(self.ours, self.events.append)

    async def greet(self) -> None:
        await self.stream.send_all(GREETING)
        assert (await self.next_command())["execute"] == "qmp_capabilities"
        await self.stream.send_all(b'{"return": {}, "id": 1}\n')

    async def next_command(self) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            line += await self.stream.receive_some(1)
        said: dict[str, Any] = json.loads(line)
        return said


@pytest.fixture
async def qemu(nursery: trio.Nursery) -> Qemu:
    """Greeted, and listened to."""
    qemu = Qemu()
    nursery.start_soon(qemu.greet)
    await qemu.monitor.negotiate()
    nursery.start_soon(qemu.monitor.run)
    return qemu


async def test_a_command_gets_its_answer_and_events_in_between_are_seen(qemu: Qemu, nursery: trio.Nursery) -> None:
    async def answer() -> None:
        asked = await qemu.next_command()
        await qemu.stream.send_all(SHUTDOWN + json.dumps({"return": {"running": False}, "id": asked["id"]}).encode() + b"\n")

    nursery.start_soon(answer)
    assert await qemu.monitor.execute("query-status") == {"running": False}
    assert qemu.monitor.version == "7.2.22"
    assert [event.name for event in qemu.events] == ["SHUTDOWN"]


async def test_a_refusal_is_a_fault_with_qemus_words(qemu: Qemu, nursery: trio.Nursery) -> None:
    async def refuse() -> None:
        asked = await qemu.next_command()
        await qemu.stream.send_all(json.dumps({"error": {"class": "GenericError", "desc": "can't"}, "id": asked["id"]}).encode() + b"\n")

    nursery.start_soon(refuse)
    with pytest.raises(GuestFailed, match="can't"):
        await qemu.monitor.execute("cont")


@pytest.mark.parametrize("last", [b"", b"garbage\n", b'{"return": 1, "id": 2}\n{"return": 1, "id": 2}\ngarbage\n'])
async def test_commands_fail_when_the_connection_ends_or_turns_to_garbage(qemu: Qemu, nursery: trio.Nursery, last: bytes) -> None:
    async def end() -> None:
        await qemu.next_command()
        await qemu.stream.send_all(last)
        await qemu.stream.aclose()

    with trio.fail_after(5):
        async with trio.open_nursery() as both:
            both.start_soon(end)
            with pytest.raises(GuestFailed):
                await qemu.monitor.execute("stop")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(GuestFailed):
            await qemu.monitor.execute("cont")


async def test_an_answer_that_nobody_waits_for_any_more_is_no_fault(qemu: Qemu, nursery: trio.Nursery) -> None:
    with trio.move_on_after(0):
        await qemu.monitor.execute("stop")

    async def answer_all() -> None:
        await qemu.stream.send_all(b'{"return": {}, "id": 2}\n')
        while True:
            asked = await qemu.next_command()
            await qemu.stream.send_all(json.dumps({"return": "yes", "id": asked["id"]}).encode() + b"\n")

    nursery.start_soon(answer_all)
    assert await qemu.monitor.execute("cont") == "yes"


@pytest.mark.parametrize("last", [b"", b"\xff\n", b'{"error": {"desc": "no"}}\n'])
async def test_a_peer_that_does_not_negotiate_is_given_up(last: bytes) -> None:
    qemu = Qemu()
    await qemu.stream.send_all(last)
    await qemu.stream.aclose()
    with pytest.raises((MonitorGone, QmpBroken)):
        await qemu.monitor.negotiate()
