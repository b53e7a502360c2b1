"""VMMs by the marks in their environment."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from volant.daemon.hypervisors.marks import FOLDER_MARKER, MARKER, elsewhere

HERE, THERE, UNTOLD = "0a0000000021", "0a0000000022", "0a0000000023"


@pytest.fixture
def within(tmp_path: Path) -> Iterator[Path]:
    """The runtime folder of a daemon that has one VM, on a host where another daemon has one too."""
    places = {HERE: tmp_path / "here" / "vms" / HERE, THERE: tmp_path / "there" / "vms" / THERE, UNTOLD: None}
    with ExitStack() as running:
        for vm_id, place in places.items():
            marks = {MARKER: vm_id} | ({FOLDER_MARKER: str(place)} if place else {})
            running.callback(running.enter_context(subprocess.Popen(["sleep", "600"], env=marks, executable="/bin/sleep")).kill)
        yield tmp_path / "here" / "vms"


def test_vms_of_other_daemons_are_known_by_their_place(within: Path) -> None:
    assert elsewhere(within) & {HERE, THERE, UNTOLD} == {THERE}
    assert elsewhere(within.parents[1] / "there" / "vms") & {HERE, THERE, UNTOLD} == {HERE}
