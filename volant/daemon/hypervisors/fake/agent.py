"""The agent of a fake guest: speaks the real agent protocol, with a workload that echoes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from volant import __version__
from volant.proto import cbor
from volant.proto.api import guest as api
from volant.proto.api.vm import Done, ExecResult, ExecStarted, LogLine
from volant.proto.api.vm_call import HttpHead
from volant.proto.connection import MAX_DATA, Connection, Side
from volant.proto.errors import Cancelled, Fault, GuestFailed, NoSuchMethod, ProtocolFault
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.messages import CallReceived, CallRefused, CancelReceived, CreditReceived, DataReceived, EndReceived, Hello, Message
from volant.proto.method import Method
from volant.proto.plain import from_plain, to_plain
from volant.proto.preamble import Acceptor, preamble, without_magic

IN, OUT, ERR = 0, 1, 2
"""Channel numbers of `guest.exec` and `guest.http`."""

NOT_FOUND = 127
"""Exit code of a shell for a program that isn't there."""


class Body(Protocol):
    """What the agent needs of its guest."""

    status: api.GuestStatus
    logs: list[LogLine]

    @property
    def protocol(self) -> tuple[int, int]:
        """Oldest and newest that the agent speaks."""

    def end_workload(self) -> None: ...
    def print(self, line: str) -> None: ...
    def power_off(self, *, reboot: bool = False) -> None: ...


@dataclass(slots=True)
class _Flow:
    """A call that moves bytes: what is still to be sent, and what ends it."""

    channel: int
    result: Done | ExecResult
    waiting: bytes = b""
    echoes: bool = True
    """What comes in goes out again."""
    complete: bool = False
    """Nothing more will be added to `waiting`."""


