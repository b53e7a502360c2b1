"""What the long runs have in common: how they are asked, when they end, and how Hypothesis makes their cases."""

from __future__ import annotations

import argparse
import itertools
import secrets
import time
from collections.abc import Iterator

from hypothesis import HealthCheck, settings

REPEATABLE = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
"""Cases that follow from the seed alone, however long each takes."""


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """For `python -m COMMAND [--minutes M] [--seed N]`."""
    made = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    made.add_argument("--minutes", type=float, default=10.0, help="no round begins later; the first one always does")
    made.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of the first round; the next one has the next")
    return made


def rounds(asked: argparse.Namespace) -> Iterator[int]:
    """The seed of each round, which is told, until the time is up."""
    until = time.monotonic() + 60 * asked.minutes
    for seed in itertools.count(asked.seed):
        print(f"seed {seed}", flush=True)
        yield seed
        if time.monotonic() > until:
            return
