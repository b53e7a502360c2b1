"""One case after the other on one host: ask for something, let the harm happen on the way, and see that nothing is left, lost or stuck.

prepare --> order the harm --> ask --> struck --> (daemon or host comes back) --> settled and clean
        --> ask the same again: it succeeds --> the bystander goes on as before --> delete --> clean
"""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volant.client.blocking import Client
from volant.daemon.host.faultpoints import Request
from volant.proto.api.vm import VmView
from volant.proto.errors import Failed, Fault, NameTaken, NoSuchVm
from volant.proto.specs.states import VmState, WaitFor
from volant.selftest.cases import HANG_S, Case, Harm
from volant.selftest.evidence import SETTLED, complaints, look
from volant.selftest.host import TrialHost

SETTLE_S = 5.0
"""Within this, after the harm, nothing may be left that has no owner, and nothing may be on its way any more."""

LOOK_AGAIN_S = 0.02

REQUEST_S = 60.0
"""Whoever asks for something has an answer within this."""

REPORT_S = 0.2
"""Between two looks at whether the request is answered, while the daemon has nothing to report."""

LATE_S = 5.0
"""How long after the answer a place may be reached: some lie behind it."""

MAX_VMS = 100
"""More than a trial host ever has."""

BYSTANDER = "bystander"

_EXT4_MAGIC_AT, _EXT4_MAGIC = 0x438, b"\x53\xef"
IMAGE_BYTES = 65_536
"""Of the image behind the VMs' disks: what makes it one is its magic number, and no guest reads it."""


class Wrong(Exception):
    """What a case found that should not be."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    case: Case
    wrong: str
    """What was wrong; empty when nothing was."""
    settled_s: float
    """From the harm, or the daemon's return, until all was clean."""
    took_s: float


class Asked:
    """A request under way, in a thread and on a connection of its own."""

    def __init__(self, ask: Callable[[Client], Any], client: Client) -> None:
        self.fault: Fault | None = None
        self._ask, self._client = ask, client
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def answered(self) -> bool:
        return not self._thread.is_alive()

    def finish(self) -> None:
        """Wait for the answer. Wrong when there is none."""
        self._thread.join(REQUEST_S)
        if self._thread.is_alive():
            raise Wrong(f"whoever asked has no answer after {REQUEST_S:g} s")

    def _run(self) -> None:
        try:
            with self._client:
                self._ask(self._client)
        except Fault as fault:
            self.fault = fault


