"""Drive a real daemon against the model for long: `python -m tests.model [--minutes 10] [--seed N]`."""

from __future__ import annotations

import argparse
import itertools
import secrets
import sys
import time

from tests.model.running import drive

RUNS = 25
"""On one daemon, before the next one with the next seed."""

STEPS = 40


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Drive a real daemon, and explain what it answers.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of the first daemon; the next one has the next")
    asked = parser.parse_args(argv)
    until = time.monotonic() + 60 * asked.minutes
    for number in itertools.count(asked.seed):
        print(f"seed {number}", flush=True)
        drive(runs=RUNS, steps=STEPS, seed=number)
        print(f"{RUNS} runs of at most {STEPS} steps: everything is explained", flush=True)
        if time.monotonic() > until:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
