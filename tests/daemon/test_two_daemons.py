"""Two real daemons that start at once in one network namespace, each with its own folders: one has the bridge, and no harm is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.fakes.hello import hello
from tests.netns import new_netns
from tests.rig import SURVIVING, Rig, rig
from volant.proto.errors import ExitCode

pytestmark = pytest.mark.root


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Rig, Rig]]:
    with ExitStack() as stack:
        namespace = stack.enter_context(new_netns())
        one, other = (stack.enter_context(rig(netns=namespace, program=SURVIVING, network="bridged")) for _ in range(2))
        yield one, other


def both(*jobs: threading.Thread) -> None:
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()


def create_at_once(pair: tuple[Rig, Rig]) -> list[CompletedProcess[str]]:
    """What `vm create` said in the first and in the second."""
    done: dict[Rig, CompletedProcess[str]] = {}

    def create(host: Rig) -> None:
        done[host] = host.volant("vm", "create", "web", "--plugin", "hello", "--wait", check=False)

    both(*(threading.Thread(target=create, args=(host,)) for host in pair))
    return [done[host] for host in pair]


def test_one_of_two_daemons_has_the_bridge_and_the_other_says_who_has_it(pair: tuple[Rig, Rig], tmp_path: Path) -> None:
    both(*(threading.Thread(target=host.start) for host in pair))
    for host in pair:
        host.volant("plugin", "install", hello(tmp_path))
    codes = create_at_once(pair)
    assert sorted(each.returncode for each in codes) == [ExitCode.OK, ExitCode.FAILED]
    (winner, _), (loser, refused) = sorted(zip(pair, codes, strict=True), key=lambda each: each[1].returncode)
    assert winner.daemon is not None
    assert f"another volantd (pid {winner.daemon.pid}) has this host's network" in refused.stderr
    assert "hint: stop that one, give this one a network namespace of its own" in refused.stderr
    taps = winner.taps()
    assert len(taps) == 1

    winner.kill()
    away = loser.volant("vm", "start", "web", "--wait", check=False)
    assert away.returncode == ExitCode.FAILED and "of another volantd is on this host's network" in away.stderr
    loser.stop()
    loser.start()
    assert winner.taps() == taps, "what one daemon sweeps is never another one's"

    winner.start()
    winner.volant("vm", "wait", "web", "--for", "ready")
    winner.volant("vm", "delete", "web", "--force")
    winner.stop()
    loser.volant("vm", "start", "web", "--wait")
    assert len(loser.taps()) == 1
