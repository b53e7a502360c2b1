"""Other users for tests that root runs: programs of this checkout, started as somebody who may do nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOBODY = 65_534


def as_stranger(argv: Sequence[str], *, uid: int = NOBODY, groups: Iterable[int] = ()) -> list[str]:
    """`argv` as user and group `uid` with these supplementary groups alone.

    The checkout may lie in a folder that only root may enter. So the user keeps one capability, CAP_DAC_READ_SEARCH: it lets
    it read, and nothing else; to connect to a socket one has to be allowed to write to it.
    """
    numbers = ",".join(str(number) for number in groups)
    return [
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        f"--groups={numbers}" if numbers else "--clear-groups",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
        *argv,
    ]
