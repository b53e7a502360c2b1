"""A real guest's console in the terminal UI: full-screen programs look as they do in tmux, and know the pane's size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.complaints import manifest
from tests.patience import until
from tests.rig import Rig, rig
from tests.tui.tmux import Tmux, terminal
from tests.tui.vt.tmux import tmux_server

pytestmark = [pytest.mark.vm]

SHELL = "for n in $(seq 200); do echo line $n of many; done > /tmp/text; export TERM=linux PS1='guest> '; "
SHELL += "while true; do setsid -c sh -i < /dev/ttyS0 > /dev/ttyS0 2>&1; sleep 1; done"
"""A workload that gives whoever types on the serial line a shell, with job control."""
COLUMNS, ROWS = 80, 24
PANE_ROWS = 20
"""Of the console: top line, crumbs, keys and status take the others."""


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    """A daemon with one VM, web, that has a shell on its console."""
    base = media / "plugin.json"
    workload = json.loads(base.read_text())["workload"] | {"entrypoint": ("/bin/sh", "-c", SHELL)}
    with rig(network="none") as made:
        made.start()
        made.volant("plugin", "install", manifest(base.parent / "shell.json", base, name="shell", workload=workload, health_check=None))
        made.volant("vm", "create", "web", "--plugin", "shell", "--wait", "ready")
        yield made
        made.volant("vm", "delete", "web", "--force")


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    """The pane, with the keyboard."""
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}, columns=COLUMNS, rows=ROWS) as made:
        made.see("web")
        made.type("c", "i")
        made.see("TYPING")
        made.type("Enter")
        made.see("guest>")
        yield made


def test_programs_of_a_real_guest_look_as_in_tmux(host: Rig, ui: Tmux, tmp_path: Path) -> None:
    """busybox's vi, less and top: what the guest has."""
    (log,) = (host.state / "vms").glob("*/console.log")

    def alike() -> bool:
        """Whether the pane shows what tmux makes of the same bytes."""
        pane = server.pane(COLUMNS, PANE_ROWS)
        pane.feed(log.read_bytes())
        expected = server.run("capture-pane", "-p", "-t", pane.target).split("\n")[:PANE_ROWS]
        return [line.rstrip() for line in expected] == [line.rstrip() for line in ui.screen.split("\n")[2 : 2 + PANE_ROWS]]

    def shows(text: str) -> None:
        ui.see(text)
        until(alike)

    with tmux_server(tmp_path) as server:
        ui.write("clear; stty size\r")
        ui.see(f"{PANE_ROWS} {COLUMNS}")
        ui.write("vi /tmp/text\r")
        shows("line 19 of many")
        ui.write("5Gdd3pOa new line")
        ui.type("Escape")
        shows("- /tmp/text [Modified]")  # busybox's vi takes an ESC for a part of what follows at once
        ui.write(":$\r")
        shows("line 200 of many")
        ui.write(":q!\rclear\r")
        ui.write("less /tmp/text\r")
        shows("line 19 of many")
        ui.write(" ")
        ui.type("Down")
        shows("line 39 of many")
        ui.write("/line 150\r")
        shows("line 150 of many")
        ui.write("q")
        ui.write("clear; top -d 3600\r")
        shows("%CPU")
        ui.write("q")
        ui.type("Enter")
        ui.see("guest>")


def test_what_is_typed_after_a_resize_knows_it(ui: Tmux) -> None:
    ui.resize(100, 30)
    ui.see("100x26")
    ui.write("clear; stty size\r")
    ui.see("26 100")
