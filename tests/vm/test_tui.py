"""The terminal UI, in tmux, over a real QEMU guest: an action is called and its answer shown, and a shell has the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig, rig
from tests.tui.tmux import Tmux, terminal

pytestmark = [pytest.mark.vm]


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    """A daemon with one VM, web, of the example plugin."""
    with rig(network="none") as made:
        made.start()
        made.volant("plugin", "install", str(media / "plugin.json"))
        made.volant("vm", "create", "web", "--plugin", "hello", "--env", "GREETING=Welcome", "--wait", "ready")
        yield made
        made.volant("vm", "delete", "web", "--force")


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}, columns=100) as made:
        made.see("● ready")
        yield made


def test_an_action_is_called_and_its_answer_is_shown(ui: Tmux) -> None:
    ui.type("r")
    ui.see("Greet somebody")
    ui.type("Enter", "a")
    ui.see("Add a parameter")
    ui.write("name=Ada\r")
    ui.see("/cgi-bin/hello?name=Ada")
    ui.type("r")
    assert "Welcome, Ada" in ui.see("200 OK")
    ui.type("Escape", "Escape", "j", "Enter")
    ui.see("POST /cgi-bin/sum")
    ui.type("Enter")
    ui.see("take it")
    ui.write("1 2 39\r")
    ui.see("6 B")
    ui.type("r")
    assert '"sum": 42' in ui.until(lambda screen: "200 OK" in screen and "sum" in screen and "waiting" not in screen, "the sum")
    ui.type("e", "Escape")
    ui.see("2 made before")


def test_a_shell_in_the_guest_has_the_terminal_and_gives_it_back(ui: Tmux) -> None:
    ui.type("s")
    ui.until(lambda screen: ui.given_away and "#" in screen, "the shell")
    ui.write("echo $((6*7)) in $(uname -s); stty size\r")
    ui.see("42 in Linux")
    ui.see("24 100")
    ui.write("exit\r")
    ui.see("● ready")
    ui.type("q")
    ui.see("left with 0")
    assert ui.restored
