"""The page of promises names commands that exist, and counts what there is."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.__main__ import modules
from tests.vm.test_faults import CHOSEN
from volant.daemon.host.faultpoints import FaultPoint
from volant.proto.specs.states import VmState
from volant.selftest.cases import Harm, matrix

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text()
COMMANDS = re.findall(r"`(pytest [^`]+|python -m [^`]+)`", PAGE)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_names_what_is_there(command: str) -> None:
    program, *words = command.split()
    if program == "pytest":
        paths = [word for word in words if word.startswith("tests/")]
        assert paths and all((ROOT / path).exists() for path in paths)
    elif words[1] == "benchmarks":
        assert set(words[2:]) <= set(modules())
    else:
        assert find_spec(f"{words[1]}.__main__" if (ROOT / words[1].replace(".", "/")).is_dir() else words[1])


def test_it_counts_the_matrix_as_it_is() -> None:
    guests = sum(map(len, CHOSEN.values()))
    assert f"At each of {len(FaultPoint)} named steps" in PAGE
    assert f"{guests} of these cases with QEMU" in PAGE
    assert f"of the matrix's {len(matrix())} cases {guests} run with QEMU" in PAGE
    assert [harm.id for harm in Harm if f"`{harm.id}`" not in PAGE and f"--harm {harm.id}`" not in PAGE] == []


def test_it_counts_the_states_as_they_are() -> None:
    assert len(VmState) == 10 and "each of the ten states" in PAGE
