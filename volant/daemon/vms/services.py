"""What every owner works with; `wiring` fills it in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from volant.daemon.ports import Catalog, Consoles, Hypervisor, Images, LinkOver, Network, ProcessIdentity
from volant.daemon.vms.book import Journal
from volant.daemon.vms.places import BootPlaces
from volant.daemon.vms.plan import Places, places
from volant.proto.api.vm import Forward
from volant.proto.errors import HostShort


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports behind which the host lies, and the few settings of the orchestrator."""

    journal: Journal
    hypervisors: Mapping[str, Hypervisor]
    network: Network
    images: Images
    consoles: Consoles
    catalog: Catalog
    link_over: LinkOver
    now: Callable[[], str]
    """RFC 3339 in UTC."""
    wall_ns: Callable[[], int]
    """UTC nanoseconds since 1970, for the guests' clocks."""
    available_mib: Callable[[], int]
    """Memory that the host could hand out now."""
    state_dir: Path
    runtime_dir: Path
    boot_timeout_s: float
    boots: BootPlaces
    """A place for each guest that may boot at once."""
    host_boot: str
    """The id of this boot of the host."""
    oom_kill: Callable[[ProcessIdentity], str] = lambda identity: ""
    """What the kernel's log says of that process' end by the OOM killer, a clause; empty for nothing."""
    others: Callable[[], frozenset[str]] = frozenset
    """Ids of VMs that run here and belong to another daemon. Blocking."""
    chance: Callable[[], float] = random.random
    """A number at random, from 0 to 1: by it, VMs that fell over together are started one after the other."""

    held_forwards: dict[str, tuple[Forward, ...]] = field(default_factory=dict)
    """Host ports that VMs in user mode have, by VM name."""

    def clock(self) -> float:
        """Seconds since 1970."""
        return self.wall_ns() / 1e9

    def hypervisor(self, name: str) -> Hypervisor:
        """The launcher called `name`; HostShort when this daemon has none."""
        found = self.hypervisors.get(name)
        if found is None:
            raise HostShort(
                f"the VM belongs to hypervisor {name!r}, and this daemon serves {', '.join(sorted(self.hypervisors))} only",
                hint=f"start volantd with --hypervisor {name} to use it",
            )
        return found

    def places(self, vm_id: str) -> Places:
        return places(self.state_dir, self.runtime_dir, vm_id)
