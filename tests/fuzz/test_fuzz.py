"""A little of what `python -m tests.fuzz` does for long; and that the run itself tells what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.fuzz import __main__ as command
from tests.fuzz.running import Property, explore, read_case
from tests.fuzz.targets import TARGETS

CASES = {"frames": 250, "client": 120, "agent": 120, "qmp": 150, "specs": 100}
"""Of each property: a few seconds of each target."""

SEED = 20_260_131


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_taken_or_refused(name: str) -> None:
    with TARGETS[name]() as properties:
        for found in properties:
            explore(found, cases=max(1, round(CASES[name] * found.share)), seed=SEED)


@contextmanager
def wrong() -> Iterator[Sequence[Property]]:
    def check(case: list[int]) -> None:
        assert sum(case) < 10

    yield [Property("sums are small", st.lists(st.integers(0, 9)), check)]


def test_a_finding_is_made_small_kept_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TARGETS, "wrong", wrong)
    asked = ["--only", "wrong", "--save", str(tmp_path), "--minutes", "0", "--seed", "3"]
    assert command.main(asked) == 1
    (kept,) = tmp_path.iterdir()
    assert str(kept) in capsys.readouterr().out
    assert read_case(kept) == ("sums are small", [1, 9])
    with pytest.raises(AssertionError):
        command.main(["--only", "wrong", "--again", str(kept)])


def test_a_run_without_findings_tells_seed_and_number_of_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "specs", "--minutes", "0", "--seed", "3", "--cases", "2"]) == 0
    told = capsys.readouterr().out
    assert "seed 3" in told and "specs: 28 cases of 11 properties" in told


def test_a_target_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "specs,moon"])
    assert "there is no target moon" in capsys.readouterr().err
