"""From the command to the running UI: what is checked, drawn and imported, and in which order.

The screen's frame comes first (`skeleton`), then Textual, whose import takes most of the time until the first real screen.
"""

from __future__ import annotations

import gc
import os
import sys
import termios
import time
from contextlib import contextmanager, nullcontext

from volant.client.cli import terminal
from volant.client.paths import default_socket
from volant.proto.errors import Usage
from volant.tui import skeleton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from volant.tui.app import VolantApp
    from volant.tui.model import Heard
    from volant.tui.past.tape import Tape

GC_THRESHOLD = 50_000
"""New objects between two looks for garbage: a list of 5,000 VMs has fewer, and to look through so many takes up to 20 ms."""


def run(socket: str | None, *, read_only: bool, theme: str | None, record: str | None = None, replay: str | None = None) -> int:
    """The UI until it is left: the exit code. `record` is a file to make, `replay` one to look at. Usage where there is no terminal for it,
    and where the file can't be had; what is no recording is refused as `past.recorder.load` says."""
    _check_terminal()
    gc.disable()  # importing makes no garbage
    path = socket or default_socket()
    tape = _tape(replay) if replay is not None else None
    skeleton.paint(replay or path)
    # Textual reads these when it is imported: no kitty keys (our decoder reads the older forms), no animation, and no second limit of
    # frames behind our own (`app.FRAME_S`), which would hold keys up.
    os.environ["TEXTUAL_DISABLE_KITTY_KEY"] = "1"
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    os.environ["TEXTUAL_FPS"] = "120"
    saved = termios.tcgetattr(0)
    try:
        app = _app(path, read_only=read_only, theme=theme)
        gc.freeze()  # nothing of it goes before the end, so that nobody has to look through it again
        gc.set_threshold(GC_THRESHOLD)
        gc.enable()
        if tape is not None and replay is not None:
            _replay(app, tape, replay)
        with _recording(app, record) if record is not None else nullcontext():
            code = app.run(mouse=False)
    except BaseException:
        skeleton.undo()
        raise
    finally:
        # Textual does so as well; whatever went wrong before or in it, nobody is left with a terminal that shows nothing.
        termios.tcsetattr(0, termios.TCSANOW, saved)
    return code or 0


def _app(path: str, *, read_only: bool, theme: str | None) -> VolantApp:
    from volant.client.contexts import contexts, name_of
    from volant.tui.app import VolantApp
    from volant.tui.desk import Desk
    from volant.tui.feed import Feed
    from volant.tui.glyphs import Glyphs, wants_ascii
    from volant.tui.keys.router import Router
    from volant.tui.settings import (
        MAX_VIEWS_CHARS,
        calls_path,
        config_path,
        history_path,
        load,
        load_calls,
        load_history,
        load_text,
        views_path,
    )

    settings = load(config_path(os.environ))
    known = contexts(settings.contexts, os.environ)
    router = Router(settings.keys)
    desk = Desk(
        place=path,
        context=name_of(path, known),
        daemons=known,
        router=router,
        glyphs=Glyphs(ascii=settings.ascii or wants_ascii(os.environ)),
        clock=time.monotonic,
        wall=time.time,
        past=load_history(history_path(os.environ)),
        views=load_text(views_path(os.environ), MAX_VIEWS_CHARS),
        earlier_calls=lambda: load_calls(calls_path(os.environ)),
        read_only=read_only or settings.read_only,
    )
    problems = (*settings.problems, *router.problems)
    if problems:
        desk.say(f"settings: {'; '.join(problems)}", "warm")
    feed = Feed(path, lambda news: app.heard(news), time.monotonic, events_after=lambda: desk.live.seq, read_only=lambda: desk.read_only)
    app = VolantApp(desk, feed, theme=theme or settings.theme)
    return app


def _tape(path: str) -> Tape:
    from volant.tui.past.recorder import load

    return load(path)[1]


def _replay(app: VolantApp, tape: Tape, path: str) -> None:
    """Show a recording instead of a host."""
    from volant.tui.feed import Silence
    from volant.tui.travelling import replay

    app.feed = Silence(path)
    replay(app.desk, tape, os.path.basename(path))


@contextmanager
def _recording(app: VolantApp, path: str) -> Iterator[None]:
    """Everything that the app hears goes into a new file while the block runs."""
    from volant.tui.past.recorder import Recorder

    recorder = Recorder(path, place=app.desk.place, tell=lambda why: app.desk.say(why, "warm"))
    app.desk.bound = "this is being recorded"
    hear = app.feed.tell

    def tell(news: Heard) -> None:
        recorder.heard(news)
        hear(news)

    app.feed.tell, app.feed.besides = tell, recorder.listen
    app.desk.pending.overhear = recorder.overheard
    try:
        yield
    finally:
        recorder.close()


def _check_terminal() -> None:
    """Textual draws on what it takes for a terminal, and reports on stderr: both must be one."""
    if os.environ.get("TERM", "dumb") == "dumb":
        raise Usage("this terminal can't be drawn on (TERM=dumb)", hint="`volant vm watch` tells the same line by line")
    for descriptor, name in ((0, "standard input"), (1, "standard output"), (2, "standard error")):
        if not terminal.is_tty(descriptor):
            raise Usage(f"{name} is no terminal", hint="`volant vm watch` tells the same line by line, in a pipe too")
    sys.stdout.flush()
