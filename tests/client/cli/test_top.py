"""`volant top`: its table, its keys, and what a script gets of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.cli.conftest import COMMAND, Run
from tests.client.cli.ptys import Terminal
from tests.client.cli.records import vm
from tests.fakes.rpc_server import RpcServer, Served
from volant.client.cli.commands.top import Measured, Screen, in_order, rows_of

MIB = 1024 * 1024
VMS = [vm("web-1", id="a", restarts=0), vm("web-2", id="b", restarts=3), vm("db-1", id="c", status="stopped", memory_mb=512, restarts=0)]


def reading(at_s: float, **cpu_s: float) -> dict[str, Any]:
    """What the host was asked at a time: how long each VM has run, and that it has a MiB for each letter."""
    items = [
        {"id": id, "name": id, "boot": 1, "cpu_ns": int(used * 1e9), "memory_bytes": (ord(id) - 96) * MIB} for id, used in cpu_s.items()
    ]
    return {"at_ns": int(at_s * 1e9), "items": items}


@pytest.fixture
def host(server: RpcServer) -> RpcServer:
    """Two VMs that run, of which the second is busier, and one that is stopped."""

    def stats(call: Served) -> object:
        for at in range(4):
            call.item(reading(at, a=at * 0.25, b=at * 1.5))
        call.wait_over()
        return {}

    def watch(call: Served) -> object:
        call.item({"items": VMS, "gone": [], "seq": 1, "complete": True})
        call.wait_over()
        return {}

    server.handlers |= {
        "vm.list": lambda call: {"items": VMS, "total": 3, "seq": 1}, "vm.stats_watch": stats, "vm.watch": watch,
    }  # fmt: skip
    return server


@pytest.fixture
def terminal(host: RpcServer, environment: dict[str, str]) -> Iterator[Terminal]:
    opened = Terminal([*COMMAND, "top"], environment, rows=12, columns=90)
    yield opened
    opened.close()


def test_a_script_gets_one_reading(volant: Run, host: RpcServer) -> None:
    done = volant("top")
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert header[:4] == ["NAME", "STATUS", "CPU%", "RSS"]
    assert [row[:4] for row in rows] == [
        ["web-2", "ready", "150.0", str(2 * MIB)], ["web-1", "ready", "25.0", str(MIB)], ["db-1", "stopped", "", "0"],
    ]  # fmt: skip
    assert host.params("vm.stats_watch") == {"every_ms": 2_000}


def test_a_script_gets_as_many_readings_as_it_asks_for(volant: Run, host: RpcServer) -> None:
    done = volant("vm", "top", "-n", "2", "--every", "1s", "--sort", "name", "-o", "jsonl")
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == ["db-1", "web-1", "web-2"] * 2
    assert host.params("vm.stats_watch") == {"every_ms": 1_000}
    assert volant("top", "--sort", "colour").returncode == 2


@pytest.mark.parametrize(
    ("wanted", "names"),
    [("cpu>100", ["web-2"]), ("rss>=2M", ["web-2"]), ("cpu<100 web", ["web-1"]), ("state:stopped|cpu>100", ["web-2", "db-1"])],
)
def test_vms_are_chosen_by_what_they_cost(volant: Run, host: RpcServer, wanted: str, names: list[str]) -> None:
    assert volant("top", "--filter", wanted, "-o", "name").stdout.split() == names


def test_a_filter_that_can_not_be_read_is_named_at_once(volant: Run, host: RpcServer) -> None:
    done = volant("top", "--filter", "cpu>many")
    assert done.returncode == 2 and "'many' is no number" in done.stderr


def test_it_is_live_on_a_terminal_and_gives_it_back(terminal: Terminal) -> None:
    shown = terminal.see(b"150.0")
    assert b"3 VMs: 2 ready, 1 stopped" in shown and b"q leave" in shown
    terminal.screen = b""
    terminal.type(b"n")
    terminal.see(b"by name")
    terminal.type(b"q")
    code, shown_last = terminal.finish()
    assert code == 0 and terminal.restored
    assert "\x1b[?1049l" in shown_last and "\x1b[?25h" in shown_last


def test_ctrl_c_leaves_too(terminal: Terminal) -> None:
    terminal.see(b"150.0")
    terminal.type(b"\x03")
    assert terminal.finish()[0] == 130
    assert terminal.restored


def test_keys_choose_the_order() -> None:
    screen = Screen("cpu", 2_000)
    screen.records, screen.readings = VMS, {"a": (25.0, 5 * MIB), "b": (150.0, 2 * MIB)}

    def order() -> list[str]:
        return [line.split()[0] for line in screen.lines(100, 10, colour=False) if line.startswith(("web", "db"))]

    assert order() == ["web-2", "web-1", "db-1"]
    assert not screen.press(b"R") and order() == ["web-1", "web-2", "db-1"]
    assert not screen.press(b"m") and order() == ["db-1", "web-1", "web-2"]
    assert not screen.press(b"ti") and order() == ["web-1", "db-1", "web-2"]
    assert screen.press(b"q") and screen.press(b"\x1b")
    with pytest.raises(KeyboardInterrupt):
        screen.press(b"\x03")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 5), (20, 3), (10, 1), (200, 60)])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    screen = Screen("cpu", 2_000)
    screen.records = [vm(f"vm-{at}", id=str(at), restarts=0) for at in range(50)]
    lines = screen.lines(width, height, colour=False)
    assert len(lines) == height
    assert width < 30 or all(len(line) <= width for line in lines)
    assert "measuring" in lines[0] or width < 80


def test_the_first_reading_says_nothing_yet_and_a_new_boot_begins_anew() -> None:
    measured = Measured()
    assert measured.after(reading(1, a=1)) is None
    assert measured.after(reading(2, a=1.5, b=9)) == {"a": (50.0, MIB), "b": (None, 2 * MIB)}
    assert [row["cpu_percent"] for row in in_order(rows_of(VMS, {"b": (None, 1)}), "name")] == [None, None, None]
