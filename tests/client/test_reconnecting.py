"""A daemon that is started again ends no client: what was open ends, the next call makes another connection."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.rpc_server import Served, serving
from tests.patience import until
from volant.client import AsyncClient, Client
from volant.client.aio import AsyncStream
from volant.proto.errors import ConnectionLost, SocketMissing, SocketRefused, Unreachable

PONG = {"version": "1", "protocol": 1, "time": "", "pid": 1}
NO_DAEMON = (SocketMissing, SocketRefused, ConnectionLost)


def pong(call: Served) -> object:
    return PONG


def held(call: Served) -> object:
    call.item({"seq": 1})
    call.wait_over()
    return {}


@contextmanager
def daemon(path: Path) -> Iterator[None]:
    """A daemon at that path, in place of whatever was there."""
    path.unlink(missing_ok=True)
    with serving(path, {"system.ping": pong, "event.follow": held}):
        yield


async def first_of(client: AsyncClient) -> object:
    stream: AsyncStream[Any]
    async with client.stream("event.follow", {}) as stream:
        return await anext(aiter(stream))


def test_a_blocking_client_goes_on_with_the_next_daemon(socket_path: Path) -> None:
    with daemon(socket_path):
        client = Client(str(socket_path))
        assert client.call_plain("system.ping", {}) == PONG
        stream = client.stream_plain("event.follow", {})
        assert next(stream) == {"seq": 1}
    with pytest.raises(ConnectionLost):
        next(stream)
    for _ in range(2):
        with pytest.raises(NO_DAEMON):
            client.call_plain("system.ping", {})
    with daemon(socket_path), client:
        assert client.call_plain("system.ping", {}) == PONG
        assert not client.is_lost
        with pytest.raises(ConnectionLost):
            next(stream)
        stream.close()
        assert client.call_plain("system.ping", {}) == PONG


def test_a_client_that_made_no_call_yet_goes_on_with_the_next_daemon(socket_path: Path) -> None:
    with daemon(socket_path):
        client = Client(str(socket_path))
        until(lambda: _has_something_to_read(client))  # the greeting of the daemon that goes
    with daemon(socket_path), client:
        assert client.call_plain("system.ping", {}) == PONG


def _has_something_to_read(client: Client) -> bool:
    return bool(select.select([client], [], [], 0)[0])


def test_an_asyncio_client_goes_on_with_the_next_daemon(socket_path: Path) -> None:
    async def main() -> None:
        with daemon(socket_path):
            client = AsyncClient(str(socket_path))
            await client.connect()
            assert await client.call_plain("system.ping", {}) == PONG
            old: AsyncStream[Any] = client.stream("event.follow", {})
            items = aiter(old)
            assert await anext(items) == {"seq": 1}
        with pytest.raises(ConnectionLost):
            await anext(items)
        for _ in range(2):
            with pytest.raises(NO_DAEMON):
                await client.call_plain("system.ping", {})
        with daemon(socket_path):
            first, second = await asyncio.gather(client.call_plain("system.ping", {}), client.call_plain("system.ping", {}))
            assert (first, second) == (PONG, PONG)
            assert await first_of(client) == {"seq": 1}
            old.close()
            assert await client.call_plain("system.ping", {}) == PONG and not client.is_lost
            client.close()
            with pytest.raises(ConnectionLost, match="closed"):
                await client.call_plain("system.ping", {})

    asyncio.run(main())


def test_a_stream_may_be_the_first_call_on_the_next_daemon(socket_path: Path) -> None:
    async def main() -> None:
        client = AsyncClient(str(socket_path))
        with daemon(socket_path):
            await client.connect()
            await client.call_plain("system.ping", {})
        while not client.is_lost:
            await asyncio.sleep(0)
        with pytest.raises(Unreachable):
            await first_of(client)
        with daemon(socket_path):
            assert await first_of(client) == {"seq": 1}
            client.close()

    asyncio.run(main())


def test_a_client_that_was_closed_or_wants_one_connection_stays_so(socket_path: Path) -> None:
    with daemon(socket_path):
        closed, single = Client(str(socket_path)), Client(str(socket_path), reconnect=False)
        for client in (closed, single):
            client.call_plain("system.ping", {})
        closed.close()
    with daemon(socket_path):
        until(lambda: single.is_lost)
        for client in (closed, single):
            with pytest.raises(ConnectionLost):
                client.call_plain("system.ping", {})
        single.close()
