"""QEMU's command line, one pure function per device, each returning its slice.

Whatever a user can choose (paths, names, serials) is passed as JSON, as an argument of its own, or as a descriptor, never
inside QEMU's comma syntax, where a comma begins another option. The one exception, the name, has its commas doubled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from volant.daemon.hypervisors.qemu.serial import PREFIX
from volant.daemon.ports import DiskPlan, LaunchPlan, NicPlan
from volant.proto.api.vm import Forward
from volant.proto.specs.states import NetworkMode

AGENT_PORT = "org.volant.agent.0"
"""Name of the virtio-serial port by which the agent finds its channel."""

CONFIG_ITEM = "opt/org.volant/config"
"""Name of the fw_cfg file that carries what the kernel command line can't."""

TRANSLATION_CACHE_MIB = 80
"""QEMU's cache of translated code. A guest's boot to ready takes 66 MiB of it; what doesn't fit is all translated again, which
at 32 MiB costs 0.15 s (measured). Only what is used is resident."""

_LOG_SET = 1
"""Number of the descriptor set that holds the console's log."""

_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
"""Everything of QEMU's seccomp filter: nothing here forks, changes users or priorities after the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """Descriptors QEMU inherits. Sockets are bound and listening already, so nobody has to wait for them to appear."""

    control: int
    console: int
    """The folder of `serial.SerialFiles`."""
    agent: int
    console_log: int
    """Open for appending."""
    config: int | None = None
    tap: int | None = None

    def all(self) -> tuple[int, ...]:
        """Every descriptor that has to be passed on."""
        wanted = (self.control, self.console, self.agent, self.console_log, self.config, self.tap)
        return tuple(fd for fd in wanted if fd is not None)


def command_line(binary: str, plan: LaunchPlan, fds: Descriptors) -> list[str]:
    """The whole command line for `plan`."""
    argv = [binary, *machine(plan), *process(plan), *control(fds.control), *console(fds.console, fds.console_log), *agent(fds.agent)]
    for index, one in enumerate(plan.disks):
        argv += disk(index, one)
    if plan.nic is not None:
        argv += nic(plan.nic, fds.tap)
    if fds.config is not None:
        argv += config_blob(fds.config)
    return argv + boot(plan)


def machine(plan: LaunchPlan) -> list[str]:
    """Machine type, CPU and memory.

    acpi=on because distribution kernels find virtio-mmio devices by ACPI alone; PIT, PIC and RTC because they have no
    other clock to start from under emulation; modern virtio because the legacy interface lacks VERSION_1.
    """
    kvm = plan.accel == "kvm"
    return [
        "-machine", "microvm,pit=on,pic=on,rtc=on,acpi=on,usb=off,graphics=off",
        "-accel", "kvm" if kvm else f"tcg,tb-size={TRANSLATION_CACHE_MIB}",
        "-cpu", "host" if kvm else "max",
        "-m", f"{plan.memory_mib}M",
        "-smp", str(plan.vcpus),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-global", "virtio-mmio.force-legacy=false",
        "-device", "pvpanic",
    ]  # fmt: skip


def process(plan: LaunchPlan) -> list[str]:
    """What the process is called, and what it may no longer do."""
    return ["-name", f"guest={_escaped(plan.name)},process=volant-{_escaped(plan.vm_id)}", "-sandbox", _SANDBOX]


def control(fd: int) -> list[str]:
    """The QMP monitor on a listening socket."""
    return ["-chardev", _listening("control", fd), "-mon", "chardev=control,mode=control"]


def console(folder_fd: int, log_fd: int) -> list[str]:
    """The serial line on the files of `serial.SerialFiles`; QEMU itself logs every byte, whether anybody listens or not."""
    return [
        "-add-fd", f"fd={log_fd},set={_LOG_SET}",
        "-chardev", f"pipe,id=console,path=/proc/self/fd/{folder_fd}/{PREFIX},logfile=/dev/fdset/{_LOG_SET},logappend=on",
        "-serial", "chardev:console",
    ]  # fmt: skip


def agent(fd: int) -> list[str]:
    """The agent's byte pipe: a virtio-serial port on a listening socket."""
    return [
        "-device", "virtio-serial-device,id=serial",
        "-chardev", _listening("agent", fd),
        "-device", f"virtserialport,bus=serial.0,chardev=agent,name={AGENT_PORT}",
    ]  # fmt: skip


def disk(index: int, plan: DiskPlan) -> list[str]:
    """One disk; the guest finds it by its serial."""
    node = f"disk{index}"
    backend = {
        "driver": plan.format,
        "node-name": node,
        "read-only": plan.readonly,
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(plan.path)},
    }
    return ["-blockdev", _json(backend), "-device", _json({"driver": "virtio-blk-device", "drive": node, "serial": plan.serial})]


def nic(plan: NicPlan, tap_fd: int | None) -> list[str]:
    """One network card: on a tap that the caller made, or on QEMU's own user-mode stack."""
    if plan.mode in (NetworkMode.NONE, NetworkMode.VSOCK):
        return []
    if plan.mode is NetworkMode.USER:
        backend = ",".join(["user", "id=net0", "ipv6=off", *(_forward(one) for one in plan.forwards)])
    elif tap_fd is not None:
        backend = f"tap,id=net0,fd={tap_fd}"
    else:
        raise ValueError(f"network mode {plan.mode} needs a tap's descriptor")
    return ["-netdev", backend, "-device", _json({"driver": "virtio-net-device", "netdev": "net0", "mac": plan.mac})]


def config_blob(fd: int) -> list[str]:
    """The config that didn't fit the kernel command line, read once at start from a descriptor."""
    return ["-fw_cfg", f"name={CONFIG_ITEM},file=/proc/self/fd/{fd}"]


def boot(plan: LaunchPlan) -> list[str]:
    """Kernel, initramfs and kernel command line."""
    return ["-kernel", str(plan.kernel), "-initrd", str(plan.initramfs), "-append", plan.cmdline]


def _forward(one: Forward) -> str:
    return "hostfwd=" + _escaped(f"{one.protocol}:{one.host_ip}:{one.host_port}-:{one.guest_port}")


def _listening(name: str, fd: int) -> str:
    return f"socket,id={name},fd={fd},server=on,wait=off"


def _escaped(value: str) -> str:
    return value.replace(",", ",,")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
