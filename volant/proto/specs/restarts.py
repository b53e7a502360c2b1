"""Whether a VM that has ended is started again by itself, as people write it: `no`, `always`, `on-failure` or `on-failure:N`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_TRIES = 5
"""As often as systemd starts a unit before it wants a person to look (DefaultStartLimitBurst)."""

MAX_TRIES = 10
"""With the pauses between them (13 minutes) and boots that hang, more would not fit into the hour in which they are counted."""

PATTERN = rf"no|always|on-failure(?::(?:[1-9]|{MAX_TRIES}))?"
EXPECTS = f"must be no, on-failure, always, or on-failure:N with N from 1 to {MAX_TRIES}"


class When(StrEnum):
    """After which ends a VM is started again."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """What happens by itself after an end that nobody asked for."""

    when: When
    tries: int = 0
    """With `on-failure`, how many restarts there may be within an hour; 0: any number."""

    def restarts(self, *, is_failure: bool) -> bool:
        """Whether an end of this kind is followed by a start."""
        return self.when is When.ALWAYS or (self.when is When.ON_FAILURE and is_failure)


def problem_with_restart(text: str) -> str:
    """Why a text is no policy, as a clause; empty when it is one."""
    return "" if re.fullmatch(PATTERN, text) else f"is {text[:60]!r}; it {EXPECTS}"


def parse_restart(text: str) -> RestartPolicy:
    """The policy in a text that `problem_with_restart` finds nothing wrong with."""
    word, _, tries = text.partition(":")
    when = When(word)
    return RestartPolicy(when, int(tries or DEFAULT_TRIES) if when is When.ON_FAILURE else 0)
