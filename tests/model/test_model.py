"""A few runs of what `python -m tests.model` does for long."""

from __future__ import annotations

from tests.model.running import drive


def test_what_a_daemon_answers_under_restarts_is_explained_by_the_model() -> None:
    drive(runs=10, steps=30, seed=4)
