"""A launcher whose guests exist in memory only: for tests, demonstrations and benchmarks; see `ports.Hypervisor`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import trio

from volant import __version__
from volant.daemon.host.processes import boot_id
from volant.daemon.hypervisors.fake.guest import Behaviour, FakeGuest
from volant.daemon.ports import Capabilities, ExitReport, HypervisorFacts, LaunchPlan, ProcessIdentity, Vmm
from volant.proto.errors import ConnectionLost, GuestFailed

FIRST_PID = 10_000_000
"""Above Linux' largest pid (4,194,304), so that a fake process is never taken for a real one."""


class FakeHost:
    """What survives a launcher: the "processes". Guests launched from now on act as `behaviour` says."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self._guests: dict[str, FakeGuest] = {}
        self._started = 0
        self.boot_id = boot_id()
        """The host's; see `reboot`."""

    def guest(self, vm_id: str) -> FakeGuest:
        """The running guest of a VM; KeyError when none runs."""
        return self._guests[vm_id]

    def guests(self) -> tuple[FakeGuest, ...]:
        """All that run."""
        return tuple(self._guests.values())

    def reboot(self) -> None:
        """Every guest is gone without a word, and the host has another boot id."""
        for guest in self.guests():
            guest.exit(ExitReport(cause="unknown"))
        self.boot_id = f"{self.boot_id}+"

    def running(self, identity: ProcessIdentity) -> FakeGuest | None:
        """The guest behind exactly that process."""
        return next((guest for guest in self._guests.values() if guest.identity == identity), None)

    def start(self, plan: LaunchPlan) -> FakeGuest:
        """A new guest; the fault that `behaviour` wants instead."""
        if self.behaviour.launch_fault is not None:
            raise self.behaviour.launch_fault
        if plan.vm_id in self._guests:
            raise GuestFailed(f"VM {plan.name!r} runs already", hint="stop it first")
        self._started += 1
        identity = ProcessIdentity(FIRST_PID + self._started, self._started, self.boot_id)
        guest = self._guests[plan.vm_id] = FakeGuest(identity, plan, self.behaviour, self._forget)
        return guest

    def _forget(self, guest: FakeGuest) -> None:
        del self._guests[guest.plan.vm_id]


class FakeVmm:
    """See `ports.Vmm`."""

    def __init__(self, guest: FakeGuest) -> None:
        self.identity = guest.identity
        self.command_line: tuple[str, ...] = ("fake", guest.plan.vm_id)
        self._guest = guest

    async def wait_exited(self) -> ExitReport:
        await self._guest.exited.wait()
        assert self._guest.report is not None
        return self._guest.report

    async def kill(self) -> ExitReport:
        if self._guest.behaviour.dies_s:
            with trio.move_on_after(self._guest.behaviour.dies_s):
                return await self.wait_exited()
        self._guest.exit(ExitReport(cause="killed", exit_code=-9))
        return await self.wait_exited()

    async def pause(self) -> None:
        await self._pause(True)

    async def resume(self) -> None:
        await self._pause(False)

    async def wait_starved(self, starved: bool) -> None:
        if starved:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    async def open_agent(self) -> trio.abc.Stream:
        await self._alive()
        return self._guest.open_agent()

    async def open_console(self) -> trio.abc.Stream:
        await self._alive()
        return self._guest.open_console()

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()

    def stderr_tail(self) -> str:
        return self._guest.report.stderr if self._guest.report else ""

    async def _pause(self, paused: bool) -> None:
        await self._alive()
        self._guest.pause(paused)

    async def _alive(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._guest.report is not None:
            raise ConnectionLost("the fake guest has ended", hint="start the VM")


class FakeHypervisor:
    """See `ports.Hypervisor`."""

    name: ClassVar[str] = "fake"

    def __init__(self, host: FakeHost) -> None:
        self._host = host

    async def facts(self) -> HypervisorFacts:
        await trio.lowlevel.checkpoint()
        return HypervisorFacts(
            name=self.name,
            version=__version__,
            binary="",
            accel="none",
            accel_reason="guests exist in the daemon's memory only",
            capabilities=Capabilities(boots_kernel=False, has_disks=False),
            kernel_words="console=ttyS0",
        )

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> Vmm:
        await trio.lowlevel.checkpoint()
        return FakeVmm(self._host.start(plan))

    async def adopt(self, identity: ProcessIdentity, plan: LaunchPlan) -> Vmm | None:
        await trio.lowlevel.checkpoint()
        guest = self._host.running(identity)
        return FakeVmm(guest) if guest else None

    async def find(self, plan: LaunchPlan) -> ProcessIdentity | None:
        await trio.lowlevel.checkpoint()
        try:
            return self._host.guest(plan.vm_id).identity
        except KeyError:
            return None

    async def running(self, within: Path) -> Mapping[str, ProcessIdentity]:
        await trio.lowlevel.checkpoint()
        return {guest.plan.vm_id: guest.identity for guest in self._host.guests() if guest.plan.runtime_dir.parent == within}

    def sockets(self, plan: LaunchPlan) -> tuple[Path, ...]:
        return ()
