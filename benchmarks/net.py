"""The network room against iproute2 and the `nft` program, in a network namespace of its own. Needs root.

The goals are those that docs/network.md promises.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import trio

from benchmarks.result import Result
from tests.netns import fresh_netns
from volant.daemon.net import rules
from volant.daemon.net.config import NetConfig
from volant.daemon.net.network import HostNetwork
from volant.daemon.net.nft import LibraryNft, ProgramNft
from volant.daemon.net.rules import Guest
from volant.daemon.ports import NetPort

VMS = 100
ROUNDS = 5
CREATE_GOAL_MS, REMOVE_GOAL_MS, REPLACE_GOAL_MS, ADD_GOAL_MS = 300.0, 250.0, 10.0, 3.0
_PEER_GROUP = 4242


def run() -> list[Result]:
    """Four lines: taps made, taps removed, whole firewall replaced, one guest let in."""
    with fresh_netns(), tempfile.TemporaryDirectory() as state_dir:
        made, removed = trio.run(_taps, Path(state_dir))
        peer_made, peer_removed = _taps_by_iproute()
        replaced, peer_replaced, added, peer_added = _firewall()
    return [
        _result(f"{VMS} taps created, attached, let in and up", made, "ip -batch, no rules", peer_made, CREATE_GOAL_MS),
        _result(f"{VMS} taps and their rules removed", removed, "ip link del group, no rules", peer_removed, REMOVE_GOAL_MS),
        _result(f"nft tables with {VMS} VMs replaced", replaced, "nft -f -", peer_replaced, REPLACE_GOAL_MS),
        _result("nft elements of one VM added", added, "nft -f -", peer_added, ADD_GOAL_MS),
    ]


def _result(name: str, measured: float, peer_name: str, peer: float, goal: float) -> Result:
    return Result(name, measured, "ms", peer_name, peer, measured / peer, f"<= {goal:g} ms", measured <= goal)


async def _taps(state_dir: Path) -> tuple[float, float]:
    network = HostNetwork(NetConfig(), state_dir)
    await network.prepare()
    ports = [_port(network, number) for number in range(VMS)]
    made, removed = [], []
    for _ in range(ROUNDS):
        attachments = [network.attached(port) for port in ports]
        began = time.perf_counter()
        for attachment in attachments:
            await attachment.__aenter__()
        made.append(_ms_since(began))
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for attachment in attachments:
                nursery.start_soon(attachment.__aexit__, None, None, None)
        removed.append(_ms_since(began))
    await network.close()
    return median(made), median(removed)


def _port(network: HostNetwork, number: int) -> NetPort:
    lease = network.lease(f"{number:012x}")
    return NetPort(vm_id=lease.vm_id, tap=network.tap_name(lease.vm_id), mac=lease.mac, ip=lease.ip)


def _taps_by_iproute() -> tuple[float, float]:
    names = [f"peer{number}" for number in range(VMS)]
    make = "".join(f"tuntap add dev {name} mode tap vnet_hdr\nlink set dev {name} group {_PEER_GROUP} master vbr0 up\n" for name in names)
    made, removed = [], []
    for _ in range(ROUNDS):
        made.append(_timed(lambda: _ip("-batch", "-", given=make)))
        removed.append(_timed(lambda: _ip("link", "delete", "group", str(_PEER_GROUP))))
    return median(made), median(removed)


def _firewall() -> tuple[float, float, float, float]:
    guests = [Guest(f"vol{number:012x}", f"02:00:00:00:00:{number:02x}", f"192.168.127.{number + 2}") for number in range(VMS)]
    whole, one = rules.ruleset(NetConfig(), guests), guests[:1]
    library, program = LibraryNft(), ProgramNft()
    figures: list[float] = []
    for text, before in ((whole, ""), (rules.add_guests(one), rules.remove_guests(one))):
        for nft in (library, program):
            times = []
            for _ in range(ROUNDS * 2):
                if before:
                    library.run(before)
                times.append(_timed(lambda nft=nft, text=text: nft.run(text)))  # type: ignore[misc]
            figures.append(median(times))
    library.close()
    replaced, peer_replaced, added, peer_added = figures
    return replaced, peer_replaced, added, peer_added


def _ip(*arguments: str, given: str = "") -> None:
    subprocess.run(["ip", *arguments], input=given, text=True, check=True, capture_output=True)


def _timed(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return _ms_since(began)


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1_000
