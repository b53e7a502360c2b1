"""Drive a real daemon against the model for long: `python -m tests.model [--minutes 10] [--seed N]`."""

from __future__ import annotations

import sys

from tests.longrun import parser, rounds
from tests.model.running import drive

RUNS = 25
"""On one daemon, before the next one with the next seed."""

STEPS = 40


def main(argv: list[str]) -> int:
    asked = parser("tests.model", "Drive a real daemon, and explain what it answers.").parse_args(argv)
    for seed in rounds(asked):
        drive(runs=RUNS, steps=STEPS, seed=seed)
        print(f"{RUNS} runs of at most {STEPS} steps: everything is explained", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
