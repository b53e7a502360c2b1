"""Narration on stderr: what is going on right now, as one line that comes late, changes in place and goes without a trace.

Only a person at a terminal sees it; a script's stderr holds nothing but errors and what a command has to say.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from volant.client.cli import human, terminal
from volant.client.cli.text import cut, harmless

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from threading import Event
    from typing import Any

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
def narrated(args: argparse.Namespace, doing: str, *, vm: str = "", deployment: str = "") -> Iterator[Callable[[str], None]]:
    """While the body waits: what is `doing` and for how long, and the newest that is known of it.

    That is what the body tells by the function that it gets; with `vm` or `deployment`, what the daemon last said of that.
    """
    line = StatusLine(quiet=args.quiet)
    if not line.shown:
        yield lambda text: None
        return
    # Only here: a script's command has no need of it, and starts two milliseconds sooner.
    import threading

    over = threading.Event()
    latest = [""]

    def tell(text: str) -> None:
        latest[0] = text

    def draw() -> None:
        while not over.wait(EVERY):
            news = f" ({latest[0]})" if latest[0] else ""
            line.draw(f"{doing} ... {human.duration(line.seconds)}{news}")

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    # A daemon thread on a connection of its own: it ends with the process, and its failures are nobody's business.
    if vm:
        threading.Thread(target=_listen, args=(args, "event.follow", {"vm": vm}, _event_said, tell, over), daemon=True).start()
    elif deployment:
        asked = {"name": deployment, "watch": True}
        threading.Thread(target=_listen, args=(args, "deployment.status", asked, _rollout_said, tell, over), daemon=True).start()
    try:
        yield tell
    finally:
        over.set()
        drawing.join()
        line.clear()


def _listen(
    args: argparse.Namespace,
    method: str,
    params: dict[str, Any],
    said: Callable[[dict[str, Any]], str],
    tell: Callable[[str], None],
    over: Event,
) -> None:
    """Tell what is `said` by each item of a stream."""
    from volant.client.cli.connect import open_client
    from volant.proto.errors import Fault

    if over.wait(QUIET_FOR):
        return
    try:
        with open_client(args) as client:
            for item in client.stream_plain(method, params):
                if over.is_set():
                    return
                tell(said(item))
    except (Fault, OSError):
        pass


def _event_said(event: dict[str, Any]) -> str:
    return str(event["message"] or event["kind"].removeprefix("VM_").lower())


def _rollout_said(view: dict[str, Any]) -> str:
    progress = f"{view['available']} of {view['replicas']} available, {view['updated']} up to date"
    return f"{progress}; {view['reason']}" if view.get("reason") else progress


def asked_to_go_on(question: str) -> bool:
    """Whether a person says yes. Where nobody can be asked (no terminal) the answer is yes: a script means what it says."""
    if not (terminal.is_tty(0) and terminal.is_tty(2)):
        return True
    sys.stderr.write(f"{harmless(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
