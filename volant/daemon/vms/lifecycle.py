"""Every legal change of a VM's state, and what comes next: one table and two pure questions.

The owner task executes; nothing else may put a state into a record. `docs/architecture.md` holds the diagram that
`mermaid()` draws from the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from volant.proto.specs.states import VmState, Wanted

_S = VmState

TRANSITIONS: dict[VmState, frozenset[VmState]] = {
    _S.PENDING: frozenset({_S.STARTING, _S.STOPPED, _S.FAILED, _S.DESTROYING}),
    _S.STARTING: frozenset({_S.RUNNING, _S.STOPPING, _S.STOPPED, _S.FAILED, _S.PENDING}),
    _S.RUNNING: frozenset({_S.READY, _S.PAUSED, _S.STOPPING, _S.STOPPED, _S.CRASHED, _S.FAILED, _S.PENDING}),
    _S.READY: frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPING, _S.STOPPED, _S.CRASHED, _S.PENDING}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.READY, _S.STOPPING, _S.STOPPED, _S.CRASHED, _S.PENDING}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.CRASHED, _S.PENDING}),
    _S.STOPPED: frozenset({_S.PENDING, _S.DESTROYING}),
    _S.CRASHED: frozenset({_S.PENDING, _S.STOPPED, _S.DESTROYING}),
    _S.FAILED: frozenset({_S.PENDING, _S.STOPPED, _S.DESTROYING}),
    _S.DESTROYING: frozenset(),
}
"""From each state to the states that may follow. `pending` follows a live state when the VM is to start anew."""

EVENT_OF: dict[VmState, str] = {
    _S.STARTING: "VM_STARTING",
    _S.RUNNING: "VM_RUNNING",
    _S.READY: "VM_READY",
    _S.PAUSED: "VM_PAUSED",
    _S.STOPPING: "VM_STOPPING",
    _S.STOPPED: "VM_STOPPED",
    _S.CRASHED: "VM_CRASHED",
    _S.FAILED: "VM_FAILED",
}
"""The event that tells of entering a state; `pending` and `destroying` are told by VM_CREATED and VM_DELETED."""


class IllegalTransition(AssertionError):
    """Our own misuse of the table; never a person's fault."""


def check(old: VmState, new: VmState) -> None:
    """Raise unless `old` may become `new`."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransition(f"{old} can't become {new}")


class Step(StrEnum):
    """What an owner has to do next to bring actual to wanted."""

    IDLE = "idle"
    START = "start"
    ADOPT = "adopt"
    """The record says something runs: look at the host, and take over or clean up."""
    SETTLE = "settle"
    """Nothing runs and nothing shall: say stopped."""
    DESTROY = "destroy"
    RETRY = "retry"
    """Wait until its restart policy's next try is due, or something changes."""


def next_step(state: VmState, wanted: Wanted, *, waits: bool = False) -> Step:
    """Level-triggered: only what is and what is wanted count, never how it came about. `waits`: a next try is planned."""
    if state.is_live:
        return Step.ADOPT
    if wanted is Wanted.DESTROYED:
        return Step.DESTROY
    if state is _S.PENDING:
        return Step.START if wanted is Wanted.RUNNING else Step.SETTLE
    return Step.RETRY if waits else Step.IDLE


HOST_RESTARTED = "the host was restarted"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session with a VMM ended, and what that makes of the VM."""

    state: VmState
    wanted: Wanted
    reason: str
    is_failure: bool
    is_unasked: bool = True
    """Nobody wanted it, nor did the host go down, so that the VM's restart policy has a say."""
    cause: str = ""
    """For programs, where it is known: of `ExitReport`'s words, or `guest-oom`."""


def ending(*, wanted: Wanted, asked_to_stop: bool, was_ready: bool, cause: str, panicked: bool, detail: str = "") -> Ending:
    """What a VM is after its VMM has gone.

    `cause` is `ExitReport.cause` and `detail` its evidence; `panicked` whether the console shows a kernel panic. A guest's
    own power-off is a normal stop and a guest's reboot a restart; before the first ready both mean that the start gave up.
    """
    if asked_to_stop:
        after = _S.PENDING if wanted is Wanted.RUNNING else _S.STOPPED
        return Ending(after, wanted, "", is_failure=False, is_unasked=False)
    if panicked or cause == "guest-panic":
        return _gone(was_ready, wanted, "the guest's kernel panicked", "guest-panic")
    if cause == "guest-shutdown":
        if was_ready:
            return Ending(_S.STOPPED, Wanted.STOPPED, "the guest powered off", is_failure=False)
        return Ending(_S.FAILED, wanted, "the guest powered off before it was ready", is_failure=True)
    if cause == "guest-reset":
        if was_ready:
            return Ending(_S.PENDING, wanted, "the guest rebooted", is_failure=False)
        return Ending(_S.FAILED, wanted, "the guest reset itself before it was ready", is_failure=True)
    because = f": {detail}" if detail else ""
    if cause == "host-oom":
        return _gone(was_ready, wanted, f"the host's OOM killer ended the VMM{because}", cause)
    how = ", and nothing tells why" if cause == "unknown" else f" ({cause})"
    return _gone(was_ready, wanted, f"the VMM ended unasked{how}{because}", cause)


def lost(state: VmState, wanted: Wanted, *, host_restarted: bool, starts_with_host: bool, oom_kill: str) -> Ending:
    """What a VM is whose VMM an earlier daemon left running, and that is not there any more. `oom_kill`: the kernel's words, if any."""
    if host_restarted and starts_with_host:
        return Ending(_S.PENDING, wanted, HOST_RESTARTED, is_failure=False, is_unasked=False)
    if host_restarted:
        return Ending(_S.STOPPED, Wanted.STOPPED, HOST_RESTARTED, is_failure=False, is_unasked=False)
    if state is _S.STARTING:
        return Ending(_S.PENDING, wanted, "its start was cut short and begins anew", is_failure=False)
    if oom_kill:
        return _gone(True, wanted, f"the host's OOM killer ended the VMM while the daemon was away: {oom_kill}", "host-oom")
    return Ending(_S.CRASHED, wanted, "its VMM ended while the daemon was away", is_failure=True)


def _gone(was_ready: bool, wanted: Wanted, reason: str, cause: str) -> Ending:
    return Ending(_S.CRASHED if was_ready else _S.FAILED, wanted, reason, is_failure=True, cause=cause)


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [f"    {old} --> {new}" for old in VmState for new in VmState if new in TRANSITIONS[old]]
    lines.append("    destroying --> [*]")
    return "\n".join(lines) + "\n"
