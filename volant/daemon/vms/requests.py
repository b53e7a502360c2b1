"""Whether a request is taken, is so already, or is denied: a pure function of the VM's record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from volant.proto.errors import Denied
from volant.proto.specs.states import VmState, Wanted


class Ask(StrEnum):
    """What may be asked of an existing VM."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wanted` and `state` are what the record becomes when the request is taken; `state` None leaves it."""

    taken: bool
    wanted: Wanted
    state: VmState | None = None
    stops: bool = False
    """The running session, if any, has to end."""


def decide(ask: Ask, *, name: str, state: VmState, wanted: Wanted, force: bool = False) -> Verdict:
    """The verdict, or `Denied` with the reason and what to do.

    The same request twice is never an error: the second time it is so already.
    """
    if wanted is Wanted.DESTROYED or state is VmState.DESTROYING:
        if ask is Ask.DELETE:
            return Verdict(taken=False, wanted=wanted)
        raise Denied(f"VM {name!r} is being deleted", hint="wait until it is gone, then create it again")
    if ask is Ask.START:
        return _start(name, state, wanted)
    if ask is Ask.STOP:
        return _stop(state, wanted)
    if ask is Ask.RESTART:
        if state.is_live:
            return Verdict(taken=True, wanted=Wanted.RUNNING, stops=True)
        return _start(name, state, wanted)
    if state.is_live and not force:
        raise Denied(
            f"VM {name!r} is {state}; only a VM that does not run is deleted",
            hint=f"stop it first (`volant vm stop {name}`), or delete it with --force",
        )
    return Verdict(taken=True, wanted=Wanted.DESTROYED, stops=True)


def _start(name: str, state: VmState, wanted: Wanted) -> Verdict:
    # Also before the session has heard of the stop: the VM does not go on, so it is not so already.
    if state.is_live and wanted is not Wanted.RUNNING:
        raise Denied(f"VM {name!r} is stopping", hint=f"wait for it: `volant vm wait {name} --for stopped`, then start it")
    if state.is_live or (state is VmState.PENDING and wanted is Wanted.RUNNING):
        return Verdict(taken=False, wanted=wanted)
    return Verdict(taken=True, wanted=Wanted.RUNNING, state=None if state is VmState.PENDING else VmState.PENDING)


def _stop(state: VmState, wanted: Wanted) -> Verdict:
    if state.is_live:
        return Verdict(taken=True, wanted=Wanted.STOPPED, stops=True)
    if state is VmState.STOPPED and wanted is Wanted.STOPPED:
        return Verdict(taken=False, wanted=wanted)
    settled = None if state in (VmState.PENDING, VmState.STOPPED) else VmState.STOPPED
    return Verdict(taken=True, wanted=Wanted.STOPPED, state=settled)
