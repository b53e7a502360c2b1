"""Run all benchmarks, or the named modules; a line each, and exit code 1 when a goal is missed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

_HELPERS = {"__init__", "__main__", "result"}


def modules() -> list[str]:
    """The benchmark modules here: those with a `run` function that yields Results. Names with `_` in front help others."""
    found = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in found if name not in _HELPERS and not name.startswith("_"))


def main(names: list[str]) -> int:
    known = modules()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    missed = 0
    for name in names or known:
        for result in import_module(f"benchmarks.{name}").run():
            print(result.line(), flush=True)
            missed += not result.ok
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
