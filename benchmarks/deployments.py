"""Deployments: a hundred replicas from one request, over the socket of a real volantd; and how soon a killed one is made good.

The guests are fake and everything else is real. A fake guest lives in its daemon's memory, so the one that kills guests runs here.
"""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from statistics import median

import trio

from benchmarks._daemons import PLUGIN, start_fake
from benchmarks.result import Result, at_most
from tests.orchestra import Orchestra
from tests.rig import rig
from volant.client.blocking import Client
from volant.daemon.ports import Asker
from volant.proto.api.deployment import CreateDeployment
from volant.proto.specs.states import VmState, WaitFor

REPLICAS = 100
ROUNDS = 3
KILLS = 20

READY_GOAL_S, HEALED_GOAL_MS = 3.0, 500.0


def run() -> list[Result]:
    """Two lines: until all replicas are ready, beside the same VMs asked for one by one; and from a kill until its successor is ready."""
    with rig(hypervisor="fake", network="none") as house:
        _, client = start_fake(house)
        together = median(_deploy(client, f"web{round}") for round in range(ROUNDS))
        one_by_one = _create_each(client)
        client.close()
    with tempfile.TemporaryDirectory(prefix="vl-") as folder:
        healed = trio.run(_heal, Path(folder))
    return [
        at_most(f"deployment of {REPLICAS}, all ready", together, "s", READY_GOAL_S, peer_name="one by one", peer=one_by_one),
        at_most(f"killed replica of {REPLICAS} replaced, worst of {KILLS}", max(healed), "ms", HEALED_GOAL_MS,
                peer_name="median", peer=median(healed)),
    ]  # fmt: skip


def _deploy(client: Client, name: str) -> float:
    began = time.perf_counter()
    view = client.deployments.create(name=name, plugin=PLUGIN, replicas=REPLICAS, wait=True)
    took = time.perf_counter() - began
    assert view.available == REPLICAS
    client.deployments.delete(name=name)
    return took


def _create_each(client: Client) -> float:
    began = time.perf_counter()
    for number in range(REPLICAS):
        client.vms.create(name=f"vm-{number}", plugin=PLUGIN, wait=WaitFor.READY)
    return time.perf_counter() - began


async def _heal(root: Path) -> list[float]:
    """Milliseconds from each kill until another VM of that name is ready."""
    logging.getLogger("volant").setLevel(logging.ERROR)  # crashes are what is asked for here
    orchestra = Orchestra(root)
    async with orchestra.playing() as app:
        await orchestra.install()
        asked = CreateDeployment(name="web", plugin="hello", replicas=REPLICAS, wait=True)
        await app.deployments.create(asked, Asker("benchmark"))
        took = []
        for number in range(KILLS):
            name = f"web-{1 + number * REPLICAS // KILLS}"
            lost = app.vms.get(name).id
            began = time.perf_counter()
            orchestra.guest(name).crash("host-signal")
            while not any(vm.name == name and vm.id != lost and vm.state is VmState.READY for vm in orchestra.records()):
                await trio.sleep(0.001)
            took.append((time.perf_counter() - began) * 1_000)
        return took
