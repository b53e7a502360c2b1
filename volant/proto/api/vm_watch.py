"""The call that shows the list of VMs and keeps it up to date. It belongs to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from volant.proto import errors
from volant.proto.api.vm import NOUN, Done, VmView
from volant.proto.method import Http, Method, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchVms:
    """The VMs that match, and from then on every change of one."""

    filter: str = ""
    """Only those that this takes, in the filter language; a VM that no longer matches counts as gone. Looked at anew whenever the VM
    changes, so that an age alone moves nothing."""
    deltas: bool = False
    """Of a VM that was sent before, send only what is different, in `altered`, not `items`: a tenth of the work for who keeps records."""
    packed: bool = False
    """Send records in `packed`, not `items`, and what is different in `alike`, not `altered`: who shows a few of thousands decodes
    no others. Where the daemon's hello has the feature `packed`."""


@dataclass(frozen=True, slots=True)
class PackedVms:
    """Records that are still encoded, and beside each what every list is about: four columns of one length."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    statuses: tuple[str, ...]
    records: tuple[bytes, ...]
    """Each is one item of the wire's CBOR, a `VmView`."""


@dataclass(frozen=True, slots=True)
class AlikeVms:
    """VMs that were sent before, and of which the same fields are different now."""

    fields: tuple[str, ...]
    ids: tuple[str, ...]
    columns: tuple[tuple[Any, ...], ...]
    """For each of the fields its value now of each of the VMs."""


@dataclass(frozen=True, slots=True)
class VmChanges:
    """What is new since the item before. The first items, up to the first that is `complete`, are the whole list.

    Nothing is queued for a slow reader: what changed twice meanwhile comes once, as it is then.
    """

    items: tuple[VmView, ...]
    """VMs that are new or have changed, in no order; of an error without its excerpts, as in lists."""
    gone: tuple[str, ...]
    """Ids of those that are no more, or no longer match."""
    seq: int
    """Number of an event up to which everything is in what was sent, once `complete`."""
    complete: bool
    """Nothing more waits to be sent just now."""
    altered: tuple[dict[str, Any], ...] = ()
    """With `deltas`: for each VM that was sent before, its `id` and those fields of its record that are different now."""
    packed: PackedVms | None = None
    """With `packed`: what would be in `items`, which is empty then."""
    alike: tuple[AlikeVms, ...] = ()
    """With `packed` and `deltas`: what would be in `altered`, which is empty then."""


WATCH = NOUN.add(
    Method("vm.watch", WatchVms, Done, "the list of VMs, kept up to date", faults=(errors.InvalidParams,),
           http=Http("GET", "/vms/watch"), shape=Shape.STREAM, item=VmChanges)
)  # fmt: skip
