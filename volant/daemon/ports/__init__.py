"""The seams of the daemon: what the orchestrator needs of each room, as Protocols, and the values that cross them.

`wiring` alone names the classes behind these. Every Protocol with more than one implementation has a conformance kit
in `tests/kits/`. Import from here; the modules below only keep what belongs together in one place.
"""

from volant.daemon.ports.events import EventHub, EventSink
from volant.daemon.ports.fleet import Catalog, Fleet, ReplicaOf
from volant.daemon.ports.guests import ConsoleChunk, ConsoleHolder, ConsoleReader, Consoles, ConsoleWriter, GuestCall, GuestLink, LinkOver
from volant.daemon.ports.hypervisors import Capabilities, DiskPlan, ExitReport, Hypervisor, HypervisorFacts, LaunchPlan, NicPlan, Vmm
from volant.daemon.ports.images import CachedImage, Images, Progress
from volant.daemon.ports.network import Address, NetPort, NetPresence, Network
from volant.daemon.ports.records import (
    Asker,
    ConfigRecord,
    DeploymentRecord,
    EventDraft,
    HostObject,
    Lease,
    PluginRecord,
    ProcessIdentity,
    Retries,
    VmRecord,
)
from volant.daemon.ports.store import (
    Change,
    DropConfig,
    DropDeployment,
    DropLease,
    DropObject,
    DropPlugin,
    DropRevision,
    DropVm,
    Journal,
    Put,
    PutRevision,
    Store,
)

__all__ = [
    "Address",
    "Asker",
    "CachedImage",
    "Capabilities",
    "Catalog",
    "Change",
    "ConfigRecord",
    "ConsoleChunk",
    "ConsoleHolder",
    "ConsoleReader",
    "ConsoleWriter",
    "Consoles",
    "DeploymentRecord",
    "DiskPlan",
    "DropConfig",
    "DropDeployment",
    "DropLease",
    "DropObject",
    "DropPlugin",
    "DropRevision",
    "DropVm",
    "EventDraft",
    "EventHub",
    "EventSink",
    "ExitReport",
    "Fleet",
    "GuestCall",
    "GuestLink",
    "HostObject",
    "Hypervisor",
    "HypervisorFacts",
    "Images",
    "Journal",
    "LaunchPlan",
    "Lease",
    "LinkOver",
    "NetPort",
    "NetPresence",
    "Network",
    "NicPlan",
    "PluginRecord",
    "ProcessIdentity",
    "Progress",
    "Put",
    "PutRevision",
    "ReplicaOf",
    "Retries",
    "Store",
    "VmRecord",
    "Vmm",
]
