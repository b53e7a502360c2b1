"""The screens of tests/tui/frames: what was done to get there, and how large the terminal is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tui import scenes_calls, scenes_console, scenes_host, scenes_logs, scenes_past
from tests.tui.desks import Seat, event, vm
from volant.tui.effects import Attach, Follow, Run
from volant.tui.model import Happened, Lost

FOLDER = Path(__file__).parent / "frames"
COMMAND = "python -m tests.tui.scenes"
"""What writes them anew."""

FLEET = [
    vm(1, "agent-01", deployment="agent", restarts=3, created_at="2026-01-31T11:34:00Z"),
    vm(2, "build-01", status="failed", restart="on-failure", restarts=2, boot=3, reason="the kernel panicked",
       created_at="2026-01-31T11:39:00Z", started_at="2026-01-31T11:59:08Z", stopped_at="2026-01-31T11:59:10Z",
       error={"code": "failed.launch", "message": "the kernel panicked: no init", "hint": "look at its console", "data": {}}),
    vm(3, "cache-02", status="starting", memory_mb=1024, created_at="2026-01-31T11:59:58Z", deployment="cache"),
    vm(4, "db-01", status="stopped", memory_mb=2048, cpu_cores=4, labels={"protected": "true"}),
    vm(5, "web-01", deployment="web", revision=1, created_at="2026-01-30T11:00:00Z", labels={"env": "prod", "team": "storefront"},
       mac="52:54:00:5e:00:05", forwards=[{"host_ip": "127.0.0.1", "host_port": 8080, "guest_port": 80, "protocol": "tcp"}]),
    vm(6, "web-02", deployment="web", status="paused", labels={"env": "prod"}, plugin="a-plugin-with-a-long-name"),
]  # fmt: skip


def fleet(**options: Any) -> Seat:
    seat = Seat(*FLEET, **options)
    seat.busy(31, progressing=1, ready=2)
    return seat


def opened() -> Seat:
    """One VM, with its answer."""
    seat = fleet()
    seat.desk.heard(Happened((event(8, "VM_STARTING", FLEET[1]), event(10, "VM_FAILED", FLEET[1], "the kernel panicked"))))
    seat.type("j enter")
    seat.asked()
    console = "[    0.8] Kernel panic - not syncing: No working init found.\n[    0.9] ---[ end Kernel panic ]---"
    seat.answer({**FLEET[1], "error": {**FLEET[1]["error"], "data": {"console": console}}})
    return seat


PRINTED = b"""\x1b[32mweb-01\x1b[0m login: root\r
Last login: Sat Jan 31 11:02:00 UTC 2026 on ttyS0\r
web-01:~# uptime\r
 11:58:01 up 1 day, load average: 0.02, 0.01, 0.00\r
web-01:~# """


def glanced(keys: str, columns: int, rows: int) -> Callable[[], Seat]:
    """The cursor has rested on a VM, whose console and events have come."""

    def scene() -> Seat:
        seat = fleet()
        seat.desk.heard(Happened((event(8, "VM_STARTING", FLEET[1]), event(10, "VM_FAILED", FLEET[1], "the kernel panicked"))))
        seat.type(keys)
        rest(seat, columns, rows)
        (attach,) = seat.effects(Attach)
        seat.glance = attach.tag
        seat.desk.streamed(attach.tag, [{"offset": 0}, PRINTED])
        chosen = seat.desk.home.rows.record
        assert chosen is not None
        seat.asked()
        told = (event(4, "VM_RUNNING", dict(chosen), "pid 4005"), event(6, "VM_READY", dict(chosen), "ready after 812ms"))
        seat.answer({"items": told, "seq": 7, "oldest": 1})
        return seat

    return scene


def rest(seat: Seat, columns: int, rows: int) -> None:
    """Nobody touches a key for a moment."""
    seat.screen(columns, rows)
    seat.now += 1
    seat.screen(columns, rows)


def overview(keys: str = "", columns: int = 140, rows: int = 30) -> Callable[[], Seat]:
    """One VM on a large terminal: measured, with what happened to it."""

    def scene() -> Seat:
        seat = fleet()
        seat.type("G k enter")
        (meter,) = (each for each in seat.effects(Follow) if each.method == "vm.stats_watch")
        web = FLEET[4]
        item = {"id": web["id"], "name": "web-01", "boot": 1}
        for second in range(0, 60, 2):
            used = {**item, "cpu_ns": second**2 * 7_000_000, "memory_bytes": (40 + second) << 20}
            seat.desk.streamed(meter.tag, [{"at_ns": second * 1_000_000_000, "items": [used]}])
        seat.asked()
        seat.answer(web)
        seat.screen(columns, rows)
        seat.type(keys) if keys else None
        seat.asked()
        started = {**event(3, "VM_STARTING", web), "data": {"ask": "vm.start", "author": "uid:0(root)", "trace": {"id": "f3", "depth": 1}}}
        told = (started, event(4, "VM_RUNNING", web, "pid 4005"), event(6, "VM_READY", web, "ready after 812ms"))
        seat.answer({"items": told, "seq": 7, "oldest": 1})
        return seat

    return scene


def config() -> Seat:
    seat = fleet()
    seat.type("j j j j y")
    seat.asked()
    first: dict[str, Any] = {"version": 1, "note": "created", "changes": [], "created_at": "2026-01-31T10:00:00Z",
             "author": "uid:0(root)", "origin": "", "config": {"cpu_cores": 1, "memory_mb": 256, "env": {"COLOUR": "blue"}}}  # fmt: skip
    second = {
        **first,
        "version": 2,
        "note": "changed",
        "created_at": "2026-01-31T11:50:00Z",
        "config": {**first["config"], "memory_mb": 512},
    }
    seat.answer({"name": "web-01", "config_version": 2, "running_version": 1, "pending_changes": ["memory_mb"], "shown": second})
    seat.type("tab")
    seat.asked()
    seat.answer({"name": "web-01", "running_version": 1, "items": [first, second]})
    return seat


def typed(keys: str, **options: Any) -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = fleet(**options)
        seat.type(keys)
        return seat

    return scene


def then(scene: Callable[[], Seat], keys: str) -> Callable[[], Seat]:
    """A scene, and keys that are typed into it."""

    def further() -> Seat:
        seat = scene()
        seat.type(keys)
        return seat

    return further


def lost() -> Seat:
    seat = fleet()
    seat.lose()
    seat.now += 12
    return seat


def down() -> Seat:
    seat = Seat(live=False)
    seat.desk.heard(Lost(seat.now, "no daemon listens on /run/volant/volantd.sock", "start it: systemctl start volantd", seat.now + 5))
    return seat


def output() -> Seat:
    seat = fleet()
    seat.type(": 'vm_explain_web-01' enter")
    (run,) = seat.effects(Run)
    seat.desk.streamed(run.tag, ["TIME          SOURCE  WHAT", "11:00:00.000  state   boot 1 starts", "\x1b[31mred\x1b[0m"])
    seat.desk.answered(run.tag, 0)
    return seat


def events() -> Seat:
    seat = fleet()
    seat.type(": 'events' enter")
    seat.asked()
    seat.answer({"items": [event(seq, "VM_READY", FLEET[seq % 6]) for seq in range(1, 8)], "seq": 7, "oldest": 1})
    seat.desk.heard(Happened((event(8, "VM_CRASHED", FLEET[4], "the VMM ended unasked"),)))
    return seat


SCENES: dict[str, tuple[Callable[[], Seat], int, int]] = {
    "vms-80x24": (fleet, 80, 24),
    "vms-140x40": (glanced("j j j j", 140, 40), 140, 40),
    "vms-110x24": (glanced("j j j j", 110, 24), 110, 24),
    "vms-failed-140x24": (glanced("j", 140, 24), 140, 24),
    "vms-60x15": (fleet, 60, 15),
    "vms-20x5": (fleet, 20, 5),
    "vms-ascii": (typed("space", ascii=True), 80, 16),
    "filter": (typed("/ 'state:failed|web'"), 80, 16),
    "filter-wrong": (typed("/ 'web_colour:red'"), 80, 16),
    "command": (typed(": 'vm_st' tab"), 80, 16),
    "menu": (typed("x"), 80, 20),
    "question": (typed("* x S"), 80, 20),
    "question-protected": (typed("j j j delete"), 80, 20),
    "sort": (typed("o"), 80, 24),
    "help": (typed("?"), 80, 30),
    "empty": (Seat, 80, 16),
    "lost": (lost, 80, 16),
    "down": (down, 80, 16),
    "vm-80x24": (opened, 80, 24),
    "vm-140x30": (overview(), 140, 30),
    "vm-events-140x24": (then(overview("e"), "j j"), 140, 24),
    "vm-events-80x14": (then(overview("e", 80, 14), "j"), 80, 14),
    "vm-history": (config, 80, 20),
    "output": (output, 80, 12),
    "events": (events, 80, 14),
    "events-chosen-140x24": (then(events, "k k"), 140, 24),
    **scenes_calls.SCENES,
    **scenes_console.SCENES,
    **scenes_host.SCENES,
    **scenes_past.SCENES,
    **scenes_logs.SCENES,
}


def drawn(name: str) -> str:
    scene, width, height = SCENES[name]
    return scene().screen(width, height) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in SCENES:
        (FOLDER / f"{name}.txt").write_text(drawn(name))
