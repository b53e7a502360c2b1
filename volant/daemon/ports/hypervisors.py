"""Launchers and the VMMs they start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from volant.daemon.ports.records import ProcessIdentity
from volant.proto.api.vm import Forward
from volant.proto.specs.states import NetworkMode


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlan:
    path: Path
    format: str
    """raw or qcow2."""
    readonly: bool
    serial: str
    """At most 20 bytes; how the guest finds it (/sys/block/vdX/serial)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NicPlan:
    mode: NetworkMode
    mac: str
    tap: str = ""
    forwards: tuple[Forward, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """Everything a launcher needs, decided beforehand by a pure function."""

    vm_id: str
    name: str
    runtime_dir: Path
    """The VM's own folder for sockets, short enough for their paths."""
    console_log: Path
    """Where the serial line's bytes are kept from the first one on; appended to."""
    kernel: Path
    initramfs: Path
    cmdline: str
    """At most 2,047 bytes."""
    vcpus: int
    memory_mib: int
    accel: str
    """kvm or tcg."""
    disks: tuple[DiskPlan, ...] = ()
    nic: NicPlan | None = None
    config_blob: bytes = b""
    """What didn't fit the command line; reaches the guest as fw_cfg `opt/org.volant/config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """In what launchers differ."""

    boots_kernel: bool = True
    """Whether a kernel and an initramfs have to be there; the fakes need none."""
    has_disks: bool = True
    """Whether the VM's disks have to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorFacts:
    """What a launcher found out about itself and the host."""

    name: str
    version: str
    binary: str
    accel: str
    accel_reason: str
    capabilities: Capabilities
    kernel_words: str = ""
    """What a guest's kernel command line must begin with under this launcher and acceleration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitReport:
    """How a VMM ended. `cause`: guest-shutdown, guest-reset, guest-panic, host-oom, host-signal, killed, error or unknown."""

    cause: str
    exit_code: int | None = None
    """None when the process was not our child."""
    stderr: str = ""
    detail: str = ""
    """What is known of the cause besides, as a clause; empty for nothing."""


class Vmm(Protocol):
    """One running VMM. Dropping the handle (`release`) leaves the VM running."""

    identity: ProcessIdentity
    command_line: tuple[str, ...]

    async def wait_exited(self) -> ExitReport:
        """Returns once the process is proven dead; any number of callers."""

    async def kill(self) -> ExitReport:
        """SIGKILL, and return once it is proven dead."""

    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def wait_starved(self, starved: bool) -> None:
        """Return once the guest stands still because the host's disk has no space for what it writes, or (False) does so no more.

        It goes on by itself when there is space again, and loses nothing.
        """

    async def open_agent(self) -> trio.abc.Stream:
        """Connect to the agent's byte pipe (one at a time); bytes may be lost until the guest opens its end.

        AgentMissing where that can't be done any more while the VMM lives; ConnectionLost where it can't be done now.
        """

    async def open_console(self) -> trio.abc.Stream:
        """Connect to the serial line (one at a time). Must be drained always: a full pipe stops the guest."""

    async def release(self) -> None:
        """Close our handles; the VM stays as it is."""

    def stderr_tail(self) -> str:
        """What the VMM last said on stderr, for error reports."""


class Hypervisor(Protocol):
    """Starts and adopts VMMs."""

    @property
    def name(self) -> str:
        """What VM configs call it."""

    async def facts(self) -> HypervisorFacts:
        """Binary, version and acceleration in use; probes on first use (may boot a guest once), cached after. HostShort when missing."""

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> Vmm:
        """Spawn in an own session; returns when the control socket answers. On any failure or cancel the process is proven dead and
        `LaunchFailed` carries stderr and command line. The tap's descriptor is only duplicated into the VMM."""

    async def adopt(self, identity: ProcessIdentity, plan: LaunchPlan) -> Vmm | None:
        """Take over a VMM that an earlier daemon started; None when that very process is gone."""

    async def find(self, plan: LaunchPlan) -> ProcessIdentity | None:
        """The process of this VM, if one runs, found by its marker: for a row without a pid."""

    async def running(self, within: Path) -> Mapping[str, ProcessIdentity]:
        """All its processes whose VMs' runtime folders lie in `within`, found by their marker, by VM id."""

    def sockets(self, plan: LaunchPlan) -> tuple[Path, ...]:
        """Where this VM's VMM listens while it runs."""