class Trials:
    """Runs cases on one host; `prepare` first. `manifest`: the plugin whose VMs suffer; None: one of ours, for the fake launcher."""

    def __init__(
        self, host: TrialHost, *, hang_s: float = HANG_S, settle_s: float = SETTLE_S, manifest: dict[str, Any] | None = None
    ) -> None:
        self._host = host
        self._hang_s, self._settle_s = hang_s, settle_s
        self._manifest = manifest or _without_guest(host.root)
        self._plugin: str
        self._bystander: VmView
        self._count = 0

    def prepare(self) -> None:
        """Install the plugin and start the VM that no case is about. Failed when that alone leaves what should not be."""
        with self._host.client() as client:
            installing = client.plugins.install(manifest=self._manifest)
            for _ in installing:
                pass
            self._plugin = installing.result.name
            self._bystander = client.vms.create(name=BYSTANDER, plugin=self._plugin, wait=WaitFor.READY)
        try:
            self._settle()
        except Wrong as wrong:
            raise Failed(
                f"before anything was harmed, {wrong}", hint="no case was tried; where the host is not just busy, report it"
            ) from None

    def run(self, case: Case) -> Outcome:
        """Run one case. After one that went wrong this host is not to be used again."""
        began, settled = time.monotonic(), 0.0
        self._count += 1
        name = f"trial-{self._count}"
        try:
            settled = self._suffer(case, name)
            self._again(case.point.request, name)
            self._check_bystander(case)
            self._delete(name)
            self._settle()
        except Wrong as wrong:
            return Outcome(case, str(wrong), settled, time.monotonic() - began)
        except (Fault, TimeoutError, OSError, subprocess.SubprocessError) as error:
            return Outcome(case, f"{type(error).__name__}: {error}", settled, time.monotonic() - began)
        return Outcome(case, "", settled, time.monotonic() - began)

    def _suffer(self, case: Case, name: str) -> float:
        """Let the harm happen; how long it took afterwards until everything was clean again."""
        vm_id = self._made_ready(case.point.request, name)
        self._host.order(case, seconds=self._hang_s, vm_id=vm_id)
        request = Asked(lambda client: self._ask(client, case.point.request, name), self._host.client())
        self._await_strike(case, request)
        over = time.monotonic()
        if case.harm is Harm.HANG:
            self._check_others_go_on()
            over += self._hang_s
        elif case.harm is Harm.KILL_DAEMON:
            self._host.wait_daemon_dead()
            self._host.start()
        elif case.harm is Harm.REBOOT:
            self._host.reboot()
        if case.harm.ends_daemon:
            over = time.monotonic()
        request.finish()
        if case.harm in (Harm.ENOSPC, Harm.EIO) and request.fault is not None and "defect" in request.fault.message:
            raise Wrong(f"a disk's failure is called a defect of ours: {request.fault.message}")
        return self._settle(since=over)

    def _made_ready(self, request: Request, name: str) -> str:
        """Make what the request needs; the id of its VM, empty where it is yet to be made."""
        if request is Request.CREATE:
            return ""
        with self._host.client() as client:
            made: VmView = client.vms.create(
                name=name, plugin=self._plugin, start=request is not Request.START, wait=None if request is Request.START else WaitFor.READY
            )
            if request is Request.DELETE:
                client.vms.stop(name=name)
            return made.id

    def _ask(self, client: Client, request: Request, name: str) -> None:
        match request:
            case Request.CREATE:
                client.vms.create(name=name, plugin=self._plugin, wait=WaitFor.READY)
            case Request.START:
                client.vms.start(name=name, wait=WaitFor.READY)
            case Request.STOP:
                client.vms.stop(name=name)
            case Request.DELETE:
                client.vms.delete(name=name)

    def _await_strike(self, case: Case, request: Asked) -> None:
        until = time.monotonic() + REQUEST_S
        while time.monotonic() < until:
            try:
                report = self._host.report(patience=REPORT_S)
            except TimeoutError:
                if request.answered:
                    until = min(until, time.monotonic() + LATE_S)
                continue
            if report == {"struck": case.point.id}:
                return
            raise Wrong(f"the daemon ended by itself: {self._host.last_words()}")
        said = request.fault.message if request.fault else "that all is well"
        raise Wrong(f"the place was not reached; whoever asked was told {said}")

    def _settle(self, since: float | None = None) -> float:
        """Wait until all is clean, by the ledger and by our own look; the seconds since then. Wrong names what is not."""
        since = time.monotonic() if since is None else since
        while True:
            wrong = self._wrong()
            took = max(time.monotonic() - since, 0.0)
            if took > self._settle_s:
                raise Wrong(f"after {took:.1f} s: {'; '.join(wrong)}" if wrong else f"all was clean only after {took:.1f} s")
            if not wrong:
                return took
            time.sleep(LOOK_AGAIN_S)

    def _wrong(self) -> list[str]:
        try:
            found = list(complaints(look(self._host)))
        except (OSError, sqlite3.Error, subprocess.SubprocessError) as error:
            return [f"the host can't be looked at: {error}"]
        if found:
            return found
        with self._host.client() as client:
            page = client.vms.list(limit=MAX_VMS)
            ledger = client.call_plain("system.ledger", {"check": True})
        found += [f"VM {vm.name} is {vm.status}" for vm in page.items if vm.status not in SETTLED]
        wrong = [item for item in ledger["items"] if item["standing"] != "ok"]
        return found + [f"the ledger says {item['standing']}: {item['kind']} {item['name']}" for item in wrong]

    def _again(self, request: Request, name: str) -> None:
        """The same request once more: it succeeds, whatever became of the first one."""
        with self._host.client() as client:
            try:
                self._ask(client, request, name)
            except NameTaken:
                client.vms.start(name=name, wait=WaitFor.READY)
            except NoSuchVm:
                if request is not Request.DELETE:
                    raise
            if request is Request.DELETE:
                return
            wanted = VmState.STOPPED if request is Request.STOP else VmState.READY
            state = client.vms.get(name=name).status
            if state is not wanted:
                raise Wrong(f"asked again, the VM is {state} and not {wanted}")

    def _check_others_go_on(self) -> None:
        """Another VM's agent answers while the step hangs. A shorter hang than the usual one proves nothing: it may be over before a busy
        host gets round to that."""
        with self._host.client() as client:
            _hear(client)
        if self._hang_s >= HANG_S and self._host.has_reported:
            raise Wrong("another VM's agent answered only when the step hung no more")

    def _check_bystander(self, case: Case) -> None:
        """It has not been harmed; where the whole host went down it can be started again."""
        with self._host.client() as client:
            if case.harm is Harm.REBOOT:
                client.vms.start(name=BYSTANDER, wait=WaitFor.READY)
                self._bystander = client.vms.get(name=BYSTANDER)
            now: VmView = client.vms.get(name=BYSTANDER)
            before = self._bystander
            if (now.status, now.pid, now.boot) != (VmState.READY, before.pid, before.boot):
                raise Wrong(f"the bystander was harmed: it is {now.status}, pid {now.pid} (was {before.pid}), boot {now.boot}")
            _hear(client)

    def _delete(self, name: str) -> None:
        with self._host.client() as client:
            try:
                client.vms.delete(name=name, force=True)
            except NoSuchVm:
                pass


def _without_guest(folder: Path) -> dict[str, Any]:
    """The manifest of a plugin whose image looks like a file system and holds nothing."""
    image = folder / "root.img"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
        file.seek(_EXT4_MAGIC_AT)
        file.write(_EXT4_MAGIC)
    return {
        "schema_version": "1.0",
        "name": "selftest",
        "version": "1.0.0",
        "rootfs": {"url": str(image), "format": "raw"},
        "resources": {"cpu_cores": 1, "memory_mb": 128},
        "workload": {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]},
    }


def _hear(client: Client) -> None:
    """The bystander's agent answers."""
    for _ in client.vms.logs(name=BYSTANDER, tail=1):
        pass
