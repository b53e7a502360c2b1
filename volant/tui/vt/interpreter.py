"""What each control function does to a screen, and what a terminal answers to the guest's questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from volant.tui.vt import editing, mode_setting
from volant.tui.vt.screen import Screen
from volant.tui.vt.styles import RGB, Parameters, Style, select_graphic_rendition

MAX_CONTROL: Final = 256
"""Characters of one control sequence; a longer one does nothing. The longest that are met set two true colours, in some 40."""
MAX_PARAMETERS: Final = 32
"""Of one control sequence; with more it does nothing."""
MAX_TITLE: Final = 256
"""Characters kept of a title."""
MAX_TITLES: Final = 10
"""Titles that a guest may push to restore them later; xterm's limit."""
MAX_REPLIES: Final = 4_096
"""Bytes of answers kept until the viewer takes them; further ones are dropped. Programs ask a handful of questions at their start."""
_CACHED: Final = 4_096
"""Control functions kept ready to run; a colourful program uses some hundreds."""

_TRUE_COLOUR: Final = re.compile(r"\x1b\[([34])8;2;([0-9]{1,3});([0-9]{1,3});([0-9]{1,3})m")
_SEQUENCE: Final = re.compile(r"\x1b\[([<-?]?)([0-9;:]*)([ -/]*)([@-~])\Z")

Action = Callable[[], object]


def _nothing() -> None:
    """For control functions that are unknown or malformed."""


class Interpreter:
    """Finds and runs control functions; holds what they change apart from the screen."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.replies = bytearray()
        """Answers for the guest that weren't taken yet."""
        self.title = ""
        self.bells = 0
        """How often the guest rang."""
        self._titles: list[str] = []
        self.actions: dict[str, Action] = {}
        """Those that were found by `action` already."""
        self._pens: dict[str, tuple[Style, str, str]] = {}

    def action(self, control: str) -> Action:
        """What a whole, well-formed control function does: a C0 character, CR LF, or a sequence that begins with ESC."""
        action = self.actions.get(control)
        if action is None:
            if len(self.actions) >= _CACHED:
                self.actions.clear()
            action = self.actions[control] = self._find(control)
        return action

    def string(self, kind: str, content: str) -> None:
        """What a control string does: OSC (`]`) 0 and 2 set the title. All others are for terminals with other abilities, or harmful."""
        number, _, text = content.partition(";")
        if kind == "]" and number in ("0", "2"):
            self.title = "".join(filter(str.isprintable, text))[:MAX_TITLE]

    def forget_marks(self) -> None:
        """To be called when the marks of styles changed."""
        self._pens.clear()

    def _find(self, control: str) -> Action:
        if control in _SIMPLE:
            return partial(_SIMPLE[control], self.screen)
        if control == "\a":
            return self._ring
        # A picture brings a new one for each cell, so it has a way of its own.
        coloured = _TRUE_COLOUR.fullmatch(control)
        if coloured is not None:
            return partial(self._set_true_colour, coloured[1] == "3", int(coloured[2]), int(coloured[3]), int(coloured[4]))
        sequence = _SEQUENCE.match(control)
        if sequence is None or len(control) > MAX_CONTROL or control.count(";") >= MAX_PARAMETERS:
            return _nothing
        private, text, intermediates, final = sequence.groups()
        name = private + intermediates + final
        if name == "m":
            return partial(self._select_graphic_rendition, control, text)
        parameters = parse_parameters(text)
        if name in _FUNCTIONS:
            function, defaults = _FUNCTIONS[name]
            numbers = _numbers(parameters, defaults)
            return _nothing if numbers is None else partial(function, self.screen, *numbers)
        if name in _OTHERS:
            return partial(_OTHERS[name], self, parameters)
        return _nothing

    def _select_graphic_rendition(self, control: str, text: str) -> None:
        screen = self.screen
        known = self._pens.get(screen.mark + control)
        if known is not None:
            screen.pen, screen.mark, screen.erase_mark = known
            return
        if len(self._pens) >= _CACHED:
            self._pens.clear()
        before = screen.mark
        screen.set_pen(select_graphic_rendition(screen.pen, parse_parameters(text)))
        self._pens[before + control] = screen.pen, screen.mark, screen.erase_mark

    def _set_true_colour(self, foreground: bool, red: int, green: int, blue: int) -> None:
        """SGR 38;2 or 48;2; out of range it changes nothing."""
        if red <= 255 and green <= 255 and blue <= 255:
            pen, colour = self.screen.pen, RGB | red << 16 | green << 8 | blue
            front, back = (colour, pen.background) if foreground else (pen.foreground, colour)
            self.screen.set_pen(Style(front, back, pen.underline_colour, pen.attributes))

    def _ring(self) -> None:
        self.bells += 1

    def reply(self, text: str) -> None:
        """Keep an answer for the guest."""
        if len(self.replies) + len(text) <= MAX_REPLIES:
            self.replies += text.encode()

    def push_title(self) -> None:
        """XTWINOPS 22."""
        self._titles = [*self._titles, self.title][-MAX_TITLES:]

    def pop_title(self) -> None:
        """XTWINOPS 23."""
        if self._titles:
            self.title = self._titles.pop()


