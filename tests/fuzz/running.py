"""Properties that hold whatever a peer sends, and runs of them on generated cases."""

from __future__ import annotations

import ast
import pprint
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import HypothesisWarning
from hypothesis.strategies import SearchStrategy

from tests.longrun import REPEATABLE


@dataclass(frozen=True)
class Property:
    """What holds for each case. Cases are plain values, so that one can be written to a file and tried again."""

    name: str
    cases: SearchStrategy[Any]
    check: Callable[[Any], None]
    """Raises where it doesn't hold."""
    share: float = 1.0
    """How many cases it gets beside the target's others: fewer where one takes long."""
    shrinks: bool = True
    """Whether a failing case fails again, so that it can be made smaller."""


Target = Callable[[], AbstractContextManager[Sequence[Property]]]
"""Sets up what the properties need; leaving it checks what has to hold after all cases."""


class Finding(Exception):
    """A property does not hold."""

    def __init__(self, found: Property, case: Any, seed: int, error: BaseException) -> None:
        super().__init__(f"{found.name}: {type(error).__name__}: {error}")
        self.name, self.case, self.seed, self.error = found.name, case, seed, error

    def save(self, folder: Path) -> Path:
        """Write the case, the seed and the trace to a file in `folder`; its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name.replace(' ', '-')}-{self.seed}.txt"
        told = "".join(traceback.format_exception(self.error))
        comment = "".join(f"# {line}\n" for line in f"{self.name}\nseed {self.seed}\n{told}".splitlines())
        path.write_text(f"{comment}{pprint.pformat(self.case, width=120, sort_dicts=False)}\n")
        return path


def read_case(path: Path) -> tuple[str, Any]:
    """The property's name and the case of a file that `Finding.save` wrote."""
    text = path.read_text()
    return text.partition("\n")[0].removeprefix("# "), ast.literal_eval(text)


def explore(found: Property, *, cases: int, seed: int) -> int:
    """Try so many cases; how many there were. A Finding for the smallest that fails."""
    tried = 0
    failing: Any = None

    @seeded(seed)
    @settings(REPEATABLE, max_examples=cases, phases=(Phase.generate, Phase.shrink) if found.shrinks else (Phase.generate,))
    @given(found.cases)
    def attempt(case: Any) -> None:
        nonlocal tried, failing
        tried += 1
        try:
            found.check(case)
        except BaseException:
            failing = case
            raise

    try:
        with warnings.catch_warnings():
            # A long case is shown in full, in the file.
            warnings.simplefilter("ignore", HypothesisWarning)
            attempt()
    except Exception as error:
        # Hypothesis tries a failing case again; where that went well, what went wrong at first is inside what it raises.
        first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        raise Finding(found, failing, seed, first) from error
    return tried
