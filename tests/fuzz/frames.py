"""Hostile clients of a real daemon, and hostile peers of a connection without I/O.

Nobody but themselves may suffer: whoever behaves is answered meanwhile, its VMs are as they were, and the daemon grows by nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.fakes.hello import hello
from tests.fuzz.mutants import framed
from tests.fuzz.running import Property
from tests.fuzz.sessions import TO_CLIENT, TO_DAEMON
from tests.rig import Rig, rig
from volant.client.blocking import Client
from volant.proto import cbor, purecbor
from volant.proto.connection import MAX_DATA, Connection, Side
from volant.proto.errors import ProtocolFault, all_faults
from volant.proto.frames import LENGTH, MAX_FRAME_TO_CLIENT, MAX_FRAME_TO_DAEMON, FrameDecoder
from volant.proto.messages import CallReceived, CallRefused, Hello, Kind, Message

if TYPE_CHECKING:
    from volant.proto.connection import Codec

PATIENCE_S = 60.0
"""How long anything may take before the daemon hangs; it takes a millisecond on an idle machine."""
PATIENCE_MS = round(1_000 * PATIENCE_S)

TIDY_EVERY = 200
"""Sessions after which what they made is deleted: the daemon holds tens of VMs, not thousands."""

MAX_GROWTH_KIB = 64 * 1024
"""By how much the daemon may grow over all sessions: its caches fill, and no session leaves anything."""

CALM = ("calm-1", "calm-2")
"""The VMs of the client that behaves."""


@contextmanager
def frames() -> Iterator[Sequence[Property]]:
    with rig(network="none", hypervisor="fake") as host:
        host.start()
        host.volant("plugin", "install", hello(host.root, actions={"greet": {"method": "GET", "path": "/greet"}}))
        with Client(str(host.socket)) as client:
            daemon = Daemon(host, client)
            yield [
                Property("a connection takes or refuses what its peer says", ONE_SIDED, check_one_sided, share=2.0),
                Property("a hostile client harms nobody else", SESSIONS, daemon.check_session, share=4.0, shrinks=False),
            ]
            daemon.check_growth()


# ------------------------------------------------------------------------------------------------------- connections without I/O

ONE_SIDED = st.tuples(st.just("server"), TO_DAEMON) | st.tuples(st.just("client"), TO_CLIENT)


def check_one_sided(case: tuple[str, list[bytes]]) -> None:
    side, pieces = case
    assert received(Side(side), cbor, pieces) == received(Side(side), purecbor, pieces)


def received(side: Side, codec: Codec, pieces: list[bytes]) -> tuple[list[str], str]:
    """What one end hears, and the code of the fault that ends it; it uses whatever credit it is granted."""
    connection = mirror(side, codec)
    if side is Side.CLIENT:
        connection.hello()
        for _ in range(3):
            connection.call("vm.exec", {})
    heard: list[Message] = []
    try:
        for piece in pieces:
            heard += connection.receive(piece)
            for id in connection.open_calls:
                use_credit(connection, id)
        connection.receive_end()
    except ProtocolFault as fault:
        assert fault.message and not connection.is_open(1)
        return shown(heard), fault.code
    return shown(heard), ""


def shown(heard: list[Message]) -> list[str]:
    return [repr(message) for message in heard]


def mirror(side: Side, codec: Codec) -> Connection:
    limit = MAX_FRAME_TO_DAEMON if side is Side.SERVER else MAX_FRAME_TO_CLIENT
    return Connection(side, codec, max_incoming=limit, hello=Hello("fuzz", "1"))


def use_credit(connection: Connection, id: int) -> None:
    if connection.side is Side.CLIENT and connection.is_open(id):
        for channel in range(2):
            if size := min(connection.sendable(id, channel), MAX_DATA, 100):
                connection.data(id, channel, bytes(size))


# ----------------------------------------------------------------------------------------------------------------- a real daemon

SESSIONS = st.fixed_dictionaries({"pieces": TO_DAEMON, "leaves": st.integers(0, 9).map(lambda n: not n), "hasty": st.booleans()})


class Daemon:
    """The daemon with somebody who behaves beside those who don't."""

    def __init__(self, host: Rig, client: Client) -> None:
        self._host, self._client = host, client
        self._sessions = 0
        self._log_seen = 0
        for name in CALM:
            client.call_plain("vm.create", {"name": name, "plugin": "hello", "wait": "ready"})
        self._calm = self._calm_vms()
        self._descriptors, self._resident_kib = host.descriptors(), host.resident_kib()

    def check_session(self, case: dict[str, Any]) -> None:
        """One hostile client's whole session."""
        self._sessions += 1
        with socket.socket(socket.AF_UNIX) as hostile:
            hostile.settimeout(PATIENCE_S)
            hostile.connect(str(self._host.socket))
            is_heard = all(say(hostile, piece) for piece in case["pieces"])
            if not case["leaves"]:
                self._check_answers(hostile, case, is_heard)
        assert self._calm_vms() == self._calm
        self._check_log()
        if self._sessions % TIDY_EVERY == 0:
            self._tidy()

    def check_growth(self) -> None:
        """What is the daemon's after all sessions."""
        self._tidy()
        deadline = time.monotonic() + PATIENCE_S
        while self._host.descriptors() > self._descriptors and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self._host.descriptors() <= self._descriptors
        grown = self._host.resident_kib() - self._resident_kib
        assert grown < MAX_GROWTH_KIB, f"the daemon grew by {grown} KiB over {self._sessions} sessions"

    def _check_answers(self, hostile: socket.socket, case: dict[str, Any], is_heard: bool) -> None:
        expected = Expected(case["pieces"])
        if not case["hasty"]:
            self._calm_vms()  # takes as long as it takes until calls that only look are answered
        answers = Answers(expected)
        if expected.is_whole:
            for id in expected.calls:
                is_heard = is_heard and say(hostile, framed([int(Kind.CANCEL), id]))
            answers.hear(hostile, until_all_ended=True)
        hostile_ends(hostile)
        answers.hear(hostile, until_all_ended=False)
        ended_well = expected.depends or (expected.is_whole and not answers.open)
        assert ended_well or answers.farewell or answers.is_cut_off, answers.told

    def _calm_vms(self) -> list[Any]:
        items = self._client.call_plain("vm.list", {"filter": "name:calm-*"})["items"]
        return [[item[key] for key in ("name", "id", "pid", "boot", "status", "generation", "config_version")] for item in items]

    def _check_log(self) -> None:
        """The daemon has told of no defect of its own."""
        size = self._host.log.stat().st_size
        if size > self._log_seen:
            with self._host.log.open("rb") as log:
                log.seek(self._log_seen)
                told = log.read().decode(errors="replace")
            self._log_seen = size
            assert "Traceback" not in told and "defect" not in told, told

    def _tidy(self) -> None:
        ask = self._client.call_plain
        for deployment in ask("deployment.list", {})["items"]:
            ask("deployment.delete", {"name": deployment["name"], "timeout_ms": PATIENCE_MS})
        for vm in ask("vm.list", {"limit": 1_000, "filter": "!name:calm-*"})["items"]:
            ask("vm.delete", {"name": vm["name"], "force": True, "timeout_ms": PATIENCE_MS})


