"""Starts, adopts and finds QEMU microVMs; see `ports.Hypervisor`."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.growth import GrowthWatch
from volant.daemon.host.processes import Process, Spawn, command_line_of, spawn
from volant.daemon.host.tsc import tsc_khz
from volant.daemon.hypervisors import marks
from volant.daemon.hypervisors.cmdline import kernel_words
from volant.daemon.hypervisors.endpoints import Sockets, listener, opened
from volant.daemon.hypervisors.qemu.argv import Descriptors, command_line
from volant.daemon.hypervisors.qemu.failures import INSTALL_HINT, launch_fault
from volant.daemon.hypervisors.qemu.monitor import MonitorGone
from volant.daemon.hypervisors.qemu.probe import AccelProbe, BootFilesOf
from volant.daemon.hypervisors.qemu.qmp import QmpBroken
from volant.daemon.hypervisors.qemu.serial import SerialFiles
from volant.daemon.hypervisors.qemu.vmm import QemuVmm, stderr_path
from volant.daemon.hypervisors.vmm_process import CONTROL_S, ProcessLauncher
from volant.daemon.ports import Capabilities, ExitReport, HypervisorFacts, LaunchPlan, ProcessIdentity
from volant.proto.errors import Fault, HostShort, LaunchFailed

_log = logging.getLogger("volant.hypervisors")

QEMU_NAME = "qemu-system-x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuSettings:
    """What the daemon's configuration says about QEMU."""

    probe_dir: Path
    """Folder for what the acceleration probe keeps (its verdict) and needs while it runs."""
    accel: str = "auto"
    """auto, kvm or tcg."""
    binary: str = QEMU_NAME
    user: str = ""
    """User that VMMs run as when the daemon is root and this user exists."""


