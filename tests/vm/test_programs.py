"""Full-screen programs of a real guest look and listen in the terminal UI's console as they do in tmux.

Each is used twice with the same keys: by `volant console`, whose bytes tmux draws, and in the pane. After each step both show the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.rig import VOLANT, Rig
from tests.tui.tmux import DEADLINE_S, Tmux, terminal
from tests.tui.vt.tmux import Row, parse
from tests.vm.programs import PROGRAMS, VIM_AT_TEXT, found, programs_host
from volant.client.cli.text import width_of
from volant.tui.vt.styles import DEFAULT, Attribute

pytestmark = [pytest.mark.vm, pytest.mark.skipif(len(found()) < len(PROGRAMS), reason="vim, htop and less are not all installed")]

COLUMNS, ROWS = 80, 20
ABOVE, AROUND = 2, 4
"""Lines of the UI above the pane, and of all its lines that are not the pane."""
BLANK = (" ", DEFAULT)
QUIET_S = 0.4
"""A program that has shown what it was to show, and then nothing for so long, is done."""


class Step(NamedTuple):
    """Something that somebody does at the terminal."""

    keys: Sequence[str]
    """As tmux names them; other words are typed letter by letter."""
    shows: str
    """A pattern of what is drawn last."""
    size: tuple[int, int] | None = None
    """Columns and rows that the terminal is given first."""


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    with programs_host(media) as made:
        yield made


class Screen:
    """The part of a terminal that is the guest's."""

    def __init__(self, tmux: Tmux, *, above: int, around: int) -> None:
        self.tmux, self._above, self._around = tmux, above, around
        self.columns, self.rows = COLUMNS, ROWS

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.tmux.resize(columns, rows + self._around)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.tmux.screen.split("\n")[self._above : self._above + self.rows])

    def cells(self) -> list[Row]:
        """Every cell's character and look, the cursor's reversed, without the plain blanks behind the last one of a line."""
        shown = self.tmux.run("capture-pane", "-p", "-e", "-N")
        rows = parse(shown.removesuffix("\n"))[self._above : self._above + self.rows]
        visible, x, y = map(int, self.tmux.run("display-message", "-p", "#{cursor_flag} #{cursor_x} #{cursor_y}").split())
        if visible:
            row = rows[y - self._above]
            row += [BLANK] * (x + 1)
            columns = list(accumulate((width_of(text) for text, _ in row), initial=0))
            at = columns.index(x)
            text, style = row[at]
            row[at] = text, style._replace(attributes=style.attributes ^ int(Attribute.REVERSE))
        return [_without_blanks(row) for row in rows]


def _without_blanks(row: Row) -> Row:
    while row and row[-1] == BLANK:
        row = row[:-1]
    return row


def do(screen: Screen, step: Step) -> None:
    if step.size is not None:
        screen.resize(*step.size)
    screen.tmux.type(*step.keys)


def shown(screen: Screen, step: Step, log: Path) -> list[Row]:
    """What is there after the step, once it is what is expected and nothing more comes. `log` is of all that the guest prints."""
    printed = log.stat().st_size
    do(screen, step)
    end = time.monotonic() + DEADLINE_S
    last, since = ("", 0), time.monotonic()
    while last[1] == printed or not re.search(step.shows, last[0], re.MULTILINE) or time.monotonic() - since < QUIET_S:
        assert time.monotonic() < end, f"{step.shows!r} never came; there is\n{last[0]}"
        if (now := (screen.text, log.stat().st_size)) != last:
            last, since = now, time.monotonic()
    return screen.cells()


def differences(ours: list[Row], theirs: list[Row]) -> str:
    """Where the first row that differs does so, and what is there."""
    for number, (row, other) in enumerate(zip(ours, theirs, strict=True)):
        if row != other:
            at = next((at for at, pair in enumerate(zip(row, other, strict=False)) if pair[0] != pair[1]), min(len(row), len(other)))
            return f"row {number} from cell {at}: {row[at : at + 5]}, in tmux {other[at : at + 5]}"
    return ""


