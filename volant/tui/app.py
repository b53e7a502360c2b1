"""The Textual application: brings keys and news to the desk, draws its frame, and does what it asks for. No decisions are made here."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events
from textual.app import App, ComposeResult

from volant.proto.errors import ConnectionLost, Fault
from volant.tui import effects
from volant.tui.canvas import Canvas
from volant.tui.desk import Desk
from volant.tui.driver import RawInput, TappedDriver
from volant.tui.feed import Feed
from volant.tui.model import Changed, Heard
from volant.tui.processes import complaint, foreground, lines_of
from volant.tui.settings import calls_path, history_path, save, save_history, views_path
from volant.tui.themes import Look, chosen

if TYPE_CHECKING:
    from volant.tui.console.line import ConsoleLine

T = TypeVar("T")

FRAME_S, KEY_FRAME_S = 1 / 30, 1 / 120
"""Shortest time between two frames: of news, which may come in floods, and after keys, which somebody waits for. The first of a burst is
drawn at once."""
ECHO_S = 0.1
"""So long after something was typed what a guest prints is taken for its echo."""
MOST_PARTS = 64
"""Parts of a list that wait to be taken together. Between two frames there is time for some ten; while somebody else has the terminal, and
nothing is drawn, no more than these wait."""
LEAVING_S = 2.0
"""How long leaving may take after a signal; it takes some 50 ms."""
PER_TURN = 1_000
"""Items of a stream that are handed to the desk together: some milliseconds of work, which a key may have to wait for."""


class VolantApp(App[int]):
    """`desk` decides; this only moves things between it, the terminal and the daemon."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; } * { scrollbar-size: 0 0; }"
    BINDINGS: ClassVar[list[Any]] = []

    def __init__(self, desk: Desk, feed: Feed, *, theme: str) -> None:
        self._look = Look(chosen(theme, os.environ))
        if os.environ.get("NO_COLOR") == "":
            del os.environ["NO_COLOR"]  # Textual takes an empty one for a wish, which https://no-color.org does not
        super().__init__(driver_class=TappedDriver, ansi_color=True)
        self.desk, self.feed = desk, feed
        self._canvas = Canvas(self._look)
        self._parts: list[Changed] = []
        """Of a list or a burst of changes, of which more is to come."""
        self._drawn_at = 0.0
        self._drawing: asyncio.TimerHandle | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._lines: dict[int, ConsoleLine] = {}
        self._typed_at = 0.0
        self._feeding: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        """Feeds of daemons that are not looked at any more, until they have ended."""

    def compose(self) -> ComposeResult:
        yield self._canvas

    def on_mount(self) -> None:
        self._feeding = asyncio.create_task(self.feed.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end_by, number)
        self.draw()

    def _end_by(self, number: int) -> None:
        """A signal asks for the end. Where the terminal itself has gone, leaving as usual could wait for ever on it."""
        asyncio.get_running_loop().call_later(LEAVING_S, os._exit, 128 + number)
        self.exit(128 + number)

    async def on_unmount(self) -> None:
        running = [task for task in (self._feeding, *self._leaving, *self._tasks.values()) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes go straight to the desk, in their order; everything else is Textual's."""
        if isinstance(event, events.Key):
            self.desk.key(key_name(event))
        elif isinstance(event, events.Paste):
            self.desk.paste(event.text)
        else:
            await super().on_event(event)
            return
        event.stop()
        self.settle(KEY_FRAME_S)

    def on_raw_input(self, message: RawInput) -> None:
        """What was typed while a console has the keyboard. Nothing is drawn for it but what changes by it: the echo comes soon."""
        self._typed_at = asyncio.get_running_loop().time()
        self.desk.typed(message.data)
        if self.desk.keyboard:
            self._do_effects()
        else:
            self.settle(KEY_FRAME_S)

    def on_resize(self, event: events.Resize) -> None:
        self.call_next(self.draw)  # Textual takes the new size after this

    def heard(self, news: Heard) -> None:
        """News from the feed. What comes in several parts is drawn once the last of them is there, or when that takes long."""
        if isinstance(news, Changed):
            self._parts.append(news)
            if news.complete or len(self._parts) == MOST_PARTS:
                self._hand_on()
            self.settle(more=not news.complete)
        else:
            self._hand_on()
            self.desk.heard(news)
            self.settle()

    def _hand_on(self) -> None:
        """Tell the desk of the parts that wait."""
        if self._parts:
            parts, self._parts = self._parts, []
            self.desk.heard(*parts)

    # ---------------------------------------------------------------------------------------------------------- drawing

    def settle(self, frame_s: float = FRAME_S, *, more: bool = False) -> None:
        """Do what the desk asks for, and draw soon: at once when the last frame is older than `frame_s`, or so long from now where `more`
        belongs to it."""
        self._do_effects()
        loop = asyncio.get_running_loop()
        due = loop.time() + frame_s if more else self._drawn_at + frame_s
        if due <= loop.time():
            self.draw()
        elif self._drawing is None or self._drawing.when() > due:
            if self._drawing is not None:
                self._drawing.cancel()
            self._drawing = loop.call_at(due, self.draw)

    def draw(self) -> None:
        """Show the desk's frame, and wake up when it looks different by time alone."""
        for timer in (self._drawing, self._waking):
            if timer is not None:
                timer.cancel()
        self._drawing = self._waking = None
        if not self.is_running:
            return
        self._drawn_at = asyncio.get_running_loop().time()
        self._hand_on()
        self._canvas.show(self.desk.frame(self.size.width, self.size.height), self._look)
        self._do_effects()  # a console's size, for one, is known once it was drawn
        wait = self.desk.next_change_s()
        if wait is not None:
            self._waking = asyncio.get_running_loop().call_later(wait, self.draw)

    # ---------------------------------------------------------------------------------------------------------- effects

    def _do_effects(self) -> None:
        while self.desk.effects:
            self._do(self.desk.effects.pop(0))
        if isinstance(self._driver, TappedDriver):
            self._driver.decoder.raw = self.desk.keyboard

    def _do(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Call():
                self._start(effect.tag, self._call(effect))
            case effects.Follow():
                self._start(effect.tag, self._follow(effect))
            case effects.Run():
                self._start(effect.tag, self._run(effect))
            case effects.Send():
                self._start(effect.tag, self._send(effect))
            case effects.Read():
                self._start(effect.tag, self._read(effect))
            case effects.Attach():
                self._start(effect.tag, self._console(effect))
            case effects.Type():
                self._type(effect)
            case effects.Unfollow(tag):
                task = self._tasks.pop(tag, None)
                if task is not None:
                    task.cancel()
            case effects.Copy(text):
                self.copy_to_clipboard(text)
            case effects.Reconnect():
                self.feed.again()
            case effects.Switch(path):
                self._switch(path)
            case effects.Theme(name):
                self._look = Look(chosen(name, os.environ))
            case effects.Redraw():
                self.refresh(layout=True)
                self._canvas.refresh()
            case effects.Remember(lines):
                save_history(history_path(os.environ), list(lines))
            case effects.Manifest():
                self._start(effect.tag, self._manifest(effect.place))
            case effects.Edit():
                self._start(effect.tag, self._edit(effect.text))
            case effects.KeepViews(text):
                save(views_path(os.environ), text)
            case effects.KeepCalls(text):
                save(calls_path(os.environ), text)
            case effects.Quit():
                self.exit(0)

    def _switch(self, path: str) -> None:
        """Another feed from now on. What the old one would still tell is about another daemon; nobody waits for its end."""
        self.feed.tell, self._parts = (lambda news: None), []
        if self._feeding is not None:
            self._leaving.add(self._feeding)
            self._feeding.add_done_callback(self._leaving.discard)
            self._feeding.cancel()
        self.feed = self.feed.of(path, self.heard)
        self._feeding = asyncio.create_task(self.feed.run())

    def _start(self, tag: int, work: Any) -> None:
        self._tasks[tag] = asyncio.create_task(self._finish(tag, work))

    async def _finish(self, tag: int, work: Any) -> None:
        """Do it, and tell the desk what came of it."""
        try:
            result = await work
        except Fault as fault:
            result = fault
        self._tasks.pop(tag, None)
        self.desk.answered(tag, result)
        self.settle()

    async def _call(self, asked: effects.Call) -> Any:
        return await self._connected().call_plain(asked.method, dict(asked.params))

    async def _follow(self, asked: effects.Follow) -> Any:
        async with self._connected().stream(asked.method, dict(asked.params)) as stream:
            async for items in stream.batches(PER_TURN):
                self.desk.streamed(asked.tag, items)
                self.settle()
                await asyncio.sleep(0)  # a flood of items lets keys through
            return await stream.result()

    async def _console(self, asked: effects.Attach) -> Any:
        from volant.tui.console.line import ConsoleLine

        def came(items: list[Any]) -> None:
            self.desk.streamed(asked.tag, items)
            # What answers a key is worth a frame of its own.
            self.settle(KEY_FRAME_S if asyncio.get_running_loop().time() - self._typed_at < ECHO_S else FRAME_S)

        line = self._lines[asked.tag] = ConsoleLine(asked.params, came)
        try:
            return await line.run(self._connected())
        finally:
            del self._lines[asked.tag]

    def _type(self, asked: effects.Type) -> None:
        line = self._lines.get(asked.tag)
        if line is not None and not line.send(asked.data):
            self.desk.say("the guest takes nothing, so the last of what was typed is not sent", "warm")
        if line is not None and asked.last:
            line.end()

    async def _send(self, asked: effects.Send) -> Any:
        from volant.tui.calling.sending import send

        return await send(self._connected(), asked.params, asked.body)

    async def _read(self, asked: effects.Read) -> Any:
        from volant.tui.calling.sending import read

        return await asyncio.to_thread(read, asked.path, asked.most)

    async def _manifest(self, place: str) -> dict[str, Any]:
        from volant.client.cli.commands.plugin_install import read_manifest

        return await asyncio.to_thread(read_manifest, place)

    async def _edit(self, text: str) -> str:
        from volant.tui.editor import edited

        return await self._given_away(edited(text, os.environ))

    async def _given_away(self, work: Awaitable[T]) -> T:
        """Let somebody have the terminal. What goes wrong meanwhile is raised when it is ours again: `suspend` gives nothing back after an
        exception."""
        with self.suspend():
            try:
                result: T | Fault = await work
            except Fault as fault:
                result = fault
        if isinstance(result, Fault):
            raise result
        return result

    async def _run(self, asked: effects.Run) -> int:
        only = ("--read-only",) if self.desk.read_only else ()
        command = (sys.executable, "-m", "volant.client.cli", "--socket", self.feed.path, *only, *asked.words)
        if asked.foreground:
            said = bytearray()
            code = await self._given_away(foreground(command, said=said))
            fault = complaint(bytes(said)) if code else None
            if fault is not None:  # nobody could read it before the UI was back
                raise fault
            return code
        async for lines in lines_of(command, columns=self.size.width, most=PER_TURN):
            if isinstance(lines, int):
                return lines
            self.desk.streamed(asked.tag, lines)
            self.settle()
        return 0

    def _connected(self) -> Any:
        if self.feed.client is None:
            raise ConnectionLost("not connected to the daemon", hint="it is tried again by itself; Ctrl-R tries now")
        return self.feed.client


def key_name(event: events.Key) -> str:
    """The decoder's name for a key, from events of our driver and of tests alike."""
    char = event.character
    if char is not None and len(char) == 1 and char.isprintable():
        return "space" if char == " " else char
    return event.key
