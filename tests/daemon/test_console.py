"""The call of a VM's serial line, through a real daemon: where bytes stand, who types, and when the keyboard is free again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing
from typing import Any

import pytest

from benchmarks._daemons import PLUGIN, start_fake
from tests.patience import PATIENCE_S, until
from tests.rig import Rig, rig
from volant.client.aio import AsyncBytesCall, AsyncClient
from volant.proto.api.vm import STDIN
from volant.proto.errors import AgentMissing, WriterTaken
from volant.proto.messages import DataReceived, ItemReceived


@pytest.fixture(scope="module")
def host() -> Iterator[Rig]:
    """A daemon with one VM, web-1, that says `you said ...` to each line."""
    with rig(hypervisor="fake", network="none") as made:
        _, client = start_fake(made)
        with closing(client):
            client.call_plain("vm.create", {"name": "web-1", "plugin": PLUGIN, "wait": "ready"})
        yield made


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, PATIENCE_S))


async def place(call: AsyncBytesCall) -> dict[str, Any]:
    """The next `ConsolePlace`, past the bytes before it."""
    async for message in call:
        if isinstance(message, ItemReceived):
            found: dict[str, Any] = message.item
            return found
    raise AssertionError("the call ended")


async def text(call: AsyncBytesCall, wanted: bytes) -> bytes:
    """What comes up to and with `wanted`."""
    seen = b""
    async for message in call:
        if isinstance(message, DataReceived):
            seen += message.data
            if wanted in seen:
                return seen
    raise AssertionError(f"the call ended; it said {seen!r}")


def test_bytes_have_places_and_a_call_goes_on_where_another_ended(host: Rig) -> None:
    async def work() -> None:
        async with AsyncClient(str(host.socket)) as client:
            async with client.bytes_call("vm.console", {"name": "web-1", "from_offset": -1_000_000}) as call:
                begun = await place(call)
                assert (begun["offset"], begun["writer"], begun["times"]) == (0, "", [])
                seen = await text(call, b"kestrel: ready")
            async with client.bytes_call("vm.console", {"name": "web-1", "from_offset": len(seen) - 5, "write": True}) as call:
                begun = await place(call)
                assert begun["offset"] == len(seen) - 5 and f"(pid {os.getpid()})" in begun["writer"]
                await call.send(STDIN, b"hi\r")
                assert (await text(call, b"you said hi")).startswith(seen[-5:])

    run(work())


def test_who_looks_on_hears_of_the_size_that_the_guest_is_told(host: Rig) -> None:
    async def work() -> None:
        async with AsyncClient(str(host.socket)) as client:
            async with client.bytes_call("vm.console", {"name": "web-1", "from_offset": -1}) as call:
                await place(call)
                await client.call_plain("vm.console_resize", {"name": "web-1", "rows": 30, "cols": 100})
                sizes = await place(call)
                assert (sizes["rows"], sizes["cols"]) == (30, 100)
                await text(call, b"30 rows of 100")
            async with client.bytes_call("vm.console", {"name": "web-1", "from_offset": -1}) as later:
                assert (await place(later))["cols"] == 100

    run(work())


def test_the_end_of_the_input_frees_the_keyboard_and_the_call_looks_on(host: Rig) -> None:
    async def work() -> None:
        async with AsyncClient(str(host.socket)) as client:
            writing = {"name": "web-1", "from_offset": -10, "write": True}
            # By force, since the daemon may not have noticed yet that the test before has left.
            async with client.bytes_call("vm.console", {**writing, "force": True}) as first:
                assert (await place(first))["writer"]
                async with client.bytes_call("vm.console", writing) as second:
                    with pytest.raises(WriterTaken, match="is typing"):
                        await place(second)
                await first.send(STDIN, b"one\r")
                await first.end(STDIN)
                while (await place(first))["writer"]:
                    pass
                async with client.bytes_call("vm.console", writing) as third:
                    await place(third)
                    await third.send(STDIN, b"two\r")
                    await text(first, b"you said two")

    run(work())


def test_who_is_taken_over_from_is_told_by_whom(host: Rig) -> None:
    async def work() -> None:
        async with AsyncClient(str(host.socket)) as client:
            writing = {"name": "web-1", "from_offset": -10, "write": True}
            # By force, since the daemon may not have noticed yet that the test before has left.
            async with client.bytes_call("vm.console", {**writing, "force": True}) as first:
                await place(first)
                async with client.bytes_call("vm.console", {**writing, "force": True}) as second:
                    await place(second)
                    with pytest.raises(WriterTaken, match="has taken over"):
                        await first.result()
                    await second.send(STDIN, b"mine\r")
                    await text(second, b"you said mine")

    run(work())


def test_when_the_history_was_printed_is_told_on_request(host: Rig) -> None:
    began = time.time() * 1000
    asked = {"name": "timed", "from_offset": 0, "times": True, "follow": False}
    with closing(host.client()) as client:
        client.call_plain("vm.create", {"name": "timed", "plugin": PLUGIN, "wait": "ready"})

        def heard() -> list[Any]:
            with client.bytes_call("vm.console", asked) as call:
                return list(call)

        until(lambda: heard()[0].item["times"])
        first, *rest = heard()
    printed = b"".join(each.data for each in rest if isinstance(each, DataReceived))
    offset, at_ms = first.item["times"][-1]
    assert b"kestrel: ready" in printed and 0 < offset <= len(printed)
    assert began - 2_000 <= at_ms <= time.time() * 1000 + 2_000  # file systems and clocks differ by some milliseconds


def test_the_size_goes_to_the_guest_that_has_an_agent(host: Rig) -> None:
    async def work() -> None:
        async with AsyncClient(str(host.socket)) as client:
            async with client.bytes_call("vm.console", {"name": "web-1", "from_offset": -1}) as call:
                await place(call)
                await client.call_plain("vm.console_resize", {"name": "web-1", "rows": 33, "cols": 99})
                await text(call, b"33 rows of 99")
            await client.call_plain("vm.create", {"name": "off", "plugin": PLUGIN, "start": False})
            with pytest.raises(AgentMissing):
                await client.call_plain("vm.console_resize", {"name": "off", "rows": 33, "cols": 99})

    run(work())