VIM = [
    Step([f"clear; {VIM_AT_TEXT}", "Enter"], r'^"/tmp/text"'),
    Step([":set ruler number list", "Enter"], r"1,1 +Top$"),
    Step(["5Gdd3p"], r"6,1 +Top$"),
    Step(["Oa new line 世界 é", "Enter", "Tab", "two"], r"^-- INSERT -- +7,\S+ +Top$"),
    Step(["Escape"], r"^ +7,\S+ +Top$"),
    Step(["Up", "End", "Left"], r" 6,\S+ +Top$"),
    Step(["/line 150", "Enter"], r" 15\d,1 +\d+%$"),
    Step(["V3j>"], r"^4 lines >ed 1 time +\S+ +\d+%$"),
    Step(["G", "C-b"], r" \d+,\S+ +\d+%$"),
    Step(["G"], r" \d+,\S+ +Bot$"),
    Step([":split", "Enter", "gg", "C-w", "j"], r" \d+,\S+ +Bot$"),
    Step([":vsplit", "Enter", "PageUp"], r"^/tmp/text \[\+\].* \d+,\S+ +\d+% /tmp/text"),
    Step([], r" Bot\n.*\Z", size=(100, 26)),
    Step([":only", "Enter", ":40", "Enter", "zt"], r" 40,1 +\d+%\Z"),
    Step([], r" 40,1 +\d+%\Z", size=(50, 12)),
    Step([], r" 40,1 +\d+%\Z", size=(80, 20)),
    Step(["5", "Down", "D"], r" 45,\S+ +\d+%\Z"),
    Step([":q!", "Enter"], r"^guest>$"),
]
LESS = [
    Step(["clear; /bin/less -M /tmp/text", "Enter"], r"^/tmp/text lines 1-19/\d+ \d+%\Z"),
    Step(["Space", "Down", "PageDown"], r"lines \d+-\d+/\d+ \d+%"),
    Step(["/1[0-9]5 of", "Enter"], r"lines 10\d-\d+/\d+"),
    Step(["n", "n", "N"], r"lines \d+-\d+/\d+"),
    Step(["G"], r"\(END\)"),
    Step(["-", "S", "Enter", "Enter"], r"\(END\)"),
    Step(["Right", "Right", "Left"], r"\(END\)|lines"),
    Step(["g", "h"], r"^HELP -- .*\Z"),
    Step([], r"^HELP -- .*\Z", size=(100, 26)),
    Step(["q"], r"lines \d+-\d+/\d+ \d+%\Z"),
    Step([], r"lines 1-19/\d+ \d+%\Z", size=(80, 20)),
    Step(["q"], r"^guest>$"),
]
HTOP = [
    Step(["clear; rm -rf /.config; htop -d 100 --sort-key PID", "Enter"], r"F10Quit"),
    Step(["Down", "Down"], r"F10Quit"),
    Step(["F5"], r"F5List"),
    Step(["F1"], r"e: show process environment\Z"),
    Step(["Space"], r"F5List"),
    Step(["F6"], r"EnterSort"),
    Step(["Down", "Down", "Enter"], r"PRI.*\n(.*\n)+F1Help.*F10Quit"),
    Step(["F3", "httpd"], r"Search: httpd"),
    Step(["Escape"], r"F10Quit"),
    Step(["F4", "sh"], r"Filter: sh"),
    Step(["Enter"], r"F10Quit"),
    Step(["F2"], r"Categories"),
    Step(["Down", "Right", "Down"], r"Categories"),
    Step(["F10"], r"F10Quit"),
    Step([], r"F10Quit\Z", size=(100, 26)),
    Step([], r"F10Quit\Z", size=(80, 20)),
    Step(["F10"], r"^guest>$"),
]


def without_figures(rows: list[Row]) -> list[Row]:
    """htop's screen without what is another at each look: numbers and bars of the meters, and of each process all but its user and its
    command."""
    still = []
    heads: tuple[tuple[int, int], ...] = ()
    for row in rows:
        text = "".join(character for character, _ in row)
        if re.search(r"(CPU|Mem|Swp)\[.*\]", text):
            first, end = text.index("["), text.index("]")
            row = [BLANK if first < at < end or cell[0].isdigit() else cell for at, cell in enumerate(row)]
        elif heads:
            row = [BLANK if any(first <= at < end for first, end in heads) else cell for at, cell in enumerate(row)]
        elif re.search(r"PID.USER .* PRI.* TIME\+", text):
            heads = (text.index("PID") - 2, text.index("USER")), (text.index("PRI"), text.index("TIME+") + len("TIME+ "))
        still.append(row)
    return still


@pytest.mark.parametrize(
    ("steps", "kept"),
    [pytest.param(VIM, list, id="vim"), pytest.param(LESS, list, id="less"), pytest.param(HTOP, without_figures, id="htop")],
)
def test_a_program_looks_as_in_tmux(host: Rig, steps: Sequence[Step], kept: Callable[[list[Row]], list[Row]]) -> None:
    environ = {"VOLANT_SOCKET": str(host.socket)}
    (log,) = (host.state / "vms").glob("*/console.log")
    with terminal(*VOLANT, "console", "web", "--no-history", environ=environ, columns=COLUMNS, rows=ROWS) as attached:
        attached.see("Ctrl-]")
        attached.type("Enter")
        attached.see("guest>")
        reference = Screen(attached, above=0, around=0)
        expected = [kept(shown(reference, step, log)) for step in steps]
        attached.type("C-]")
        attached.see("left with 0")
    with terminal(environ=environ, columns=COLUMNS, rows=ROWS + AROUND) as ui:
        ui.see("web")
        ui.type("c", "i")
        ui.see("TYPING")
        ui.write("\rclear\r")
        ui.until(lambda screen: screen.splitlines()[ABOVE].rstrip() == "guest>", "the prompt")
        pane = Screen(ui, above=ABOVE, around=AROUND)
        for step, there in zip(steps, expected, strict=True):
            do(pane, step)
            end = time.monotonic() + DEADLINE_S
            while different := differences(kept(pane.cells()), there):
                assert time.monotonic() < end, f"{step}: {different}\n{pane.text}"
