"""Daemons that break off, say what nobody asked, or say nothing: both clients end with a sentence."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.raw_peer import HELLO
from tests.patience import PATIENCE_S
from volant.client import AsyncClient, Client, aio_link, blocking
from volant.proto import cbor
from volant.proto.api.system import PING, Nothing
from volant.proto.errors import (
    ConnectionLost,
    MalformedFrame,
    OutOfOrder,
    Unreachable,
)
from volant.proto.frames import encode_frame


def listening_at(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def test_a_daemon_that_goes_away_is_a_fault_that_stays(socket_path: Path) -> None:
    with listening_at(socket_path) as listening, Client(str(socket_path), reconnect=False) as client:
        stream = client.stream_plain("event.follow", {})
        listening.accept()[0].close()
        with pytest.raises(ConnectionLost):
            next(stream)
        with pytest.raises(ConnectionLost):
            client.call(PING, Nothing())


def answering(listening: socket.socket, answer: list[Any]) -> threading.Thread:
    """Says `answer` to the first call of whoever comes, and then nothing more."""

    def converse() -> None:
        with listening.accept()[0] as connected:
            heard = b""
            while b"system.ping" not in heard and b"event.follow" not in heard:
                heard += connected.recv(65_536)
            connected.sendall(b"".join(encode_frame(cbor.dumps(message)) for message in (HELLO, answer)))
            while connected.recv(65_536):
                pass

    thread = threading.Thread(target=converse, daemon=True)
    thread.start()
    return thread


def test_a_result_of_another_type_is_the_daemons_fault(socket_path: Path) -> None:
    with listening_at(socket_path) as listening:
        daemon = answering(listening, [2, 1, {"time": 1}])
        with Client(str(socket_path)) as client, pytest.raises(MalformedFrame, match="something else than agreed: time must be text"):
            client.call(PING, Nothing())
        daemon.join()


def test_an_item_of_another_type_is_the_daemons_fault(socket_path: Path) -> None:
    with listening_at(socket_path) as listening:
        daemon = answering(listening, [4, 1, {"seq": "one"}])
        with Client(str(socket_path)) as client, pytest.raises(MalformedFrame, match="something else than agreed: seq must be"):
            next(client.events.follow())
        daemon.join()


@pytest.mark.parametrize("extra", [[4, 1, {}], [6, 1, 1, b"x"], [5, 1, 1]])
def test_more_than_an_answer_to_who_asked_for_no_more_ends_the_connection(socket_path: Path, extra: list[Any]) -> None:
    async def ask() -> None:
        async with AsyncClient(str(socket_path)) as client:
            with pytest.raises(OutOfOrder, match="more than an answer"):
                await client.call(PING, Nothing())

    with listening_at(socket_path) as listening:
        daemon = answering(listening, extra)
        with Client(str(socket_path), reconnect=False) as client:
            for _ in range(2):
                with pytest.raises(OutOfOrder, match="more than an answer"):
                    client.call(PING, Nothing())
        daemon.join()
        daemon = answering(listening, extra)
        asyncio.run(ask())
        daemon.join()


def test_a_daemon_that_accepts_and_says_nothing_is_given_up(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was stopped by a signal: the kernel takes connections in its place."""
    for module in (blocking, aio_link):
        monkeypatch.setattr(module, "GREETING_S", 1.0)

    async def ask() -> None:
        async with AsyncClient(str(socket_path)) as client:
            await client.call(PING, Nothing())

    with listening_at(socket_path):
        with Client(str(socket_path)) as client, pytest.raises(Unreachable, match="has said nothing"):
            client.call(PING, Nothing())
        with pytest.raises(Unreachable, match="has said nothing"):
            asyncio.run(asyncio.wait_for(ask(), PATIENCE_S))


def test_a_daemon_that_takes_no_more_connections_is_given_up(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "GREETING_S", 1.0)
    with socket.socket(socket.AF_UNIX) as listening, ExitStack() as waiting:
        listening.bind(str(socket_path))
        listening.listen(0)
        with pytest.raises(Unreachable, match="has said nothing"):
            for _ in range(10):
                waiting.enter_context(Client(str(socket_path)))


def test_connecting_that_is_given_up_leaves_no_connection(socket_path: Path) -> None:
    """To a daemon that accepts, and says nothing."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        client = AsyncClient(str(socket_path), read_only=True)
        connecting = asyncio.create_task(client.connect())
        peer, _ = await loop.sock_accept(listening)
        with peer:
            peer.setblocking(False)
            assert await loop.sock_recv(peer, 65_536)
            connecting.cancel()
            assert isinstance((await asyncio.gather(connecting, return_exceptions=True))[0], asyncio.CancelledError)
            assert await asyncio.wait_for(loop.sock_recv(peer, 65_536), PATIENCE_S) == b""

    with listening_at(socket_path) as listening:
        listening.setblocking(False)
        asyncio.run(main())


def test_a_lost_connection_ends_every_open_call(socket_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(str(socket_path), reconnect=False) as client:
            peer, _ = await asyncio.get_running_loop().sock_accept(listening)
            tasks = [asyncio.create_task(client.call(PING, Nothing())) for _ in range(3)]
            await asyncio.sleep(0)
            peer.close()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * 3
            with pytest.raises(ConnectionLost):
                await client.call(PING, Nothing())

    with listening_at(socket_path) as listening:
        listening.setblocking(False)
        asyncio.run(main())
