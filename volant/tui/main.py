"""From the command to the running UI: what is checked, drawn and imported, and in which order.

The screen's frame comes first (`skeleton`), then Textual, whose import takes most of the time until the first real screen.
"""

from __future__ import annotations

import gc
import os
import sys
import termios
import time

from volant.client.cli import terminal
from volant.client.paths import default_socket
from volant.proto.errors import Usage
from volant.tui import skeleton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from volant.tui.app import VolantApp

GC_THRESHOLD = 50_000
"""Objects between two looks for garbage: importing makes no garbage, and looking for it takes a tenth of the time."""


def run(socket: str | None, *, read_only: bool, theme: str | None) -> int:
    """The UI until it is left: the exit code. Usage where there is no terminal for it."""
    _check_terminal()
    gc.set_threshold(GC_THRESHOLD)
    path = socket or default_socket()
    skeleton.paint(path)
    # Textual reads these when it is imported: no kitty keys (our decoder reads the older forms), no animation, and no second limit of
    # frames behind our own (`app.FRAME_S`), which would hold keys up.
    os.environ["TEXTUAL_DISABLE_KITTY_KEY"] = "1"
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    os.environ["TEXTUAL_FPS"] = "120"
    saved = termios.tcgetattr(0)
    try:
        code = _app(path, read_only=read_only, theme=theme).run(mouse=False)
    except BaseException:
        skeleton.undo()
        raise
    finally:
        # Textual does so as well; whatever went wrong before or in it, nobody is left with a terminal that shows nothing.
        termios.tcsetattr(0, termios.TCSANOW, saved)
    return code or 0


def _app(path: str, *, read_only: bool, theme: str | None) -> VolantApp:
    from volant.tui.app import VolantApp
    from volant.tui.desk import Desk
    from volant.tui.feed import Feed
    from volant.tui.glyphs import Glyphs, wants_ascii
    from volant.tui.keys.router import Router
    from volant.tui.settings import calls_path, config_path, history_path, load, load_calls, load_history

    settings = load(config_path(os.environ))
    router = Router(settings.keys)
    desk = Desk(
        place=path,
        router=router,
        glyphs=Glyphs(ascii=settings.ascii or wants_ascii(os.environ)),
        clock=time.monotonic,
        wall=time.time,
        past=load_history(history_path(os.environ)),
        earlier_calls=lambda: load_calls(calls_path(os.environ)),
        read_only=read_only or settings.read_only,
    )
    problems = (*settings.problems, *router.problems)
    if problems:
        desk.say(f"settings: {'; '.join(problems)}", "warm")
    feed = Feed(path, lambda news: app.heard(news), time.monotonic, events_after=lambda: desk.snapshot.seq)
    app = VolantApp(desk, feed, theme=theme or settings.theme)
    return app


def _check_terminal() -> None:
    """Textual draws on what it takes for a terminal, and reports on stderr: both must be one."""
    if os.environ.get("TERM", "dumb") == "dumb":
        raise Usage("this terminal can't be drawn on (TERM=dumb)", hint="`volant vm watch` tells the same line by line")
    for descriptor, name in ((0, "standard input"), (1, "standard output"), (2, "standard error")):
        if not terminal.is_tty(descriptor):
            raise Usage(f"{name} is no terminal", hint="`volant vm watch` tells the same line by line, in a pipe too")
    sys.stdout.flush()