def parse_parameters(text: str) -> Parameters:
    """The parameters of a control sequence, as `Parameters` has them. An empty text has none."""
    if not text:
        return ()
    if ":" not in text:
        return tuple([int(part) if part else None for part in text.split(";")])
    return tuple(
        tuple(int(number) if number else None for number in part.split(":")) if ":" in part else int(part) if part else None
        for part in text.split(";")
    )


def _numbers(parameters: Parameters, defaults: tuple[int, ...]) -> list[int] | None:
    """The parameters for a function with these defaults, which are the least values too; None when one has colons."""
    numbers = []
    for index, default in enumerate(defaults):
        number = parameters[index] if index < len(parameters) else None
        if isinstance(number, tuple):
            return None
        numbers.append(default if number is None else max(number, default))
    return numbers


def _move_to(screen: Screen, row: int, column: int) -> None:
    screen.move_to(row - 1, column - 1)


def _move_to_column(screen: Screen, column: int) -> None:
    screen.move_to_column(column - 1)


def _move_to_row(screen: Screen, row: int) -> None:
    screen.move_to_row(row - 1)


def _next_lines(screen: Screen, count: int) -> None:
    screen.carriage_return()
    screen.down(count)


def _previous_lines(screen: Screen, count: int) -> None:
    screen.carriage_return()
    screen.up(count)


def _set_region(screen: Screen, top: int, bottom: int) -> None:
    screen.set_region(top - 1, (bottom or screen.grid.rows) - 1)


def _clear_tabs(screen: Screen, which: int) -> None:
    if which == 0:
        screen.tabs.discard(screen.x)
    elif which == 3:
        screen.tabs.clear()


def _set_cursor_shape(screen: Screen, number: int) -> None:
    mode_setting.set_cursor_shape(screen.modes, number)


def _shift(screen: Screen, *, out: bool) -> None:
    screen.charsets.shifted = out
    screen.refresh_writing()


def _designate(screen: Screen, *, g1: bool, draws: bool) -> None:
    if g1:
        screen.charsets.g1_draws = draws
    else:
        screen.charsets.g0_draws = draws
    screen.refresh_writing()


def _set_keypad(screen: Screen, *, application: bool) -> None:
    screen.modes.application_keypad = application


_SIMPLE: Final[dict[str, Callable[[Screen], None]]] = {
    "\r\n": Screen.new_line,
    "\n": Screen.index,
    "\v": Screen.index,
    "\f": Screen.index,
    "\r": Screen.carriage_return,
    "\b": Screen.backspace,
    "\t": Screen.tab,
    "\x0e": partial(_shift, out=True),
    "\x0f": partial(_shift, out=False),
    "\x1b(0": partial(_designate, g1=False, draws=True),
    "\x1b(B": partial(_designate, g1=False, draws=False),
    "\x1b)0": partial(_designate, g1=True, draws=True),
    "\x1b)B": partial(_designate, g1=True, draws=False),
    "\x1b7": Screen.save_cursor,
    "\x1b8": Screen.restore_cursor,
    "\x1b#8": editing.fill_for_alignment,
    "\x1b=": partial(_set_keypad, application=True),
    "\x1b>": partial(_set_keypad, application=False),
    "\x1bD": Screen.index,
    "\x1bE": Screen.new_line,
    "\x1bH": Screen.set_tab,
    "\x1bM": Screen.reverse_index,
    "\x1bc": Screen.reset,
}
"""Control functions without parameters. UK and other national sets (`ESC ( A`) aren't known, as in tmux."""

