"""The call of a console on the loop, against a socket with canned answers: nothing is lost, nothing grows, others get their turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.rpc_server import Handler, Served, serving
from volant.client.aio import AsyncClient
from volant.proto.connection import INITIAL_CREDIT
from volant.proto.errors import WriterTaken
from volant.tui.console.line import MAX_UNSENT, PIECE_BYTES, ConsoleLine

PATIENCE_S = 60


def with_line(folder: Path, answer: Handler, use: Callable[[ConsoleLine, asyncio.Task[Any], list[Any]], Awaitable[None]]) -> None:
    """Run `use` with a line whose call is under way, and with what it told so far."""

    async def main() -> None:
        told: list[Any] = []
        async with AsyncClient(str(folder / "s")) as client:
            line = ConsoleLine({"name": "web-1", "write": True}, told.extend)
            running = asyncio.create_task(line.run(client))
            await use(line, running, told)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    with serving(folder / "s", {"vm.console": answer}):
        asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


FLOOD = bytes(range(256)) * 8_000


def test_a_flood_comes_whole_in_pieces_between_which_others_run(tmp_path: Path) -> None:
    def flood(call: Served) -> Any:
        call.item({"offset": 7, "writer": ""})
        call.write(FLOOD)
        return {"name": "web-1"}

    turns = 0

    async def use(line: ConsoleLine, running: asyncio.Task[Any], told: list[Any]) -> None:
        nonlocal turns
        while not running.done():
            turns += 1
            await asyncio.sleep(0)
        assert running.result() == {"name": "web-1"}
        assert told[0] == {"offset": 7, "writer": ""}
        assert b"".join(told[1:]) == FLOOD
        assert max(map(len, told[1:])) <= PIECE_BYTES

    with_line(tmp_path, flood, use)
    assert turns > len(FLOOD) / PIECE_BYTES / 2


def test_what_is_typed_arrives_and_the_end_gives_the_keyboard_back_alone(tmp_path: Path) -> None:
    def echo(call: Served) -> Any:
        while typed := call.read():
            call.write(b"<" + typed + b">")
        call.write(b"released")
        call.wait_over()
        return {}

    async def use(line: ConsoleLine, running: asyncio.Task[Any], told: list[Any]) -> None:
        assert line.send(b"one")
        await until(lambda: b"".join(told) == b"<one>")
        assert line.send(b"two")
        line.end()
        await until(lambda: b"".join(told).endswith(b"released"))
        assert b"<two>" in b"".join(told)
        assert not running.done(), "it looks on"

    with_line(tmp_path, echo, use)


def test_a_guest_that_takes_nothing_is_not_typed_at_without_end(tmp_path: Path) -> None:
    calls: list[Served] = []

    def deaf(call: Served) -> Any:
        calls.append(call)
        call.wait_over()
        return {}

    async def use(line: ConsoleLine, running: asyncio.Task[Any], told: list[Any]) -> None:
        sent = 0
        while line.send(b"x" * 65_536):
            sent += 65_536
            await asyncio.sleep(0)
        assert sent <= 2 * MAX_UNSENT + 65_536
        assert not line.send(b"x" * (MAX_UNSENT + 1))
        await until(lambda: calls and len(calls[0].received[0]) == INITIAL_CREDIT)

    with_line(tmp_path, deaf, use)


def test_its_fault_is_raised(tmp_path: Path) -> None:
    def taken(call: Served) -> Any:
        raise WriterTaken("somebody is typing on this console")

    async def use(line: ConsoleLine, running: asyncio.Task[Any], told: list[Any]) -> None:
        with pytest.raises(WriterTaken, match="somebody"):
            await running

    with_line(tmp_path, taken, use)
