"""What has become of a VM that `volant run` looks after, as an exit code and a sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from volant.client.cli.commands.execute import OUR_FAILURE
from volant.proto.api.vm import VmView
from volant.proto.errors import Failed, Fault
from volant.proto.specs.states import VmState

FENCED = 122
"""Another runner took the VM over."""

CRASHED = 123
"""The guest panicked, or its VMM died. Both stand before docker's 125 to 127, and beside coreutils' 124 of timeout(1)."""

KILLED = 137
"""128 + SIGKILL: it was stopped before its workload had said how it ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended; `fault` says why, where that is more than the code of a workload."""

    code: int
    fault: Fault | None = None


def outcome_of(vm: VmView, *, asked: bool) -> Outcome | None:
    """How the VM ended; None while it has not, or is about to start again. `asked`: we are stopping it."""
    if vm.status in (VmState.PENDING, VmState.STARTING, VmState.DESTROYING):
        return None
    if vm.status.is_live:
        # With a restart policy the daemon sees to the end of a workload; without one the guest stays up, and it is ours to see.
        over = vm.exit_code is not None and vm.restart == "no" and not asked
        return Outcome(vm.exit_code or 0) if over else None
    if vm.next_try_at and not asked:
        return None
    if vm.exit_code is not None:
        return Outcome(vm.exit_code, _fault(vm) if vm.status is VmState.FAILED and vm.exit_code else None)
    if vm.status is VmState.CRASHED:
        return Outcome(CRASHED, _fault(vm))
    if vm.status is VmState.FAILED:
        return Outcome(OUR_FAILURE, _fault(vm))
    # A stop that somebody asked for has no other reason; a guest's own power-off is told as one.
    return Outcome(0 if vm.reason and not asked else KILLED)


def deleted(name: str) -> Outcome:
    """Somebody deleted it meanwhile."""
    return Outcome(KILLED, Failed(f"VM {name!r} was deleted while it ran", hint="`volant event list` shows who asked for it"))


def _fault(vm: VmView) -> Fault:
    return Fault.from_wire(vm.error) if vm.error else Failed(f"VM {vm.name!r} is {vm.status}: {vm.reason}")