_FUNCTIONS: Final[dict[str, tuple[Callable[..., None], tuple[int, ...]]]] = {
    "@": (editing.insert_characters, (1,)),
    "A": (Screen.up, (1,)),
    "B": (Screen.down, (1,)),
    "C": (Screen.right, (1,)),
    "D": (Screen.left, (1,)),
    "E": (_next_lines, (1,)),
    "F": (_previous_lines, (1,)),
    "G": (_move_to_column, (1,)),
    "H": (_move_to, (1, 1)),
    "J": (editing.erase_in_display, (0,)),
    "K": (editing.erase_in_line, (0,)),
    "L": (editing.insert_lines, (1,)),
    "M": (editing.delete_lines, (1,)),
    "P": (editing.delete_characters, (1,)),
    "S": (editing.scroll_up, (1,)),
    "T": (editing.scroll_down, (1,)),
    "X": (editing.erase_characters, (1,)),
    "Z": (Screen.back_tab, (1,)),
    "`": (_move_to_column, (1,)),
    "a": (Screen.right, (1,)),
    "b": (Screen.repeat, (1,)),
    "d": (_move_to_row, (1,)),
    "e": (Screen.down, (1,)),
    "f": (_move_to, (1, 1)),
    "g": (_clear_tabs, (0,)),
    "r": (_set_region, (1, 0)),
    "s": (Screen.save_cursor, ()),
    "u": (Screen.restore_cursor, ()),
    " q": (_set_cursor_shape, (0,)),
    "!p": (Screen.reset_softly, ()),
}
"""Control sequences with plain parameters: private prefix, intermediates and final character, to function and defaults."""


def _set_modes(interpreter: Interpreter, parameters: Parameters, *, prefix: str, on: bool) -> None:
    for number in parameters:
        if isinstance(number, int):
            mode_setting.set_mode(interpreter.screen, f"{prefix}{number}", on)


def _report_mode(interpreter: Interpreter, parameters: Parameters, *, prefix: str) -> None:
    if parameters and isinstance(parameters[0], int):
        state = mode_setting.report(interpreter.screen, f"{prefix}{parameters[0]}")
        interpreter.reply(f"\x1b[{prefix}{parameters[0]};{state}$y")


def _report_status(interpreter: Interpreter, parameters: Parameters) -> None:
    """DSR 5, and 6 (CPR), which counts rows from the region's top in origin mode."""
    screen = interpreter.screen
    if parameters == (5,):
        interpreter.reply("\x1b[0n")
    elif parameters == (6,):
        row = screen.y - (screen.top if screen.modes.origin else 0)
        interpreter.reply(f"\x1b[{row + 1};{min(screen.x, screen.grid.columns - 1) + 1}R")


def _identify(interpreter: Interpreter, parameters: Parameters, *, answer: str) -> None:
    if parameters in ((), (0,), (None,)):
        interpreter.reply(answer)


def _window_operations(interpreter: Interpreter, parameters: Parameters) -> None:
    """XTWINOPS: the size in characters, and the stack of titles. Neither the title nor anything else is ever reported."""
    grid = interpreter.screen.grid
    if parameters[:1] == (18,):
        interpreter.reply(f"\x1b[8;{grid.rows};{grid.columns}t")
    elif parameters[:1] == (22,):
        interpreter.push_title()
    elif parameters[:1] == (23,):
        interpreter.pop_title()


_OTHERS: Final[dict[str, Callable[[Interpreter, Parameters], None]]] = {
    "h": partial(_set_modes, prefix="", on=True),
    "l": partial(_set_modes, prefix="", on=False),
    "?h": partial(_set_modes, prefix="?", on=True),
    "?l": partial(_set_modes, prefix="?", on=False),
    "$p": partial(_report_mode, prefix=""),
    "?$p": partial(_report_mode, prefix="?"),
    "n": _report_status,
    "c": partial(_identify, answer="\x1b[?1;2c"),  # a VT100 with advanced video, as tmux says
    ">c": partial(_identify, answer="\x1b[>0;0;0c"),
    ">q": partial(_identify, answer="\x1bP>|volant\x1b\\"),
    "t": _window_operations,
}
"""Control sequences that need more than the screen."""
