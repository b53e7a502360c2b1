"""A few of the restarts that `python -m tests.restarts` does a hundred of."""

from __future__ import annotations

from tests.restarts import endure
from tests.rig import SURVIVING, rig

SEED = 20_260_131


def test_vms_and_followers_outlive_restarts_under_traffic() -> None:
    with rig(program=SURVIVING, network="none") as host:
        outcome = endure(host, restarts=6, vms=20, seed=SEED)
    assert outcome.interrupted > 0, "no restart met a call, so nothing was tried"
