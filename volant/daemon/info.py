"""What `system info` tells: read off the settings, the host and the rooms when asked."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from volant import __version__
from volant.daemon.config import Config
from volant.daemon.host.memory import host_memory
from volant.daemon.ports import HypervisorFacts
from volant.proto.api.system import HypervisorInfo, NetworkInfo, SystemInfo
from volant.proto.messages import PROTOCOL


@dataclass(slots=True, kw_only=True)
class Facts:
    """What was found out once and is told from then on."""

    config: Config
    started_at: str
    hypervisor: HypervisorFacts | None = None
    """None while the launcher is still being looked at, or can't be used."""
    obstacle: str = ""
    """Why the launcher can't be used."""
    kernel: str = ""


def system_info(facts: Facts, *, counts: dict[str, int], plugins: int, newest: int, network: Callable[[], NetworkInfo]) -> SystemInfo:
    """The answer of `system.info`."""
    memory = host_memory()
    config = facts.config
    return SystemInfo(
        version=__version__,
        protocol=PROTOCOL,
        pid=os.getpid(),
        started_at=facts.started_at,
        hostname=socket.gethostname(),
        host_cpus=os.cpu_count() or 1,
        host_memory_mib=memory.total_mib,
        host_memory_available_mib=memory.available_mib,
        state_dir=str(config.state_dir),
        runtime_dir=str(config.runtime_dir),
        socket=str(config.socket),
        kernel=facts.kernel,
        hypervisors=(_hypervisor(facts),),
        network=network(),
        vms=counts,
        plugins=plugins,
        event_seq=newest,
    )


def _hypervisor(facts: Facts) -> HypervisorInfo:
    known = facts.hypervisor
    if known is None:
        reason = facts.obstacle or "still being found out"
        return HypervisorInfo(name=facts.config.hypervisor, version="", binary="", accel="", accel_reason=reason)
    return HypervisorInfo(name=known.name, version=known.version, binary=known.binary, accel=known.accel, accel_reason=known.accel_reason)
