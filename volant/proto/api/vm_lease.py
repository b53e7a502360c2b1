"""Calls about leases: holding a VM for as long as a program runs it. They belong to the noun `vm`; `specs.leases` says what a lease is."""

from __future__ import annotations

from dataclasses import dataclass

from volant.proto import errors
from volant.proto.api.vm import LOOKUP, NOUN, Done, VmView
from volant.proto.method import Method, Shape
from volant.proto.specs.leases import OnEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldVm:
    """Hold a VM for as long as this call is open. Items: the VM now and after each change, the latest only. Its result
    means that the VM is gone, or was given back.

    Whoever holds it already is replaced (its call fails with Fenced) when `engine_id` is given, and otherwise keeps it (Denied).
    """

    name: str
    token: int = 0
    """Go on with the lease that has this token, Fenced when there is a newer one; 0: take a new one."""
    engine_id: str = ""
    on_end: OnEnd = OnEnd.KEEP
    """Of a new lease."""


@dataclass(frozen=True, slots=True)
class Held:
    """`vm.lease.token` is what requests of this holder carry."""

    vm: VmView
    abandoned: bool = False
    """The holder before this one went away without releasing it; what has ended meanwhile nobody has told yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkVm:
    """Keep how far the holder has passed on the VM's output, for the one that comes after it."""

    name: str
    token: int
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseVm:
    """Give the lease back: from now on nobody holds the VM, whatever becomes of the connection."""

    name: str
    token: int


HOLD = NOUN.add(
    Method("vm.hold", HoldVm, Done, "hold a VM for as long as this call is open", faults=(*LOOKUP, errors.Denied, errors.Fenced),
           shape=Shape.STREAM, item=Held, changes=True)
)  # fmt: skip
MARK = NOUN.add(Method("vm.mark", MarkVm, Done, "keep how far a VM's output was passed on", faults=(*LOOKUP, errors.Fenced), changes=True))
RELEASE = NOUN.add(Method("vm.release", ReleaseVm, Done, "give a VM's lease back", faults=(*LOOKUP, errors.Fenced), changes=True))
