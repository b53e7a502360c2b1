"""A host of our own to try faults on: network namespace, state and runtime folder, boot id, and a daemon that can be ordered to fail.

Nothing of it is shared with the machine but its processes' table, and all of it goes with the block.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from volant.client.blocking import Client
from volant.proto.errors import Failed
from volant.selftest.cases import Case
from volant.selftest.leftovers import trial_folder
from volant.selftest.namespaces import new_netns
from volant.selftest.processes import SABOTEUR, kill_inside

START_S = 60.0
"""How long the daemon may take to serve; half a second when idle."""

REPORT_S = 60.0
"""How long an order may take to be carried out: a guest that boots under emulation on a busy host gets to its last place in that."""

MAX_PACKET = 4_096

_ROOT = Path(__file__).resolve().parents[2]
"""Where the package lies: the daemon under test runs the same code as we, wherever it was started."""


class TrialHost:
    """Made by `trial_host`; `start` first."""

    def __init__(self, root: Path, *, hypervisor: str, kernels: Path | None, flags: Mapping[str, str]) -> None:
        self.root = root
        self.state, self.runtime = root / "s", root / "r"
        self._hypervisor, self._flags = hypervisor, flags
        self._network = ExitStack()
        self.netns = self._network.enter_context(new_netns())
        self.daemon: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self.log = root / "volantd.log"
        self.state.mkdir()
        if kernels is not None:
            (self.state / "kernels").symlink_to(kernels)
        self._new_boot_id()

    def start(self) -> None:
        """Start a daemon, and return once it serves. Failed with its last words when it does not."""
        self._orders, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {"state-dir": self.state, "runtime-dir": self.runtime, "network": "bridged", **self._flags}
        argv = [sys.executable, "-m", SABOTEUR, "--orders", str(its.fileno()), "--boot-id", str(self._boot_id)]
        argv += ["--hypervisor", self._hypervisor, *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]
        with its, self.log.open("ab") as log:
            # In a session of its own: a Ctrl-C at the terminal is for us, who then end it.
            self.daemon = self.netns.popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(its.fileno(),), start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )  # fmt: skip
        if self.report(patience=START_S) != {"ready": True}:
            raise Failed(f"the daemon under test did not start: {self.last_words()}", hint="its log says why")

    def client(self) -> Client:
        return Client(str(self.runtime / "volantd.sock"))

    def order(self, case: Case, *, seconds: float, vm_id: str) -> None:
        """Let the daemon do the case's harm the next time it passes the case's point."""
        self._send({"point": case.point.id, "harm": case.harm.id, "seconds": seconds, "vm_id": vm_id})
        while self.report() != {"armed": case.point.id}:
            pass

    def watch(self) -> None:
        """From now on the daemon reports every place that it passes."""
        self._send({"watch": True})

    def report(self, *, patience: float = REPORT_S) -> dict[str, Any]:
        """The daemon's next report; empty once it has died. TimeoutError."""
        assert self._orders is not None
        self._orders.settimeout(patience)
        try:
            packet = self._orders.recv(MAX_PACKET)
        except ConnectionResetError:
            packet = b""
        found: dict[str, Any] = json.loads(packet) if packet else {}
        return found

    @property
    def has_reported(self) -> bool:
        """A report waits to be taken."""
        assert self._orders is not None
        return bool(select.select([self._orders], [], [], 0)[0])

    def wait_daemon_dead(self) -> None:
        """Return once the daemon is dead. TimeoutExpired."""
        assert self.daemon is not None
        self.daemon.wait(timeout=START_S)
        self._hang_up()

    def kill_daemon(self) -> None:
        """SIGKILL; its VMMs stay."""
        if self.daemon is not None:
            self.daemon.kill()
            self.wait_daemon_dead()

    def reboot(self) -> None:
        """What a host's crash and restart does; the daemon is started anew."""
        self.kill_daemon()
        kill_inside(self.netns.inode)
        self._network.close()
        self.netns = self._network.enter_context(new_netns())
        shutil.rmtree(self.runtime)
        self._new_boot_id()
        self.start()

    def last_words(self, characters: int = 2_000) -> str:
        """The end of the daemon's log."""
        with suppress(OSError):
            return self.log.read_text("utf-8", "replace")[-characters:]
        return ""

    def close(self) -> None:
        """Kill everything that was started here, prove it dead, and remove the rest."""
        try:
            self.kill_daemon()
            kill_inside(self.netns.inode)
        finally:
            self._hang_up()
            self._network.close()

    def _new_boot_id(self) -> None:
        self._boot_id = self.root / f"boot-id-{time.monotonic_ns()}"
        self._boot_id.write_text(f"{uuid.uuid4()}\n")

    def _send(self, order: dict[str, Any]) -> None:
        assert self._orders is not None
        self._orders.send(json.dumps(order).encode())

    def _hang_up(self) -> None:
        if self._orders is not None:
            self._orders.close()
            self._orders = None


@contextmanager
def trial_host(*, hypervisor: str = "fake-process", kernels: Path | None = None, **flags: str) -> Iterator[TrialHost]:
    """A host with a daemon that serves. `kernels`: a folder of kernels for real guests; `flags`: volantd's, without their dashes."""
    with trial_folder() as root:
        made = TrialHost(root, hypervisor=hypervisor, kernels=kernels, flags=flags)
        try:
            made.start()
            yield made
        finally:
            made.close()
