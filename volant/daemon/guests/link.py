"""The daemon's end of an agent channel: attach, then calls side by side over one byte pipe.

The guest is hostile until proven otherwise: whatever breaks the wire's rules ends the link, never the daemon.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from volant import __version__
from volant.daemon.guests.calls import AgentCall
from volant.daemon.host.nurseries import helpers
from volant.proto import cbor
from volant.proto.connection import Connection, Side
from volant.proto.errors import ConnectionLost, Fault, GuestFailed, ProtocolFault
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.messages import (
    PROTOCOL,
    ClosedByPeer,
    CreditReceived,
    DataReceived,
    EndReceived,
    FaultReceived,
    Hello,
    HelloReceived,
    ItemReceived,
    Message,
    ReplyReceived,
)
from volant.proto.method import Method
from volant.proto.plain import from_plain, to_plain
from volant.proto.preamble import NONCE_SEED_BYTES, Attacher

P = TypeVar("P")
R = TypeVar("R")

HELLO_EVERY_S = 0.5
"""How often the attach is repeated: bytes written before the guest opens its end are lost."""

HELLO_AGAIN_S = 0.01
"""How soon it is repeated when the guest says anything: an agent stirs when it opens its end. Bounds what a babbling one costs."""

READ_BYTES = 65_536
"""One read from the pipe."""

GARBAGE_PAUSE_S = 0.001
"""After each read that brought no answer to an attach: who sends rubbish for ever gets a thousand looks a second at most."""

MAX_UNSENT = 64
"""Frames that wait to be written, at most 64 KiB each: enough to keep a pipe full."""


class AgentLink:
    """One attached session. `run` reads until the pipe ends; calls may be made while it runs."""

    def __init__(self, stream: trio.abc.Stream, *, protocol: tuple[int, int] = PROTOCOL) -> None:
        """`protocol`: the oldest and the newest that we speak."""
        self._stream = stream
        self._put, self._unsent = trio.open_memory_channel[bytes](MAX_UNSENT)
        # Bytes read since the last whole message: what the next one cost.
        self._read_bytes = 0
        self._calls: dict[int, AgentCall] = {}
        self._connection = _fresh_connection(protocol)
        self._stirred = trio.Event()
        self._ended = False
        self.version = ""

    async def attach(self) -> None:
        """Find the agent at the other end: repeat preamble and hello until it answers. Waits as long as it takes.

        ConnectionLost when the pipe ends, VersionMismatch when the agent speaks another protocol, another ProtocolFault when the
        guest answers with something else.
        """
        attacher = Attacher(os.urandom(NONCE_SEED_BYTES))
        hello = self._connection.hello()
        async with helpers() as nursery:
            nursery.start_soon(self._knock, attacher, hello)
            while not self.version:
                data = await self._read()
                self._stirred.set()
                self._take(attacher.feed(data))
                if not attacher.attached:
                    await trio.sleep(GARBAGE_PAUSE_S)

    async def run(self) -> None:
        """Route what the agent sends until the pipe ends or the agent breaks the rules; then every open call fails."""
        fault: Fault = ConnectionLost("the agent's channel ended in the middle of a call", hint="see whether the VM still runs")
        try:
            async with helpers() as nursery:
                nursery.start_soon(self._write_all)
                while True:
                    self._take(await self._read())
        except ConnectionLost:
            return
        finally:
            self._unsent.close()
            self._end(fault)

    async def call(self, method: Method[P, R], params: P) -> R:
        """Call and wait for the typed answer."""
        async with self.open(method, params) as call:
            return from_plain(method.result, await call.result())

    @asynccontextmanager
    async def open(self, method: Method[P, Any], params: P) -> AsyncIterator[AgentCall]:
        """A call under way; cancelled when the block is left before its answer."""
        if self._ended:
            raise _closed()
        call_id, frame = self._connection.call(method.name, to_plain(params))
        call = AgentCall(method, call_id, self._connection, self._write)
        self._calls[call_id] = call
        try:
            await self._write(frame)
            yield call
        finally:
            self._calls.pop(call_id, None)
            if not call.answered and not self._ended:
                with trio.move_on_after(HELLO_EVERY_S) as scope:
                    scope.shield = True
                    try:
                        await call.cancel()
                    except ConnectionLost:
                        pass

    async def aclose(self) -> None:
        self._put.close()
        await trio.aclose_forcefully(self._stream)

    async def _knock(self, attacher: Attacher, hello: bytes) -> None:
        while not attacher.answered:
            self._stirred = trio.Event()
            await self._send(attacher.attempt() + hello)
            await trio.sleep(HELLO_AGAIN_S)
            with trio.move_on_after(HELLO_EVERY_S):
                await self._stirred.wait()

    async def _write(self, data: bytes) -> None:
        """Queue whole frames: whoever stops waiting here leaves no half of one on the pipe, which would end everybody's calls."""
        try:
            await self._put.send(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _closed() from None

    async def _write_all(self) -> None:
        async for data in self._unsent:
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _closed() from None

    async def _read(self) -> bytes:
        try:
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            raise _closed()
        return bytes(data)

    def _take(self, data: bytes) -> None:
        self._read_bytes += len(data)
        try:
            for message in self._connection.receive(data):
                self._route(message, self._read_bytes)
                self._read_bytes = 0
        except ProtocolFault as error:
            # At once: whoever goes on with a call in this very moment must find it ended.
            self._end(GuestFailed(f"the guest's agent broke the protocol: {error.message}", hint="restart the VM"))
            raise

    def _end(self, fault: Fault) -> None:
        """No call goes on, and none can be made any more."""
        self._ended = True
        for call in self._calls.values():
            call.finish(fault=fault)
        self._calls.clear()

    def _route(self, message: Message, size: int) -> None:
        match message:
            case HelloReceived():
                self.version = message.hello.version or "unknown"
            case ReplyReceived():
                if call := self._calls.pop(message.id, None):
                    call.finish(message.result)
            case FaultReceived():
                if call := self._calls.pop(message.id, None):
                    call.finish(fault=message.fault)
            case ItemReceived():
                if call := self._calls.get(message.id):
                    call.deliver_item(message.item, size)
            case DataReceived():
                if call := self._calls.get(message.id):
                    call.deliver_data(message.channel, message.data)
            case EndReceived():
                if call := self._calls.get(message.id):
                    call.deliver_end(message.channel)
            case CreditReceived():
                if call := self._calls.get(message.id):
                    call.deliver_credit()
            case ClosedByPeer():
                raise ProtocolFault(f"the agent closed the channel: {message.fault.message}")
            case _:
                raise ProtocolFault("the agent sent a message that only a caller may send")


def _closed() -> ConnectionLost:
    return ConnectionLost("the agent's channel is closed", hint="see whether the VM still runs")


def _fresh_connection(protocol: tuple[int, int]) -> Connection:
    hello = Hello("daemon", __version__, protocol=protocol)
    return Connection(Side.CLIENT, cbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=hello)
