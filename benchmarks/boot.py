"""What Volant adds to a boot, and how far its agent's boot is from the least that a Python agent takes.

Every round boots four guests in turns, one at a time: by the SDK, by the `volant` command, by raw QEMU with the same kernel,
initramfs and command line, and the floor of GUEST.md (see `_guests`). All under software emulation, whose boots scatter by a
quarter of a second, far more than the 40 ms that Volant may add. So what it adds is judged on what Volant itself does while no
guest makes progress, measured inside each boot:

    request  ->  the console's log appears, which is opened just before QEMU is started
    the agent's ready line on the console  ->  the call has returned (SDK), the process has ended (command)

What lies between is QEMU and the guest. Should they have more to do under Volant, for QEMU's other options or the attached daemon,
QEMU's CPU time until the guest is ready shows it; that scatters less than the wall time, for waiting for a busy host's CPU is not
in it. It is a miss when its median is above raw QEMU's by more than the goal and its own uncertainty (two standard errors). The
wall times are shown beside raw QEMU's and not judged.

The agent's boot is judged from QEMU's start to the agent's line. Ours is `starting`: the channel is served, network and tree are
set up, the workload's process runs, and only its own start is still to come. The floor's comes as soon as its port is open.

`VOLANT_BENCH_BOOTS` is the number of rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from benchmarks._daemons import COMMAND, environment
from benchmarks._guests import FLOOR_LINE, READY_LINE, Media, cpu_ms, raw_guest, watch_new_vm, write_floor_image
from benchmarks.result import Result, at_most, percentile
from tests.rig import HOST_KERNELS, Rig, rig
from volant.client.blocking import Client
from volant.daemon.host.tsc import tsc_khz
from volant.daemon.hypervisors.cmdline import kernel_words
from volant.proto.specs.states import WaitFor

ROUNDS = int(os.environ.get("VOLANT_BENCH_BOOTS", "20"))
ADDED_P50_GOAL_MS, ADDED_P95_GOAL_MS = 40.0, 100.0
READY_GOAL = 1.35

EXAMPLE = Path(__file__).parent.parent / "examples/hello/build"


@dataclass(slots=True)
class Boots:
    """Boots in one way; milliseconds."""

    wall: list[float] = field(default_factory=list)
    """From the request to the answer."""
    added: list[float] = field(default_factory=list)
    """What of it was neither QEMU nor guest; empty for raw QEMU."""
    agent: list[float] = field(default_factory=list)
    """From QEMU's start until the agent has done its part (see `AGENT_LINE`)."""
    cpu: list[float] = field(default_factory=list)
    """CPU time of QEMU until the guest is ready."""


def run() -> list[Result]:
    """Eight lines: for SDK and command what Volant adds (p50, p95) and the wall time; QEMU's work; the agent beside the floor."""
    sdk, command, raw, floor = Boots(), Boots(), Boots(), Boots()
    with rig(network="none", accel="tcg") as host:
        client = _start(host)
        media, least = _media(client), _floor(host.root)
        _command(host, "second")
        client.vms.delete(name="second", force=True)
        least_media = Media(media.kernel, least, kernel_words("tcg", tsc_khz()), media.memory)
        ways: list[Callable[[int], None]] = [
            lambda number: _boot(client, host, sdk, lambda: _create(client, f"sdk-{number}")),
            lambda number: _boot(client, host, command, lambda: _command(host, f"command-{number}")),
            lambda number: _raw(host.root, media, READY_LINE, raw),
            lambda number: _raw(host.root, least_media, FLOOR_LINE, floor),
        ]
        chance = Random(ROUNDS)
        for number in range(ROUNDS):
            # In another order each round, so that what comes and goes on the host in a rhythm hits all alike.
            for boot in chance.sample(ways, len(ways)):
                boot(number)
        client.close()
    agent, least_agent = median(sdk.agent + command.agent), median(floor.agent)
    ratio = agent / least_agent
    return [
        *_beside_raw("SDK create --wait ready", sdk, raw),
        *_beside_raw("volant vm create --wait ready", command, raw),
        _work(sdk.cpu + command.cpu, raw.cpu),
        Result(
            "agent ready, p50", agent, "ms", "least Python agent", least_agent, ratio, f"<= {READY_GOAL:g}x", ratio <= READY_GOAL,
        ),
    ]  # fmt: skip