class QemuLauncher(ProcessLauncher):
    """The part of the driver that needs no facts: binary, user, processes."""

    def __init__(self, nursery: trio.Nursery, *, binary: str = QEMU_NAME, user: str = "") -> None:
        super().__init__(nursery)
        self._binary = binary
        self._user = user
        self._growth = GrowthWatch(nursery)

    def binary(self) -> str:
        """QEMU's path; HostShort when it is not installed."""
        found = shutil.which(self._binary)
        if found is None:
            raise HostShort(f"{self._binary} is not installed", hint=INSTALL_HINT)
        return found

    def _handle(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...]) -> QemuVmm:
        return QemuVmm(process, plan, command_line, self._growth)

    def _explained(self, error: BaseException, name: str, report: ExitReport, command_line: tuple[str, ...]) -> Fault | None:
        if isinstance(error, (OSError, MonitorGone, QmpBroken)):
            return launch_fault(name, stderr=report.stderr, command_line=list(command_line), exit_code=report.exit_code)
        return _mute(name, report.stderr, list(command_line)) if isinstance(error, trio.TooSlowError) else None

    def sockets(self, plan: LaunchPlan) -> tuple[Path, ...]:
        sockets = Sockets.of(plan)
        return (sockets.control, sockets.agent)

    @staticmethod
    def _is_ending(error: BaseException) -> bool:
        return isinstance(error, (OSError, MonitorGone))

    @staticmethod
    def _is_vmm(identity: ProcessIdentity, vm_id: str) -> bool:
        return any(word.endswith(f",process=volant-{vm_id}") for word in command_line_of(identity.pid))

    async def _spawn(self, plan: LaunchPlan, tap_fd: int | None) -> tuple[Process, tuple[str, ...]]:
        binary = self.binary()
        plan.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = self._effective_user()
        if user:
            _hand_over_disks(plan, _ids(user))
        with contextlib.ExitStack() as stack:
            fds = stack.enter_context(_descriptors(plan, tap_fd, user))
            stderr = opened(stderr_path(plan), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
            stack.callback(os.close, stderr)
            argv = command_line(binary, plan, fds)
            # If it can't even be started, nobody will listen on the sockets.
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(Sockets.of(plan).remove)
                on_failure.callback(SerialFiles.of(plan.runtime_dir).remove)
                await passed(FaultPoint.SOCKETS_BOUND, plan.vm_id)
                process = spawn(Spawn(argv=argv, env=marks.environment(plan), stderr=stderr, pass_fds=fds.all(), user=user))
                on_failure.pop_all()
        return process, tuple(argv)

    def _effective_user(self) -> str:
        if os.geteuid() != 0 or not self._user:
            return ""
        try:
            return pwd.getpwnam(self._user).pw_name
        except KeyError:
            return ""

    def _warn_of_root(self) -> None:
        if os.geteuid() == 0 and not self._effective_user():
            why = f"the user {self._user!r} does not exist" if self._user else "no user is set for them"
            _log.warning(
                "VMs run as root, since %s: who breaks out of a guest owns this host; contrib/systemd/volant.sysusers makes the user", why
            )


class QemuHypervisor(QemuLauncher):
    """`ports.Hypervisor` with QEMU."""

    name: ClassVar[str] = "qemu"

    def __init__(self, nursery: trio.Nursery, settings: QemuSettings, boot_files: BootFilesOf) -> None:
        super().__init__(nursery, binary=settings.binary, user=settings.user)
        self._probe = AccelProbe(self, settings.accel, settings.probe_dir, boot_files)
        self._finding = trio.Lock()
        self._facts: HypervisorFacts | None = None

    async def facts(self) -> HypervisorFacts:
        async with self._finding:
            if self._facts is None:
                binary = self.binary()
                self._warn_of_root()
                version = await _version(binary)
                verdict = await self._probe.verdict(version)
                facts = HypervisorFacts(
                    name=self.name,
                    version=version,
                    binary=binary,
                    accel=verdict.accel,
                    accel_reason=verdict.reason,
                    capabilities=Capabilities(),
                    kernel_words=kernel_words(verdict.accel, tsc_khz()),
                )
                if not verdict.final:
                    return facts
                self._facts = facts
            return self._facts


async def _version(binary: str) -> str:
    """As `7.2.22`; HostShort when the program doesn't run."""
    try:
        done = await trio.run_process([binary, "--version"], capture_stdout=True, capture_stderr=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise HostShort(f"{binary} does not run: {error}", hint=INSTALL_HINT) from None
    found = re.search(rb"version (\d+\.\d+\.\d+)", done.stdout)
    return found[1].decode() if found else "unknown"


@contextlib.contextmanager
def _descriptors(plan: LaunchPlan, tap_fd: int | None, user: str) -> Iterator[Descriptors]:
    """What QEMU inherits; ours are closed afterwards, so that a connection shows whether QEMU lives."""
    sockets = Sockets.of(plan)
    with contextlib.ExitStack() as stack:
        control, agent = (stack.enter_context(listener(path)).fileno() for path in (sockets.control, sockets.agent))
        console = stack.enter_context(SerialFiles.of(plan.runtime_dir).made(_ids(user)))
        log = opened(plan.console_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        stack.callback(os.close, log)
        config = None
        if plan.config_blob:
            # In memory, so that secrets in it never reach a disk.
            config = os.memfd_create("volant-config", os.MFD_CLOEXEC)
            stack.callback(os.close, config)
            with open(config, "wb", closefd=False) as file:
                file.write(plan.config_blob)
        yield Descriptors(control=control, console=console, agent=agent, console_log=log, config=config, tap=tap_fd)


def _hand_over_disks(plan: LaunchPlan, ids: tuple[int, int]) -> None:
    """Let the VMM's user write the VM's own disks; everything else it gets as open descriptors or may read anyway."""
    for disk in plan.disks:
        if not disk.readonly:
            os.chown(disk.path, *ids)


def _ids(user: str) -> tuple[int, int]:
    """Number and main group of a user of this host; our own for none."""
    if not user:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _mute(name: str, stderr: str, argv: list[str]) -> LaunchFailed:
    return LaunchFailed(
        f"VM {name!r} can't start: QEMU did not answer within {CONTROL_S:.0f} s",
        hint="see what keeps the host busy, then start the VM again",
        stderr=stderr,
        command_line=argv,
    )