_MAY_BE_LATE = tuple(bytes([kind]) for kind in (Kind.END, Kind.DATA, Kind.CREDIT, Kind.CANCEL))
"""The byte in a frame that says its kind, behind the length and the array's head."""


class Expected:
    """What a right server makes of a stream: the calls that it takes, and whether the stream is one that may go on."""

    def __init__(self, pieces: list[bytes]) -> None:
        server = mirror(Side.SERVER, cbor)
        self.calls: list[int] = []
        self.depends = False
        """Nobody can say what comes of it: it breaks off at a message that is dropped where its call has ended by then."""
        frame = b""
        try:
            for frame in framewise(b"".join(pieces)):
                for message in server.receive(frame):
                    if isinstance(message, CallReceived | CallRefused):
                        self.calls.append(message.id)
            self.is_whole = not server.pending
        except ProtocolFault:
            self.is_whole = False
            self.depends = frame[5:6] in _MAY_BE_LATE


def framewise(data: bytes) -> Iterator[bytes]:
    """One frame after the other, with its length; at last what is no whole one."""
    while len(data) >= LENGTH.size:
        end = LENGTH.size + LENGTH.unpack_from(data)[0]
        yield data[:end]
        data = data[end:]
    yield data


class Answers:
    """What the daemon says in one session, checked as it comes."""

    def __init__(self, expected: Expected) -> None:
        self.open = set(expected.calls)
        self._depends = expected.depends
        self.told: list[Any] = []
        self.farewell = False
        self.is_cut_off = False
        self._decoder = FrameDecoder(MAX_FRAME_TO_CLIENT)

    def hear(self, hostile: socket.socket, *, until_all_ended: bool) -> None:
        """Until the daemon closes, or all calls have ended."""
        while not self.is_cut_off and not (until_all_ended and not self.open):
            try:
                data = hostile.recv(65_536)
            except ConnectionResetError:
                self.is_cut_off = True  # it closed while something of ours was unread, which takes its last words along
                return
            if not data:
                return
            for frame in self._decoder.feed(data):
                self._take(cbor.loads(frame))

    def _take(self, message: Any) -> None:
        assert not self.farewell, f"{message} after the farewell"
        self.told.append(message)
        kind, about = message[0], message[1]
        if len(self.told) == 1:
            assert kind == Kind.HELLO, message
            return
        assert kind in (Kind.REPLY, Kind.FAULT, Kind.ITEM, Kind.END, Kind.DATA, Kind.CREDIT), message
        if kind == Kind.FAULT:
            fault = message[2]
            assert fault["code"] in all_faults() and fault["code"] != "failed.internal" and fault["message"], message
            self.farewell = about == 0
        if about:
            assert about in self.open or self._depends, f"{message} about a call that is not open"
            if kind in (Kind.REPLY, Kind.FAULT):
                self.open.discard(about)


def say(hostile: socket.socket, piece: bytes) -> bool:
    """Whether the daemon still takes anything."""
    try:
        hostile.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def hostile_ends(hostile: socket.socket) -> None:
    try:
        hostile.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the daemon was quicker
