"""The fault matrix, every case of it, with the fake launcher on real taps, files and processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.patience import until
from volant.daemon.host.faultpoints import FaultPoint
from volant.proto.errors import Failed
from volant.proto.specs.states import WaitFor
from volant.selftest.cases import HANG_S, Case, Harm, matrix
from volant.selftest.evidence import complaints, look
from volant.selftest.host import TrialHost, trial_host
from volant.selftest.leftovers import trial_folder
from volant.selftest.matrix import Matrix
from volant.selftest.trial import BYSTANDER, Trials

pytestmark = pytest.mark.root

SHARDS = 2
"""Tests for each harm, so that several workers share them."""

SHORT_HANG_S = 0.3
"""Long enough for another VM to be asked meanwhile; what the full length means is tried at three places."""

PATIENCE_S = 30.0
"""For a machine that does much else: on an idle one nothing takes a second, and `volant selftest` allows five."""


def wrongs(cases: Sequence[Case], *, hang_s: float = SHORT_HANG_S) -> dict[str, str]:
    """Run the cases; what went wrong, by case."""
    outcomes = Matrix(cases, new_trials=lambda host: Trials(host, hang_s=hang_s, settle_s=PATIENCE_S)).run(1)
    assert len(outcomes) == len(cases)
    return {outcome.case.id: outcome.wrong for outcome in outcomes if outcome.wrong}


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("harm", Harm, ids=lambda harm: harm.id)
def test_nothing_is_lost_or_left_whatever_happens_at_any_point(harm: Harm, shard: int) -> None:
    assert wrongs(matrix(harms=[harm.id])[shard::SHARDS]) == {}


@pytest.mark.slow
def test_a_hang_of_full_length_holds_nobody_up_for_ever() -> None:
    points = (FaultPoint.GUEST_LET_IN, FaultPoint.VMM_CLAIMED, FaultPoint.STOPPING_STORED)
    assert wrongs([Case(point, Harm.HANG) for point in points], hang_s=HANG_S) == {}


@pytest.mark.slow
def test_a_hang_that_holds_up_other_vms_is_noticed() -> None:
    class HoldingUp(TrialHost):
        """On which nothing is heard of the bystander for as long as a step hangs."""

        def report(self, *, patience: float = PATIENCE_S) -> dict[str, Any]:
            found = super().report(patience=patience)
            if "struck" in found:
                with self.client() as client:
                    pid = client.vms.get(name=BYSTANDER).pid
                os.kill(pid, signal.SIGSTOP)
                threading.Thread(target=self._go_on, args=(pid,)).start()
            return found

        def _go_on(self, pid: int) -> None:
            until(lambda: self.has_reported)
            os.kill(pid, signal.SIGCONT)

    with trial_folder() as root, closing(HoldingUp(root, hypervisor="fake-process", kernels=None, flags={})) as host:
        host.start()
        trials = Trials(host, settle_s=PATIENCE_S)
        trials.prepare()
        assert "only when the step hung no more" in trials.run(Case(FaultPoint.STOPPING_STORED, Harm.HANG)).wrong


def test_what_is_clean_too_late_is_wrong() -> None:
    with trial_host() as host, pytest.raises(Failed, match="before anything was harmed, all was clean only after"):
        Trials(host, settle_s=0).prepare()


@pytest.fixture(scope="module")
def host() -> Iterator[TrialHost]:
    with trial_host() as made:
        yield made


def test_every_point_is_passed_in_a_vms_life(host: TrialHost) -> None:
    trials = Trials(host)
    trials.prepare()
    host.watch()
    with host.client() as client:
        client.vms.create(name="life", plugin="selftest", wait=WaitFor.READY)
        client.vms.stop(name="life")
        client.vms.start(name="life", wait=WaitFor.READY)
        client.vms.stop(name="life")
        client.vms.delete(name="life")
    passed: list[str] = []
    while not {point.id for point in FaultPoint} <= set(passed):
        passed.append(host.report(patience=PATIENCE_S)["passed"])
    first = {id: passed.index(id) for id in reversed(passed)}
    order = (FaultPoint.ADDRESS_TAKEN, FaultPoint.READY_STORED, FaultPoint.STOP_STORED, FaultPoint.START_STORED, FaultPoint.VM_FORGOTTEN)
    assert sorted(order, key=lambda point: first[point.id]) == list(order)


def test_the_look_at_the_host_sees_what_no_row_tells_of(host: TrialHost) -> None:
    """A proof that can't fail proves nothing."""
    stray = host.netns.popen(["sleep", "600"])
    folder = host.state / "vms" / "0a0000000001"
    try:
        host.netns.run("ip", "tuntap", "add", "vol0123456789ab", "mode", "tap")
        host.netns.run("nft", "add", "table", "inet", "other")
        host.netns.run("nft", "add", "chain", "inet", "other", "c")
        host.netns.run("nft", "add", "rule", "inet", "other", "c", "iifname", "vol0123456789cd", "drop")
        folder.mkdir(parents=True)
        (folder / ".root.qcow2.12345678.tmp").touch()
        found = "\n".join(complaints(look(host)))
    finally:
        stray.kill()
        stray.wait()
        host.netns.run("ip", "tuntap", "del", "vol0123456789ab", "mode", "tap")
        host.netns.run("nft", "delete", "table", "inet", "other")
        for path in (*folder.iterdir(), folder):
            path.rmdir() if path.is_dir() else path.unlink()
    assert f"nobody owns process {stray.pid}: sleep 600" in found
    assert "nobody owns the tap vol0123456789ab" in found
    assert "nobody owns the firewall entry vol0123456789cd" in found
    assert "nobody owns the folder of disks 0a0000000001" in found
    assert ".root.qcow2.12345678.tmp" in found
    assert list(complaints(look(host))) == []
