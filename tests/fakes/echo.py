"""Methods that exercise every shape of call, and their handlers, for tests of the wire end to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.listener import bind_socket
from volant.daemon.rpc.peer import Peer, Policy
from volant.daemon.rpc.registry import Encoded, Handler, Handlers
from volant.daemon.rpc.service import RpcService
from volant.proto import cbor
from volant.proto.errors import Conflict
from volant.proto.method import Channel, Method, Noun, Shape

NOUN = Noun("echo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str
    times: int = 1
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """No parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """`total` bytes or items went by."""

    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    number: int


_IN, _OUT = Channel(0, "in", to_callee=True), Channel(1, "out", to_callee=False)

SAY = NOUN.add(Method("echo.say", Text, Text, "say it again"))
WHO = NOUN.add(Method("echo.who", Nothing, Count, "the caller's pid"))
CHANGE = NOUN.add(Method("echo.change", Text, Text, "pretend to change something", changes=True))
BREAK = NOUN.add(Method("echo.break", Text, Text, "fail in the way that `text` names"))
BIG = NOUN.add(Method("echo.big", Text, Text, "a result of `times` bytes"))
SLEEP = NOUN.add(Method("echo.sleep", Text, Text, "wait for ever"))
COUNT = NOUN.add(Method("echo.count", Text, Count, "`times` items, each `text` long in the mind only", shape=Shape.STREAM, item=Item))
FLOOD = NOUN.add(Method("echo.flood", Text, Count, "items that never wait for the reader", shape=Shape.STREAM, item=Item))
PIPE = NOUN.add(Method("echo.pipe", Text, Count, "send back what comes", shape=Shape.BYTES, item=Item, channels=(_IN, _OUT)))
SINK = NOUN.add(Method("echo.sink", Text, Count, "swallow what comes once `text` is go", shape=Shape.BYTES, channels=(_IN,)))
SOURCE = NOUN.add(Method("echo.source", Text, Count, "`times` bytes", shape=Shape.BYTES, channels=(_OUT,)))


@dataclass(slots=True)
class Journal:
    """What the handlers noticed: the `app` of the tests."""

    cancelled: list[str] = field(default_factory=list)
    sent: int = 0
    """Bytes or items that a handler could send so far."""


def say(app: Journal, peer: Peer, params: Text) -> Text:
    return params


def who(app: Journal, peer: Peer, params: Nothing) -> Count:
    return Count(total=peer.pid)


def break_it(app: Journal, peer: Peer, params: Text) -> Any:
    if params.text == "fault":
        raise Conflict("it is taken", hint="take another", name="x")
    if params.text == "unplain":
        raise Conflict("it is odd", odd=object())
    if params.text == "nan":
        return {"number": float("nan")}
    raise ZeroDivisionError(params.text)


def big(app: Journal, peer: Peer, params: Text) -> Encoded:
    return Encoded(cbor.dumps({"text": "x" * params.times, "times": 1, "tags": {}}))


async def sleep(app: Journal, peer: Peer, params: Text) -> Text:
    try:
        await trio.sleep_forever()
    except trio.Cancelled:
        app.cancelled.append(params.text)
        raise


async def count(app: Journal, peer: Peer, params: Text, call: Call) -> Count:
    for number in range(params.times):
        await call.send_item(Item(number=number))
        app.sent = number + 1
    return Count(total=params.times)


async def flood(app: Journal, peer: Peer, params: Text, call: Call) -> Count:
    encoded = cbor.dumps({"number": 1, "filler": "x" * 1_000})
    for _ in range(params.times):
        call.push_encoded(encoded)
        app.sent += 1
        await trio.lowlevel.checkpoint()
    return Count(total=params.times)


async def pipe(app: Journal, peer: Peer, params: Text, call: Call) -> Count:
    await call.send_item(Item(number=1))
    total = 0
    while data := await call.receive(0):
        total += len(data)
        await call.send(1, data)
    await call.end(1)
    return Count(total=total)


async def sink(app: Journal, peer: Peer, params: Text, call: Call) -> Count:
    if params.text != "go":
        await trio.sleep_forever()
    total = 0
    while data := await call.receive(0):
        total += len(data)
    return Count(total=total)


async def source(app: Journal, peer: Peer, params: Text, call: Call) -> Count:
    for _ in range(0, params.times, 10_000):
        await call.send(1, b"s" * 10_000)
        app.sent += 10_000
    return Count(total=params.times)


def handlers() -> Handlers:
    found = Handlers()
    pairs: tuple[tuple[Method[Any, Any], Handler], ...] = (
        (SAY, say), (WHO, who), (CHANGE, say), (BREAK, break_it), (BIG, big), (SLEEP, sleep),
        (COUNT, count), (FLOOD, flood), (PIPE, pipe), (SINK, sink), (SOURCE, source),
    )  # fmt: skip
    for method, function in pairs:
        found.add(method, function)
    return found


@contextmanager
def serving(path: Path, *, policy: Policy | None = None, **limits: int) -> Iterator[Journal]:
    """The echo service on a socket at `path`, in a thread of its own, while the body runs."""
    journal = Journal()
    listening = bind_socket(path)
    started = threading.Event()
    token: list[trio.lowlevel.TrioToken] = []
    services: list[RpcService] = []

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        services.append(RpcService(journal, handlers(), listening, policy=policy, drain_seconds=0.05, **limits))
        async with trio.open_nursery() as nursery:
            await nursery.start(services[0].run)
            started.set()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    started.wait()
    try:
        yield journal
    finally:
        token[0].run_sync_soon(services[0].stop)
        thread.join()
