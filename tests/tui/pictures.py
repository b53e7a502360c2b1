"""Pictures of the main screens for README and docs, drawn from the same scenes as the frames.

python -m tests.tui.pictures   writes them into docs/pictures anew
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from math import sin
from pathlib import Path
from typing import Any

from rich.color import Color

from tests.tui import scenes_logs
from tests.tui.desks import Seat, event, vm
from tests.tui.scenes import FLEET, PRINTED, overview, rest
from tests.tui.scenes_console import busy
from tests.tui.scenes_host import LEFT_OVER, beside, host, measured
from tests.tui.scenes_logs import feed, gathered, line
from tests.tui.scenes_past import then
from volant.client.cli.text import width_of
from volant.tui.effects import Attach, Follow
from volant.tui.lines import Line
from volant.tui.model import Happened
from volant.tui.themes import Look

FOLDER = Path(__file__).parents[2] / "docs/pictures"
COMMAND = "python -m tests.tui.pictures"
"""What writes them anew."""

CELL, ROW, SIZE, EDGE = 8.4, 18, 14, 12
"""Pixels: a character's width, a line's height, the font's size, the margin."""
LARGE = 132, 26
"""Columns and lines of the first picture."""
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def svg(lines: list[Line], columns: int, look: Look) -> str:
    """The lines as a picture. Each span is as wide as its characters say, whatever font there is."""
    width, height = columns * CELL + 2 * EDGE, len(lines) * ROW + 2 * EDGE
    ground = _hex(look[""].bgcolor, "#000000")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="{FONT}" font-size="{SIZE}">',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{ground}"/>',
    ]
    for row, spans in enumerate(lines):
        x, top = float(EDGE), EDGE + row * ROW
        for text, name in spans:
            span = width_of(text) * CELL
            parts += _drawn(text, look, name, x, top, span, ground)
            x += span
    return "\n".join([*parts, "</svg>", ""])


def _drawn(text: str, look: Look, name: str, x: float, top: float, span: float, ground: str) -> list[str]:
    style = look[name]
    ink, paper = _hex(style.color, "#ffffff"), _hex(style.bgcolor, ground)
    if style.reverse:
        ink, paper = paper, ink
    found = [f'<rect x="{x:g}" y="{top:g}" width="{span:g}" height="{ROW}" fill="{paper}"/>'] if paper != ground else []
    bare = text.strip()
    if bare:
        start = x + width_of(text[: len(text) - len(text.lstrip())]) * CELL
        length = width_of(bare) * CELL
        bold = ' font-weight="bold"' if style.bold else ""
        place = f'x="{start:.6g}" y="{top + SIZE:g}" textLength="{length:.6g}"'
        found.append(f'<text {place} fill="{ink}"{bold} xml:space="preserve">{escape(bare)}</text>')
    return found


def _hex(color: Color | None, default: str) -> str:
    """The color as the picture needs it; a console's program may have named one of the terminal's own sixteen."""
    return color.get_truecolor().hex if color is not None and not color.is_default else default


BUSY = [
    vm(7, "cache-01", deployment="cache", memory_mb=1024),
    vm(8, "queue-01", plugin="rabbit", cpu_cores=2, memory_mb=1024, created_at="2026-01-21T11:00:00Z"),
    *(vm(10 + number, f"web-{number:02}", deployment="web", revision=2, created_at="2026-01-31T08:00:00Z") for number in range(3, 9)),
]


def home() -> Seat:
    """The list of a busy host, measured; the cursor has rested on a VM."""
    seat = Seat(*FLEET, *BUSY)
    for percent in (12, 20, 31, 54, 78, 66, 41, 35, 27, 31):
        seat.busy(percent, progressing=1, ready=3)
        seat.now += 2
    about = FLEET[1]
    seat.desk.heard(Happened((event(8, "VM_STARTING", about), event(10, "VM_FAILED", about, "the kernel panicked"))))
    seat.type("%")
    meter = next(each.tag for each in seat.effects(Follow) if each.method == "vm.stats_watch")
    up = [each for each in (*FLEET, *BUSY) if each["status"] == "ready"]
    for second in range(0, 80, 2):
        seat.desk.streamed(
            meter, [{"at_ns": second * 1_000_000_000, "items": [_used(each, number, second) for number, each in enumerate(up)]}]
        )
    seat.type("/ 'name:web-01' enter escape")
    rest(seat, *LARGE)
    attach = next(each.tag for each in seat.effects(Attach))
    seat.desk.streamed(attach, [{"offset": 0}, PRINTED])
    seat.asked()
    web = FLEET[4]
    seat.answer({"items": (event(4, "VM_RUNNING", web, "pid 4005"), event(6, "VM_READY", web, "ready after 812ms")), "seq": 7, "oldest": 1})
    return seat


def _used(about: dict[str, Any], number: int, second: int) -> dict[str, Any]:
    """A VM that is busier at some times than at others, each at its own."""
    wave = second * (0.4 + 1.6 * (number % 4)) + 12 * sin(second / (9 + number))
    return {
        "id": about["id"],
        "name": about["name"],
        "boot": 1,
        "cpu_ns": int(max(0.0, wave) * 1e8),
        "memory_bytes": (60 + 9 * number + second // 2) << 20,
    }


def chatty() -> Seat:
    """Output of several VMs, with a line that was lost, and one that is chosen."""
    seat = scenes_logs.opened(Seat(*scenes_logs.WEBS))
    words = ["GET /status 200 1 ms", "GET /items?page=2 200 14 ms", "POST /items 201 22 ms", "cache refilled with 812 entries"]
    feed(seat, "web-1", [line(number, words[number % 4]) for number in range(1, 9)])
    feed(seat, "web-2", [line(number, words[(number + 2) % 4], second=number) for number in range(1, 5)])
    feed(seat, "web-2", [line(8, "slow query 812 ms id=77", "stderr", second=6), line(9, "retrying once", "stderr", second=7)])
    slow = {"level": "warn", "msg": "slow query", "took_ms": 812, "query": {"table": "items", "rows": 20_400, "index": None}}
    feed(seat, "web-1", [line(9, json.dumps(slow), second=9), line(10, "GET /items?page=3 200 12 ms")])
    gathered(seat).screen(132, 20)
    seat.type("k")
    return seat


PICTURES: dict[str, tuple[Callable[[], Seat], int, int]] = {
    "vms": (home, *LARGE),
    "vm": (overview("", 132, 24), 132, 24),
    "console": (busy, 80, 28),
    "metrics": (measured, 100, 22),
    "deployments": (beside, 132, 28),
    "logs": (chatty, 132, 20),
    "host": (host(LEFT_OVER), 100, 30),
    "past": (then(": 'past' enter ) ) space", "@ '11:59:06' enter"), 100, 15),
}


def drawn(name: str) -> str:
    scene, columns, rows = PICTURES[name]
    return svg(scene().desk.frame(columns, rows), columns, Look("dark"))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        (FOLDER / f"tui-{name}.svg").write_text(drawn(name))