class FakeAgent:
    """One connection's worth of agent. `take` gets what the daemon sends; answers leave through `put`."""

    def __init__(self, body: Body, put: Callable[[bytes], None]) -> None:
        self._body = body
        self._put = put
        self._acceptor = Acceptor()
        self._connection: Connection | None = None
        self._flows: dict[int, _Flow] = {}
        self._watches: set[int] = set()
        self._followers: set[int] = set()
        self._answers: dict[str, Callable[[int, Any], None]] = {
            api.WATCH.name: self._watch,
            api.SYNC.name: lambda id, _: self._reply(id, Done()),
            api.INFO.name: self._info,
            api.HTTP.name: self._http,
            api.EXEC.name: self._exec,
            api.SIGNAL.name: self._signal,
            api.LOGS.name: self._logs,
            api.SHUTDOWN.name: self._shutdown,
            api.CONSOLE_RESIZE.name: self._resize,
        }

    def take(self, data: bytes) -> None:
        """Bytes from the daemon. A daemon that breaks the rules is not answered until it attaches anew."""
        for nonce, piece in self._acceptor.feed(data):
            if nonce is not None:
                self._begin(nonce)
            try:
                for message in self._connection.receive(piece) if self._connection else ():
                    self._handle(message)
            except ProtocolFault:
                self._connection = None

    def tell_status(self) -> None:
        """The guest's status changed."""
        if self._connection is not None:
            for id in self._watches:
                self._put(self._connection.item(id, to_plain(self._body.status)))

    def tell_line(self, line: LogLine) -> None:
        """The workload put out a line."""
        if self._connection is not None:
            for id in self._followers:
                self._put(self._connection.item(id, to_plain(line)))

    @property
    def _session(self) -> Connection:
        assert self._connection is not None, "only a message of a session gets here"
        return self._connection

    def _begin(self, nonce: bytes) -> None:
        self._flows.clear()
        self._watches.clear()
        self._followers.clear()
        hello = Hello("agent", __version__, protocol=self._body.protocol)
        self._connection = Connection(Side.SERVER, cbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=hello)
        self._put(preamble(nonce) + self._connection.hello())

    def _handle(self, message: Message) -> None:
        match message:
            case CallReceived(id=id, method=name, params=params):
                self._call(id, name, params)
            case CallRefused(id=id, fault=fault):
                self._put(self._session.fault(id, fault))
            case CancelReceived(id=id) if self._session.is_open(id):
                self._end_call(id, self._session.fault(id, Cancelled("the daemon cancelled the call")))
            case DataReceived(id=id, channel=channel, data=data):
                self._data(id, channel, data)
            case EndReceived(id=id, channel=channel) if channel == IN and id in self._flows:
                self._flows[id].complete = True
                self._flow(id)
            case CreditReceived(id=id) if id in self._flows:
                self._flow(id)

    def _call(self, id: int, name: str, params: dict[str, Any]) -> None:
        try:
            answer = self._answers.get(name)
            method: Method[Any, Any] | None = api.NOUN.methods.get(name)
            if method is None:
                raise NoSuchMethod(name)
            if answer is None:
                raise GuestFailed(f"a fake guest can't {method.help}", hint="run the daemon with --hypervisor qemu")
            answer(id, from_plain(method.params, params))
        except Fault as fault:
            self._put(self._session.fault(id, fault))

    def _reply(self, id: int, result: Any) -> None:
        self._end_call(id, self._session.reply(id, to_plain(result)))

    def _end_call(self, id: int, last: bytes) -> None:
        self._flows.pop(id, None)
        self._watches.discard(id)
        self._followers.discard(id)
        self._put(last)

    def _watch(self, id: int, asked: api.Watch) -> None:
        self._watches.add(id)
        self._put(self._session.item(id, to_plain(self._body.status)))

    def _info(self, id: int, asked: api.Watch) -> None:
        info = api.GuestInfo(
            version=__version__, kernel="fake", hostname="fake", boot="initramfs", addresses=(), memory_total_mib=0,
            memory_available_mib=0, workload_pid=2, uptime_ms=self._body.status.uptime_ms,
        )  # fmt: skip
        self._reply(id, info)

    def _http(self, id: int, asked: api.Request) -> None:
        """200, and as body the request's own, or its first line when it had none."""
        self._put(self._session.item(id, to_plain(HttpHead(200, "OK", (("content-type", "application/octet-stream"),)))))
        without_body = f"{asked.method} {asked.path}\n".encode() if asked.method in ("GET", "HEAD", "DELETE") else b""
        self._start(id, _Flow(OUT, Done(), without_body, echoes=not without_body, complete=bool(without_body)))

    def _exec(self, id: int, asked: api.Exec) -> None:
        """`echo WORD...`, `cat` and `exit N`."""
        self._put(self._session.item(id, to_plain(ExecStarted(id, pid=100 + id))))
        match asked.argv:
            case ("cat",):
                flow = _Flow(OUT, ExecResult(0))
            case ("echo", *words):
                flow = _Flow(OUT, ExecResult(0), " ".join(words).encode() + b"\n", echoes=False, complete=True)
            case ("exit", code) if code.isdecimal():
                flow = _Flow(OUT, ExecResult(int(code)), echoes=False, complete=True)
            case argv:
                text = f"{' '.join(argv[:1])}: not found in a fake guest\n".encode()
                flow = _Flow(ERR, ExecResult(NOT_FOUND), text, echoes=False, complete=True)
        self._start(id, flow)

    def _signal(self, id: int, asked: api.Signal) -> None:
        if asked.signal and asked.exec_id in self._flows:
            self._reply(asked.exec_id, ExecResult(128 + asked.signal, asked.signal))
        self._reply(id, Done())

    def _logs(self, id: int, asked: api.Logs) -> None:
        lines = self._body.logs if asked.tail < 0 else self._body.logs[len(self._body.logs) - min(asked.tail, len(self._body.logs)) :]
        for line in lines:
            if line.seq > asked.after:
                self._put(self._session.item(id, to_plain(line)))
        if asked.follow:
            self._followers.add(id)
        else:
            self._reply(id, Done())

    def _resize(self, id: int, asked: api.Size) -> None:
        self._body.print(f"fake kernel: the console has {asked.rows} rows of {asked.cols}")
        self._reply(id, Done())

    def _shutdown(self, id: int, asked: api.Shutdown) -> None:
        self._body.end_workload()
        self._reply(id, Done())
        self._body.power_off(reboot=asked.reboot)

    def _start(self, id: int, flow: _Flow) -> None:
        self._flows[id] = flow
        self._flow(id)

    def _data(self, id: int, channel: int, data: bytes) -> None:
        flow = self._flows.get(id)
        if flow is not None and flow.echoes:
            flow.waiting += data
            self._flow(id)
        else:
            self._put(self._session.credit(id, channel, len(data)))

    def _flow(self, id: int) -> None:
        """Send what may be sent; the daemon may send as much again once we are rid of it."""
        flow, session = self._flows[id], self._session
        while flow.waiting and (size := min(session.sendable(id, flow.channel), MAX_DATA)):
            payload, flow.waiting = flow.waiting[:size], flow.waiting[size:]
            for piece in without_magic(payload):
                self._put(session.data(id, flow.channel, piece))
            if flow.echoes:
                self._put(session.credit(id, IN, len(payload)))
        if flow.complete and not flow.waiting:
            self._put(session.end(id, flow.channel))
            self._reply(id, flow.result)
