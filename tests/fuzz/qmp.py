"""A hostile VMM behind the QEMU driver: whatever it says, actions end with a named fault, and its death is still noticed and told."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.fuzz.mutants import PLAIN, cut, damaged, mutants
from tests.fuzz.running import Property
from tests.kits.hypervisor import plan_without_guest
from volant.daemon.host.growth import GrowthWatch
from volant.daemon.host.processes import Process, Spawn, spawn
from volant.daemon.hypervisors.endpoints import Sockets, listener
from volant.daemon.hypervisors.qemu.monitor import MonitorGone
from volant.daemon.hypervisors.qemu.qmp import MAX_LINE, Greeting, Happened, QmpBroken, QmpMessage, QmpReader, Refused, Returned
from volant.daemon.hypervisors.qemu.vmm import COMMAND_S, RECONNECT_S, QemuVmm
from volant.daemon.hypervisors.vmm_process import CONTROL_S
from volant.daemon.ports import ExitReport
from volant.proto.errors import GuestFailed

FIELDS: dict[type, dict[str, type]] = {
    Greeting: {"version": str}, Returned: {"id": int}, Refused: {"description": str}, Happened: {"name": str, "data": dict},
}  # fmt: skip
"""What whoever gets a message relies on."""

NUMBER = "$number"
"""Stands for the number of the command that is answered."""

CAUSES = {"guest-shutdown", "guest-reset", "guest-panic", "host-oom", "host-signal", "killed", "error", "unknown"}

RIGHT: list[Any] = [
    {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}},
    {"return": {}, "id": NUMBER},
    {"return": {"status": "running", "running": True}, "id": NUMBER},
    {"return": {"status": "io-error", "running": False}, "id": NUMBER},
    {"error": {"class": "GenericError", "desc": "no"}, "id": NUMBER},
    {"timestamp": {"seconds": 1, "microseconds": 5}, "event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}},
    {"timestamp": {"seconds": 1, "microseconds": 5}, "event": "GUEST_PANICKED", "data": {"action": "pause"}},
    {"timestamp": {"seconds": 1, "microseconds": 5}, "event": "BLOCK_IO_ERROR", "data": {"action": "stop", "reason": "No space left"}},
    {"event": "STOP"},
]
GREETING, DONE = RIGHT[0], RIGHT[1]


def line(message: Any) -> bytes:
    return json.dumps(message, default=repr).encode() + b"\r\n"


_EVENTS = st.fixed_dictionaries({"event": st.sampled_from(["SHUTDOWN", "GUEST_PANICKED", "BLOCK_IO_ERROR"]), "data": PLAIN})
LINES = (
    mutants(st.sampled_from(RIGHT), most=2).map(line)
    | damaged(st.sampled_from(RIGHT).map(line))
    | _EVENTS.map(line)
    | st.binary(max_size=40)
    | st.sampled_from([b"x" * (MAX_LINE + 1), b"[" * 10_000 + b"\n", line({"event": "STOP"}) * 500, b'{"return": {}, "id": 1}\n' * 3])
)
_NEGOTIATED = st.sampled_from([[], [[line(DONE)]], [[line(DONE)]]])
SCRIPTS = st.fixed_dictionaries(
    {
        "adopted": st.booleans(),
        "opens": st.just([line(GREETING)]) | st.just([line(GREETING)]) | st.lists(LINES, max_size=2),
        "answers": st.builds(list.__add__, _NEGOTIATED, st.lists(st.lists(LINES, max_size=3), max_size=8)),
        "hangs up": st.booleans(),
    }
)


@contextmanager
def qmp() -> Iterator[Sequence[Property]]:
    with tempfile.TemporaryDirectory(prefix="vl-") as folder:
        yield [
            Property("messages are the same however they are cut", cut(st.lists(LINES, max_size=5).map(b"".join)), check_cuts),
            Property("a hostile VMM costs its own VM alone", SCRIPTS, lambda script: check_script(Path(folder), script)),
        ]


def check_cuts(pieces: list[bytes]) -> None:
    messages = read(pieces)
    assert messages == read([b"".join(pieces)])
    for message in messages or ():
        assert all(isinstance(getattr(message, name), kind) for name, kind in FIELDS[type(message)].items()), message


def read(pieces: list[bytes]) -> list[QmpMessage] | None:
    """The messages; None when something was none."""
    reader, found = QmpReader(), []
    try:
        for piece in pieces:
            found += reader.feed(piece)
    except QmpBroken:
        return None
    return found


def check_script(folder: Path, script: dict[str, Any]) -> None:
    report = trio.run(endure, folder, script, clock=MockClock(autojump_threshold=0))
    assert report.cause in CAUSES and isinstance(report.detail, str), report


async def endure(folder: Path, script: dict[str, Any]) -> ExitReport:
    """A process that is called QEMU, with `script` at its control socket: how it ended. Ends only once no task is left."""
    plan = plan_without_guest(folder, "0123456789ab")
    process = sleeper(plan.runtime_dir / "qemu.stderr")
    control = trio.SocketListener(trio.socket.from_stdlib_socket(listener(Sockets.of(plan).control)))
    try:
        async with trio.open_nursery() as peer:
            vmm = QemuVmm(process, plan, ("qemu",), GrowthWatch(peer))
            peer.start_soon(trio.serve_listeners, partial(play, script), [control])
            async with trio.open_nursery() as watching:
                try:
                    with trio.fail_after(CONTROL_S):
                        await watching.start(partial(vmm.watch, adopted=script["adopted"]))
                except (OSError, MonitorGone, QmpBroken, trio.TooSlowError):
                    assert not script["adopted"], "one that runs is not given up"
                else:
                    await use(vmm)
                report = await vmm.kill()
                await vmm.release()
            peer.cancel_scope.cancel()
    finally:
        if process.alive:
            process.send_signal(signal.SIGKILL)
    return report


def sleeper(stderr: Path) -> Process:
    fd = os.open(stderr, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        return spawn(Spawn(argv=["sleep", "3600"], env=dict(os.environ), stderr=fd))
    finally:
        os.close(fd)


async def use(vmm: QemuVmm) -> None:
    """Each action ends in time, well or with a fault; then its words get time to do harm."""
    for action in (vmm.pause, vmm.resume):
        with trio.fail_after(COMMAND_S + 1):
            try:
                await action()
            except GuestFailed as fault:
                assert fault.message
    with trio.move_on_after(2 * RECONNECT_S):
        await vmm.wait_starved(True)
        await vmm.wait_starved(False)


async def play(script: dict[str, Any], stream: trio.SocketStream) -> None:
    """One connection: first words, mostly a greeting, then the next answer for each command."""
    try:
        for said in script["opens"]:
            await stream.send_all(said)
        for answer in script["answers"]:
            asked = b""
            while not asked.endswith(b"\n"):
                if not (data := await stream.receive_some()):
                    return
                asked += data
            number = str(json.loads(asked.splitlines()[-1])["id"]).encode()
            for said in answer:
                await stream.send_all(said.replace(f'"{NUMBER}"'.encode(), number))
        while not script["hangs up"] and await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass  # it was given up
