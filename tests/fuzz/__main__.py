"""Send hostile input to everything that takes any, for long: `python -m tests.fuzz [--minutes 10] [--only frames,client] [--seed N]`.

A finding's input is kept in a file; `--again FILE` tries it once more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.running import Finding, Property, Target, explore, read_case
from tests.fuzz.targets import TARGETS
from tests.longrun import parser, rounds

CASES = 500
"""Of each property in one round, before the next target has its turn: some seconds, and a daemon that lives through many."""


def main(argv: list[str]) -> int:
    asking = parser("tests.fuzz", "Send hostile input to everything that takes any.")
    asking.add_argument("--only", type=chosen, default=list(TARGETS), metavar="TARGETS", help=f"some of {','.join(TARGETS)}")
    asking.add_argument("--cases", type=int, default=CASES, help="of each property in one round")
    asking.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "volant-fuzz", help="where findings are kept")
    asking.add_argument("--again", type=Path, metavar="FILE", help="try the case of a finding, and nothing else")
    asked = asking.parse_args(argv)
    try:
        if asked.again:
            again(asked.again, asked.only)
            return 0
        for seed in rounds(asked):
            for name in asked.only:
                explore_target(name, TARGETS[name], seed=seed, cases=asked.cases)
    except Finding as finding:
        print(f"{finding}\nthe case is in {finding.save(asked.save)}", flush=True)
        return 1
    return 0


def chosen(text: str) -> list[str]:
    """Names of targets."""
    names = text.split(",")
    if unknown := set(names) - set(TARGETS):
        raise argparse.ArgumentTypeError(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    return names


def explore_target(name: str, target: Target, *, seed: int, cases: int) -> None:
    began, tried = time.monotonic(), 0
    with target() as properties:
        for found in properties:
            tried += explore(found, cases=max(1, round(cases * found.share)), seed=seed)
    seconds = time.monotonic() - began
    print(f"{name}: {tried} cases of {len(properties)} properties, {tried / seconds:.0f} a second: no finding", flush=True)


def again(path: Path, names: Sequence[str]) -> None:
    """The case in the file, which its property is asked about."""
    wanted, case = read_case(path)
    for name in names:
        with TARGETS[name]() as properties:
            for found in properties:
                if found.name == wanted:
                    return attempt(found, case)
    raise SystemExit(f"there is no property {wanted!r}")


def attempt(found: Property, case: object) -> None:
    found.check(case)
    print(f"{found.name}: this case is no finding", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
