"""Why a guest did not come up, read off its console: one sentence and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from volant.daemon.ports import VmRecord
from volant.proto.errors import MAX_EXCERPT_CHARS, Fault, LaunchFailed

SHOWN = 20
"""Lines of the console that a failure shows."""

LOOKED_AT = 100
"""Lines at a boot's end in which a panic is looked for: its trace and the list of modules come behind it."""

BEFORE_PANIC = 3
"""Lines shown from before a panic, which mostly say what led to it."""

_PANIC = "Kernel panic - not syncing"

MAX_SAID = 300
"""Characters kept of a sentence that a guest says: it ends in the store, in events and on terminals."""


FROM_OUTSIDE = frozenset({"host-oom", "host-signal", "killed"})
"""Causes of a VMM's end (`ExitReport.cause`) that are not the guest's."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a console tells."""

    sentence: str
    hint: str
    code: str = ""
    """For programs: `guest-oom` or `guest-panic`; empty for anything else."""


_OOM_KILL = re.compile(r"[Oo]ut of memory: Killed process (?P<pid>\d{1,9}) \((?P<name>[^)\n]{0,40})\)")
"""mm/oom_kill.c: `__oom_kill_process`; "Memory cgroup out of memory" where a limit inside the guest was met."""

_SIGNS: tuple[tuple[re.Pattern[str], str, str, str], ...] = (
    (
        re.compile(r"No working init found|Failed to execute /init"),
        "the initramfs has no /init that the kernel can run",
        "use an initramfs with an executable /init for this architecture",
        "",
    ),
    (
        re.compile(r"Initramfs unpacking failed|junk (?:at the end|within) compressed"),
        "the kernel could not unpack the initramfs",
        "build the initramfs anew, or give the VM more memory",
        "",
    ),
    (
        re.compile(r"[Oo]ut of memory|System is deadlocked on memory|invoked oom-killer|oom-kill:"),
        "the guest ran out of memory",
        "give it more with --memory",
        "guest-oom",
    ),
    (re.compile(r"kestrel: failed:? *(?P<text>.+)"), "{text}", "the console and `volant vm logs` show more", ""),
    (
        re.compile(r"Kernel panic - not syncing: (?P<text>.+)"),
        "the guest's kernel panicked: {text}",
        "the console excerpt shows what led to it",
        "guest-panic",
    ),
)


def diagnose(console: str) -> Cause | None:
    """The first sign that the console shows, in the order of how much it explains; None when it shows none."""
    for pattern, sentence, hint, code in _SIGNS:
        found = pattern.search(console)
        if found:
            text = found.groupdict().get("text") or ""
            return Cause(sentence.format(text=said(text)), hint, code)
    return None


def out_of_memory(console: str) -> str:
    """What the console says of a process that the guest's kernel killed for want of memory, the latest; empty when it shows none."""
    found = list(_OOM_KILL.finditer(console))
    if not found:
        return ""
    return f"the guest ran out of memory, and its kernel killed process {found[-1]['pid']} ({said(found[-1]['name'])})"


def said(text: str) -> str:
    """A guest's own words as one short line that does nothing to a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: MAX_SAID + 1]).strip()
    return line if len(line) <= MAX_SAID else line[: MAX_SAID - 3] + "..."


def panicked(console: str) -> bool:
    """Whether the kernel said on the console that it gave up."""
    return _PANIC in console


def excerpt(lines: Sequence[str], *, shown: int = SHOWN, before: int = BEFORE_PANIC) -> str:
    """The lines that tell most of a boot's end: those around a kernel's panic, which its trace follows, else the newest."""
    recent = lines[-LOOKED_AT:]
    panic = next((at for at, line in enumerate(recent) if _PANIC in line), None)
    first = max(len(recent) - shown, 0) if panic is None else max(panic - before, 0)
    return "\n".join(recent[first : first + shown])


def launch_fault(
    name: str,
    reason: str,
    *,
    hint: str = "",
    ready: bool = False,
    cause: str = "",
    console: str = "",
    stderr: str = "",
    command_line: tuple[str, ...] = (),
) -> LaunchFailed:
    """The fault of a VM that did not come up, or (`ready`) fell over later, with everything that explains it."""
    # Of a VMM that was killed from outside, the console does not know why.
    sign = None if cause in FROM_OUTSIDE else diagnose(console)
    if sign is not None and sign.sentence not in reason:
        reason = sign.sentence if sign.sentence.startswith(reason) else f"{reason}: {sign.sentence}"
        hint, cause = sign.hint, sign.code or cause
    if cause == "host-oom":
        hint = "give the VMs less memory (`volant vm set NAME --memory SIZE`), or the host more"
    if not console.strip() and not stderr.strip():
        hint = hint or "the guest printed nothing at all: see whether the kernel suits this machine"
    return LaunchFailed(
        f"VM {name!r} {'crashed' if ready else 'did not come up'}: {reason}",
        hint=hint or f"`volant vm console {name}` shows all that the guest printed",
        console=console[-MAX_EXCERPT_CHARS:],
        stderr=stderr[-MAX_EXCERPT_CHARS:],
        command_line=list(command_line),
        **({"cause": cause} if cause else {}),
    )


def failure_of(record: VmRecord) -> Fault:
    """Why a VM is crashed or failed."""
    return Fault.from_wire(record.error) if record.error else LaunchFailed(f"VM {record.name!r} is {record.state}: {record.reason}")
