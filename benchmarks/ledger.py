"""`system.ledger --check` with 100 VMs: a real volantd, its folders and sockets, the fake launcher; and beside it the same with taps.

The taps are real, in a network namespace of their own, so that netlink and nftables are asked as on a host.
"""

from __future__ import annotations

import os
import time
from statistics import median

from benchmarks._daemons import PLUGIN, start_fake
from benchmarks.result import Result, at_most
from tests.netns import NetNs, fresh_netns
from tests.rig import rig
from volant.client.blocking import Client
from volant.proto.specs.states import WaitFor

VMS = 100
ROUNDS = 10
GOAL_MS = 1_000.0


def run() -> list[Result]:
    """A line without network, and as root one with taps and a firewall; each beside the ledger alone."""
    found = [_measured("no network", "none")]
    if os.geteuid() == 0:
        with fresh_netns() as netns:
            found.append(_measured("bridged", "bridged", netns))
    return found


def _measured(name: str, network: str, netns: NetNs | None = None) -> Result:
    with rig(hypervisor="fake", network=network, netns=netns) as host:
        _, client = start_fake(host)
        with client:
            for number in range(VMS):
                client.vms.create(name=f"vm-{number}", plugin=PLUGIN, wait=WaitFor.READY)
            checked = [_timed_ms(client, check=True) for _ in range(ROUNDS)]
            alone = [_timed_ms(client, check=False) for _ in range(ROUNDS)]
    return at_most(
        f"ledger --check of {VMS} VMs, {name}", median(checked), "ms", GOAL_MS, peer_name="without --check", peer=median(alone)
    )  # fmt: skip


def _timed_ms(client: Client, *, check: bool) -> float:
    began = time.perf_counter()
    reply = client.call_plain("system.ledger", {"check": check})
    took = (time.perf_counter() - began) * 1_000
    assert reply["wrong"] == 0, [item for item in reply["items"] if item["standing"] != "ok"]
    return took