def _beside_raw(name: str, boots: Boots, raw: Boots) -> list[Result]:
    p50, p95 = median(boots.added), percentile(boots.added, 0.95)
    wall, raw_wall = median(boots.wall), median(raw.wall)
    return [
        at_most(f"{name}: added, p50", p50, "ms", ADDED_P50_GOAL_MS, peer_name="raw QEMU", peer=raw_wall),
        at_most(f"{name}: added, p95", p95, "ms", ADDED_P95_GOAL_MS, peer_name="raw QEMU", peer=percentile(raw.wall, 0.95)),
        Result(f"{name}: wall, p50", wall, "ms", "raw QEMU", raw_wall, wall / raw_wall, "not judged", True),
    ]


def _work(cpu: list[float], raw: list[float]) -> Result:
    """QEMU's CPU time under Volant, however the VM was asked for, beside raw QEMU's."""
    uncertainty = (_error_of_median(cpu) ** 2 + _error_of_median(raw) ** 2) ** 0.5
    most = median(raw) + ADDED_P50_GOAL_MS + 2 * uncertainty
    return at_most("QEMU's CPU time until ready, p50", median(cpu), "ms", most, peer_name="raw QEMU", peer=median(raw))


def _error_of_median(values: list[float]) -> float:
    """Standard error of the median, from the median absolute deviation, which a single hiccup does not move.

    1.4826 makes that deviation a standard deviation, 1.2533 is how much wider a median scatters than a mean (normal distribution).
    """
    middle = median(values)
    deviation = median([abs(value - middle) for value in values]) * 1.4826
    return float(1.2533 * deviation / len(values) ** 0.5)


def _start(host: Rig) -> Client:
    """A daemon with the example installed, and a client of it."""
    host.start("--log-level", "warning")
    media = host.root / "hello"
    subprocess.run([sys.executable, str(EXAMPLE), str(media)], check=True, capture_output=True)
    # Without an environment all config rides on the command line, which raw QEMU can be given as it is.
    manifest = json.loads((media / "plugin.json").read_text())
    del manifest["workload"]["env"]
    (media / "bare.json").write_text(json.dumps(manifest))
    host.volant("plugin", "install", str(media / "bare.json"))
    return host.client()


def _media(client: Client) -> Media:
    """What the daemon boots; also the warm-up: images are built, files in memory."""
    vm = _create(client, "first")
    media = Media.of_process(client.vms.get(name=vm).pid)
    client.vms.delete(name=vm, force=True)
    return media


def _floor(folder: Path) -> str:
    path = folder / "floor.cpio"
    write_floor_image(path, HOST_KERNELS / "default/modules")
    return str(path)


def _boot(client: Client, host: Rig, boots: Boots, create: Callable[[], str]) -> None:
    """One boot by `create`, which gives the VM's name; the VM is deleted at the end."""
    with watch_new_vm(host.state / "vms") as watched:
        asked = time.perf_counter()
        vm = create()
        answered = time.perf_counter()
    boots.wall.append((answered - asked) * 1_000)
    boots.added.append((watched.started - asked + answered - watched.ready) * 1_000)
    boots.agent.append((watched.agent - watched.started) * 1_000)
    boots.cpu.append(cpu_ms(client.vms.get(name=vm).pid))
    client.vms.delete(name=vm, force=True)


def _create(client: Client, name: str) -> str:
    client.vms.create(name=name, plugin="hello", wait=WaitFor.READY)
    return name


def _command(host: Rig, name: str) -> str:
    argv = [*COMMAND, "vm", "create", name, "--plugin", "hello", "--wait", "ready"]
    subprocess.run(argv, env=environment(host), check=True, capture_output=True)
    return name


def _raw(folder: Path, media: Media, line: bytes, boots: Boots) -> None:
    began = time.perf_counter()
    with raw_guest(folder, media) as guest:
        took = (guest.console.wait(line) - began) * 1_000
        boots.cpu.append(cpu_ms(guest.pid))
    boots.wall.append(took)
    boots.agent.append(took)
