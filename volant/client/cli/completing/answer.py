"""`volant __complete`: what the shells' scripts ask at each Tab. It never says anything but candidates, whatever goes wrong.

    volant __complete words WORD...        the words after `volant` up to the one at the cursor, which may be empty
    volant __complete bash BREAKS LINE     the line up to the cursor, and COMP_WORDBREAKS

The first line of the answer is `words`, or `paths` and what stands before the path in the same word. Then comes a candidate a line: for
`words` a `=` (whole) or `+` (more belongs to it), the word, a tab, its help; for `bash` just what to put in place.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from volant.client.cli.completing import lines
from volant.client.cli.completing.candidates import offers_at, socket_in
from volant.client.cli.completing.offers import Offers
from volant.client.cli.text import harmless
from volant.proto.errors import Fault, Usage

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from volant.client.blocking import Client

CAP_VARIABLE = "VOLANT_COMPLETION_MS"
CAP_MS = 150
"""A Tab that takes longer feels stuck; then what the code knows without the daemon has to do."""
_LEFT_FOR_THE_REST_S = 0.02
"""For sorting out and writing what came."""


class _TooLate(BaseException):
    """The time is up, wherever the program is."""


def entry(argv: Sequence[str]) -> int:
    """Answer; the exit code is 0 always, for nobody looks at it."""
    if argv[:1] == ["bash"] and len(argv) == 3:
        sys.stdout.write(_for_bash(argv[2], argv[1]))
    elif argv[:1] == ["words"] and len(argv) > 1:
        *before, typed = argv[1:]
        sys.stdout.write(_for_words(before, typed))
    return 0


def _for_words(before: Sequence[str], typed: str) -> str:
    found = _bounded(before, typed)
    words = [f"{'=' if each.is_whole else '+'}{each.word}\t{harmless(each.help)}" for each in found.words]
    return "\n".join([_head(found), *words]) + "\n"


def _for_bash(line: str, breaks: str) -> str:
    read = lines.read(line, breaks)
    if read.is_redirection:
        return "paths \n"
    found = _bounded(read.words[1:], read.typed)
    if read.quote and len(found.words) == 1 and not found.words[0].is_whole:
        # bash closes the quote behind the only candidate there is: what may follow is offered with it, so that there are several.
        further = _bounded(read.words[1:], found.words[0].word)
        found = further if further.words else found
    return "\n".join([_head(found), *(lines.written(read, each.word, is_whole=each.is_whole) for each in found.words)]) + "\n"


def _head(found: Offers) -> str:
    return "words" if found.path_after is None else f"paths {found.path_after}"


def _bounded(before: Sequence[str], typed: str) -> Offers:
    """The offers, with the daemon's part in them as far as the time goes."""
    deadline = time.monotonic() + _cap_s() - _age_s() - _LEFT_FOR_THE_REST_S
    try:
        socket = socket_in(before)
    except Usage:  # no such context: what needs no daemon is offered all the same
        return offers_at(before, typed, lambda method, params: None)
    with _Daemon(socket, deadline) as daemon:
        return offers_at(before, typed, daemon.ask)


class _Daemon:
    """The daemon, as long as there is time for it; silent when it is slow, absent, or says no."""

    def __init__(self, socket: str | None, deadline: float) -> None:
        self._socket, self._deadline = socket, deadline
        self._client: Client | None = None

    def __enter__(self) -> _Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The plain result of a call, or None."""
        found: dict[str, Any] | None = _within(self._deadline - time.monotonic(), lambda: self._called(method, params))
        return found

    def _called(self, method: str, params: dict[str, Any]) -> Any:
        try:
            if self._client is None:
                from volant.client.blocking import Client

                self._client = Client(self._socket)
            return self._client.call_plain(method, params)
        except (Fault, OSError):
            return None


def _within(seconds: float, act: Callable[[], Any]) -> Any:
    """The result of `act`, or None when it takes longer: an alarm ends it in the middle of whatever it does."""
    if seconds <= 0:
        return None
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return act()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TooLate:
        return None
    finally:
        signal.signal(signal.SIGALRM, before)


def _alarm(number: int, frame: FrameType | None) -> None:
    raise _TooLate


def _cap_s() -> float:
    asked = os.environ.get(CAP_VARIABLE, "")
    return (int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else CAP_MS) / 1_000


def _age_s() -> float:
    """Seconds since this process began, for the interpreter's start counts too (proc(5), field 22 of stat); 0 where nobody says."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            ticks = int(stat.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
