"""Why QEMU ended before its guest ran, read off its stderr; and how a guest's end is called. Pure.

QEMU has no error codes, so its sentences are all there is. Each pattern names the QEMU source that prints it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from volant.proto.errors import MAX_EXCERPT_CHARS, AddressTaken, Fault, HostShort, LaunchFailed

INSTALL_HINT = "install it: apt-get install qemu-system-x86"


@dataclass(frozen=True, slots=True)
class _Sign:
    pattern: re.Pattern[str]
    fault: type[Fault]
    sentence: str
    """May use the pattern's groups."""
    hint: str


_SIGNS = (
    _Sign(  # net/slirp.c
        re.compile(r"Could not set up host forwarding rule '(?P<proto>\w+):(?P<ip>[^:]*):(?P<port>\d+)-"),
        AddressTaken,
        "port {port} of {ip} ({proto}) is in use on this host",
        "forward another host port, or let the daemon choose one (host port 0)",
    ),
    _Sign(  # softmmu/physmem.c, util/oslib-posix.c
        re.compile(r"cannot set up guest memory|Cannot allocate memory"),
        HostShort,
        "the host has not enough memory for this VM",
        "give the VM less memory, or stop other VMs",
    ),
    _Sign(  # block/file-posix.c
        re.compile(r"Failed to get .*lock"),
        LaunchFailed,
        "a disk of the VM is in use by another process",
        "see which: `fuser -v` on the path named in stderr",
    ),
    _Sign(  # accel/kvm/kvm-all.c
        re.compile(r"Could not access KVM kernel module|failed to initialize kvm"),
        LaunchFailed,
        "KVM can't be used",
        "run the daemon with --accel tcg, or as a user that may open /dev/kvm",
    ),
    _Sign(  # hw/i386/x86.c, hw/i386/multiboot.c
        re.compile(
            r"could not load kernel|could not open kernel file|Error loading uncompressed kernel|linux kernel too old|invalid kernel header"
        ),
        LaunchFailed,
        "QEMU can't load the kernel",
        "use an x86-64 Linux kernel: a bzImage, or a vmlinux with a PVH note",
    ),
    _Sign(  # hw/i386/x86.c
        re.compile(r"could not (?:load|open) initrd|initrd is too large|error reading initrd"),
        LaunchFailed,
        "QEMU can't load the initramfs",
        "see that it is readable, and give the VM more memory than twice its size",
    ),
    _Sign(
        re.compile(r"Permission denied"),
        LaunchFailed,
        "the VMM's user may not open a file of the VM",
        "stderr names the file; let that user read it and enter its folders",
    ),
)


def launch_fault(name: str, *, stderr: str, command_line: Sequence[str], exit_code: int | None) -> Fault:
    """The fault for a QEMU that ended at start. `data`: stderr, command_line, vmm_exit_code."""
    stderr = stderr[-MAX_EXCERPT_CHARS:]
    data: dict[str, Any] = {
        "stderr": stderr,
        "command_line": list(command_line),
        "vmm_exit_code": exit_code,
    }
    for sign in _SIGNS:
        if match := sign.pattern.search(stderr):
            sentence = sign.sentence.format(**match.groupdict())
            return sign.fault(f"VM {name!r} can't start: {sentence}", hint=sign.hint, **data)
    return LaunchFailed(f"QEMU ended at start ({_how(exit_code)}): {_last_words(stderr)}", hint="the details hold its whole stderr", **data)


def exit_cause(*, shutdown_reason: str, panicked: bool, killed: bool, exit_code: int | None, console_end: bytes) -> str:
    """One of `ExitReport`'s causes.

    `shutdown_reason` is that of QMP's SHUTDOWN event (qapi/run-state.json: ShutdownCause), empty when none was seen. A guest
    without pvpanic's driver reboots after a panic, which looks like any reboot; its console tells them apart.
    """
    if panicked or shutdown_reason == "guest-panic":
        return "guest-panic"
    if shutdown_reason == "guest-reset":
        return "guest-panic" if b"Kernel panic - not syncing" in console_end else "guest-reset"
    if shutdown_reason == "guest-shutdown":
        return "guest-shutdown"
    if killed or exit_code == -9:
        return "killed"
    if shutdown_reason.startswith("host-") and shutdown_reason != "host-error":
        return "host-signal"
    if shutdown_reason == "host-error" or exit_code not in (0, None):
        return "error"
    return "unknown"


_PREFIX = re.compile(r"[\w./-]{0,200}: (?:-[\w-]+ (?:\{.*\}|\S+): )?")
"""How QEMU begins its complaints: its own name, then maybe the option it complains about."""

_LAST_WORDS = 1_000
"""Characters of a complaint that fit into a sentence; the details have the rest."""


def _last_words(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    if not lines:
        return "it said nothing"
    prefix = _PREFIX.match(lines[-1])
    return lines[-1][prefix.end() if prefix else 0 :][:_LAST_WORDS]


def _how(exit_code: int | None) -> str:
    if exit_code is None:
        return "exit code unknown"
    return f"exit code {exit_code}" if exit_code >= 0 else f"killed by signal {-exit_code}"
