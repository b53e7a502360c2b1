"""Narration on stderr: what is going on right now, as one line that comes late, changes in place and goes without a trace.

Only a person at a terminal sees it; a script's stderr holds nothing but errors and what a command has to say.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from volant.client.cli import human, terminal
from volant.client.cli.text import cut, harmless

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from threading import Event

QUIET_FOR = 0.3
"""Seconds of silence first: what is done by then needs no narration."""
EVERY = 0.1
"""Seconds between two drawings: smooth, and next to no work."""
_CLEAR = "\r\x1b[K"


class StatusLine:
    """One line on a terminal's stderr, drawn at most every `EVERY` seconds; on anything else it is silent."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.shown = not quiet and terminal.is_tty(2) and terminal.width(2) > 1
        self._started = time.monotonic()
        self._drawn_at = 0.0
        self._drawn = False

    @property
    def seconds(self) -> float:
        """Since this line was made."""
        return time.monotonic() - self._started

    def draw(self, text: str) -> None:
        """Show `text`, unless it is too early or too soon after the last one."""
        now = time.monotonic()
        if not self.shown or now - self._started < QUIET_FOR or now - self._drawn_at < EVERY:
            return
        self._drawn_at, self._drawn = now, True
        sys.stderr.write(_CLEAR + cut(harmless(text), terminal.width(2) - 1))
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave nothing of it."""
        if self._drawn:
            self._drawn = False
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def bar(done: int, total: int, width: int = 20) -> str:
    """`done` of `total` bytes as a bar with figures; without a known total just what is done."""
    if total <= 0:
        return human.size(done)
    share = min(1.0, done / total)
    full = round(share * width)
    return f"[{'#' * full}{'.' * (width - full)}] {share:4.0%} {human.size(done)} of {human.size(total)}"


@contextmanager
def narrated(args: argparse.Namespace, doing: str, *, vm: str = "") -> Iterator[None]:
    """While the body waits: what is `doing` and for how long; with `vm` also what the daemon last said of it."""
    line = StatusLine(quiet=args.quiet)
    if not line.shown:
        yield
        return
    # Only here: a script's command has no need of it, and starts two milliseconds sooner.
    import threading

    over = threading.Event()
    latest = [""]

    def draw() -> None:
        while not over.wait(EVERY):
            news = f" ({latest[0]})" if latest[0] else ""
            line.draw(f"{doing} ... {human.duration(line.seconds)}{news}")

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    if vm:
        # A daemon thread on a connection of its own: it ends with the process, and its failures are nobody's business.
        threading.Thread(target=_listen, args=(args, vm, latest, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        drawing.join()
        line.clear()


def _listen(args: argparse.Namespace, vm: str, latest: list[str], over: Event) -> None:
    """Keep in `latest` what the events say of `vm`."""
    from volant.client.cli.connect import open_client
    from volant.proto.errors import Fault

    if over.wait(QUIET_FOR):
        return
    try:
        with open_client(args) as client:
            for event in client.stream_plain("event.follow", {"vm": vm}):
                if over.is_set():
                    return
                latest[0] = str(event["message"] or event["kind"].removeprefix("VM_").lower())
    except (Fault, OSError):
        pass


def asked_to_go_on(question: str) -> bool:
    """Whether a person says yes. Where nobody can be asked (no terminal) the answer is yes: a script means what it says."""
    if not (terminal.is_tty(0) and terminal.is_tty(2)):
        return True
    sys.stderr.write(f"{harmless(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
