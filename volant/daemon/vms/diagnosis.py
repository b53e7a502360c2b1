"""Why a guest did not come up, read off its console: one sentence and what to do. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from volant.proto.errors import MAX_EXCERPT_CHARS, LaunchFailed

MAX_SAID = 300
"""Characters kept of a sentence that a guest says: it ends in the store, in events and on terminals."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a console tells."""

    sentence: str
    hint: str


_SIGNS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"No working init found|Failed to execute /init"),
        "the initramfs has no /init that the kernel can run",
        "use an initramfs with an executable /init for this architecture",
    ),
    (
        re.compile(r"Initramfs unpacking failed|junk (?:at the end|within) compressed"),
        "the kernel could not unpack the initramfs",
        "build the initramfs anew, or give the VM more memory",
    ),
    (
        re.compile(r"Out of memory|System is deadlocked on memory|invoked oom-killer"),
        "the guest ran out of memory",
        "give it more with --memory",
    ),
    (re.compile(r"kestrel: failed:? *(?P<text>.+)"), "{text}", "the console and `volant vm logs` show more"),
    (
        re.compile(r"Kernel panic - not syncing: (?P<text>.+)"),
        "the guest's kernel panicked: {text}",
        "the console excerpt shows what led to it",
    ),
)


def diagnose(console: str) -> Cause | None:
    """The first sign that the console shows, in the order of how much it explains; None when it shows none."""
    for pattern, sentence, hint in _SIGNS:
        found = pattern.search(console)
        if found:
            text = found.groupdict().get("text") or ""
            return Cause(sentence.format(text=said(text)), hint)
    return None


def said(text: str) -> str:
    """A guest's own words as one short line that does nothing to a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: MAX_SAID + 1]).strip()
    return line if len(line) <= MAX_SAID else line[: MAX_SAID - 3] + "..."


def panicked(console: str) -> bool:
    """Whether the kernel said on the console that it gave up."""
    return "Kernel panic - not syncing" in console


def launch_fault(
    name: str,
    reason: str,
    *,
    hint: str = "",
    ready: bool = False,
    console: str = "",
    stderr: str = "",
    command_line: tuple[str, ...] = (),
) -> LaunchFailed:
    """The fault of a VM that did not come up, or (`ready`) fell over later, with everything that explains it."""
    cause = diagnose(console)
    if cause is not None and cause.sentence not in reason:
        reason, hint = f"{reason}: {cause.sentence}", cause.hint
    if not console.strip() and not stderr.strip():
        hint = hint or "the guest printed nothing at all: see whether the kernel suits this machine"
    return LaunchFailed(
        f"VM {name!r} {'crashed' if ready else 'did not come up'}: {reason}",
        hint=hint or f"`volant vm console {name}` shows all that the guest printed",
        console=console[-MAX_EXCERPT_CHARS:],
        stderr=stderr[-MAX_EXCERPT_CHARS:],
        command_line=list(command_line),
    )
