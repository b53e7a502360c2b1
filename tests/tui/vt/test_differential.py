"""Our terminal and tmux hold the same cells, cursor, modes and scrollback after the same bytes.

Recordings of real programs (`sessions/`, made by record.py) are cut at fixed and at random places; generated streams reach what no program
prints. Where ours differs on purpose the streams don't go.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tui.vt.grids import assert_same
from tests.tui.vt.tmux import Tmux, tmux_server
from volant.tui.vt.terminal import Terminal

SESSIONS = {path.stem: gzip.decompress(path.read_bytes()) for path in sorted((Path(__file__).parent / "sessions").glob("*.gz"))}
CUTS = [0.25, 0.5, 0.75, 1.0, "random-1", "random-2"]


@pytest.fixture(scope="module")
def tmux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tmux]:
    with tmux_server(tmp_path_factory.mktemp("tmux")) as server:
        yield server


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_session_looks_as_in_tmux(tmux: Tmux, name: str, cut: float | str) -> None:
    data = SESSIONS[name]
    chance = random.Random(f"{name} {cut}")
    data = data[: int(len(data) * (cut if isinstance(cut, float) else chance.random()))]
    pane, terminal = tmux.pane(), Terminal()
    pane.feed(data)
    while data:
        size = chance.choice((1, 7, 100, 4_096))
        terminal.feed(data[:size])
        data = data[size:]
    assert_same(terminal, pane)


def test_the_sessions_are_there() -> None:
    assert {"vim", "htop", "top", "less", "ls", "shell", "boot", "unicode", "colours", "drawing"} <= SESSIONS.keys()


COLUMNS, ROWS = 40, 12
number = st.sampled_from(["", "0", "1", "2", "3", "5", "9", "30", "200"])
narrow = st.sampled_from(["a", "hello", "xyz 123", "W" * 30, "t" * 90, "é", "─│", "  ", "Ж"])
wide = st.sampled_from(["世", "界世", "한글", "ｈｉ", "👍🏽", "e\u0301", "\u2764\ufe0f", "👩\u200d👩\u200d👧", "a\u0308\u0323"])
place = st.builds("\x1b[{};{}H".format, st.integers(1, ROWS + 1), st.sampled_from([1, 2, 3, 10, 38, 39, 40, 41]))
control = st.sampled_from(["\r\n", "\r", "\n", "\b", "\t", "\v", "\x0e\x0f"])
rendition = st.builds(
    "\x1b[{}m".format,
    st.lists(
        st.sampled_from(
            ["", "0", "1", "2", "22", "31", "44", "7", "9", "53", "48;5;200", "38;2;1;2;3", "4:3", "58;5;3", "48:2::9:8:7", "105", "97"]
        )
    ).map(";".join),
)
motion = st.builds("\x1b[{}{}".format, number, st.sampled_from("ABCDEFGZ`d"))
change = st.builds("\x1b[{}{}".format, number, st.sampled_from("JKSTX"))
shifting = st.one_of(
    st.builds("\x1b[{}P".format, number),
    # More than half of the rest of the line isn't blanked by tmux.
    st.builds("\x1b[{}G\x1b[{}@".format, st.integers(1, 24), st.integers(1, 6)),
)
region = st.one_of(
    st.builds("\x1b[{};{}r".format, st.integers(1, 5), st.integers(6, ROWS)),
    # Outside of the region tmux does something of its own.
    st.builds("\x1b[r\x1b[{}H\x1b[{}{}".format, st.integers(1, ROWS), number, st.sampled_from("LM")),
    st.builds("\x1b[3;9r\x1b[{}H\x1b[{}{}".format, st.integers(3, 9), number, st.sampled_from("LM")),
)
switch = st.sampled_from(
    [
        "\x1b7",
        "\x1b8",
        "\x1b[?25l",
        "\x1b[?6h",
        "\x1b[?6l",
        "\x1bM",
        "\x1bD",
        "\x1bE",
        "\x1bH",
        "\x1b[3g",
        "\x1b[g",
        "\x1b(0",
        "\x1b(B",
        "\x1b#8",
        "\x1b[?1h",
        "\x1b=",
        "\x1b>",
        "\x1b[?1002h",
        "\x1b[?1006h",
        "\x1b[?1000l",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b[?47h",
        "\x1b[?1047l",
    ]
)
broken = st.sampled_from(
    ["\x1b[3\n4Cx", "\x1b[5\x18y", "\x1b[;;;H", "\x1b[1;2\x1b[3Cz", "\x1b]0;a\x1b[Cw", "\x1b[<5X", "\x1b[1:2A", "\x1b[1$x", "\x1b[\x7f2C"]
)
streams = [
    st.lists(st.one_of(narrow, narrow, wide, place, control, rendition, motion, change, region, switch, broken), min_size=3, max_size=60),
    st.lists(st.one_of(narrow, narrow, place, control, rendition, motion, change, shifting, region, switch), min_size=3, max_size=60),
]


@pytest.mark.parametrize("kind", [0, 1], ids=["wide", "shifting"])
def test_generated_streams_look_as_in_tmux(tmux: Tmux, kind: int) -> None:
    # The same examples each time: one that tmux alone gets wrong is looked at by whoever changes the streams.
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(streams[kind])
    def look(parts: list[str]) -> None:
        pane, terminal = tmux.pane(COLUMNS, ROWS), Terminal(COLUMNS, ROWS)
        pane.feed("".join(parts).encode())
        for part in parts:
            terminal.feed(part.encode())
        assert_same(terminal, pane)

    look()


SIZES = [[(60, 12)], [(25, 12)], [(40, 6)], [(40, 20)], [(25, 5), (70, 20)], [(10, 4), (40, 12), (14, 9)]]
TEXTS = {
    "lines": "".join(f"\x1b[3{n % 8}mline {n} {'x' * n}\x1b[m\r\n" for n in range(30)) + "$ ",
    "wrapped": "".join(f"{n} " + "word " * n + "\r\n" for n in range(1, 25, 3)) + "$ cursor in the middle\x1b[8D",
    "wide": "\r\n".join("世界" * n + "e\u0301" + "漢" * n for n in range(1, 20, 2)) + "\x1b[3A",
    "alternate": "primary " * 30 + "\r\n$ \x1b[?1049h\x1b[2;2Halternate\x1b[3;1H" + "-" * 40,
}
# tmux loses lines when it makes ones with wide characters narrower that it joined before.
RESIZED = [(name, sizes) for name in TEXTS for sizes in SIZES if name != "wide" or len(sizes) < 3]


@pytest.mark.parametrize(("name", "sizes"), RESIZED, ids=str)
def test_a_resized_terminal_looks_as_in_tmux(tmux: Tmux, name: str, sizes: list[tuple[int, int]]) -> None:
    text = TEXTS[name]
    pane, terminal = tmux.pane(40, 12), Terminal(40, 12)
    pane.feed(text.encode())
    terminal.feed(text.encode())
    for columns, rows in sizes:
        pane.resize(columns, rows)
        terminal.resize(columns, rows)
    if name == "alternate":
        pane.feed(b"\x1b[?1049l")
        terminal.feed(b"\x1b[?1049l")
    assert_same(terminal, pane)
