"""Cases of the fault matrix with real guests: QEMU's own processes, sockets and disks, and an agent that boots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.rig import HOST_KERNELS
from volant.selftest.cases import Case, matrix
from volant.selftest.host import trial_host
from volant.selftest.matrix import Matrix
from volant.selftest.trial import Trials

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.slow]

PATIENCE_S = 90.0
"""For a guest that has to boot anew under emulation on a busy machine."""

HANG_S = 0.5

CHOSEN = {
    "kill-daemon": ("F8", "F13", "F16", "F18", "F20", "F23", "S2", "S5", "D4"),
    "kill-vmm": ("F16", "F18", "F21", "F23", "S1", "S3"),
    "reboot": ("F9", "F18", "F22", "S3", "D3"),
    "exception": ("F14", "F17", "S6"),
    "enospc": ("F8", "F15"),
    "eio": ("F12", "D3"),
    "hang": ("F17", "S4"),
}
"""Points by harm: those where it matters that the VMM is QEMU, or that the guest is one."""


@pytest.fixture(scope="module")
def manifest(media: Path) -> Any:
    """The example plugin with a writable root file system, so that each VM has a disk."""
    return json.loads((media / "plugin-ext4.json").read_text())


def test_there_are_enough_of_them() -> None:
    assert sum(map(len, CHOSEN.values())) >= 24


def chosen(*harms: str) -> list[Case]:
    return [case for harm in harms for case in matrix(CHOSEN[harm], [harm])]


@pytest.mark.parametrize(
    "cases",
    [chosen("kill-daemon"), chosen("kill-vmm", "hang"), chosen("reboot"), chosen("exception", "enospc", "eio")],
    ids=["kill-daemon", "kill-vmm", "reboot", "failures"],
)
def test_nothing_is_lost_or_left_with_real_guests(cases: list[Case], manifest: dict[str, Any]) -> None:
    outcomes = Matrix(
        cases,
        new_host=lambda: trial_host(hypervisor="qemu", kernels=HOST_KERNELS, accel="tcg"),
        new_trials=lambda host: Trials(host, hang_s=HANG_S, settle_s=PATIENCE_S, manifest=manifest),
    ).run(1)
    assert {outcome.case.id: outcome.wrong for outcome in outcomes if outcome.wrong} == {}
    assert len(outcomes) == len(cases)
