"""Two daemons, one that is down and one that hangs, by their names, in the real program."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.tui.hosts import fake_host
from tests.tui.tmux import TUI, Tmux, terminal


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Rig, Rig]]:
    with fake_host("web-1") as one, fake_host("other-1") as two:
        yield one, two


@pytest.fixture
def ui(hosts: tuple[Rig, Rig], tmp_path: Path) -> Iterator[Tmux]:
    """It looks at the first one; `down` has no daemon, and `hung` one that accepts and says nothing."""
    settings, hung = tmp_path / "tui.toml", tmp_path / "hung"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(hung))
        listening.listen()
        names = {"one": hosts[0].socket, "two": hosts[1].socket, "down": "/nowhere/at.all", "hung": hung}
        settings.write_text("[contexts]\n" + "".join(f'{name} = "{path}"\n' for name, path in names.items()))
        with terminal(*TUI, "--context", "one", environ={"VOLANT_TUI_CONFIG": str(settings), "VOLANT_SOCKET": ""}) as made:
            looks_at(made, "one", "web-1")
            yield made


def looks_at(ui: Tmux, name: str, vm: str) -> str:
    """The screen, once it shows this daemon and its VM."""
    return ui.until(lambda screen: f" volant  {name}  ● live" in screen and vm in screen, f"the daemon {name}")


def go(ui: Tmux, name: str) -> None:
    ui.write(f":ctx {name}")
    ui.type("Enter")


def test_from_one_daemon_to_another_and_back(ui: Tmux, hosts: tuple[Rig, Rig]) -> None:
    ui.write(":ctx t")
    ui.type("Tab", "Enter")
    assert "web-1" not in looks_at(ui, "two", "other-1")
    hosts[0].volant("vm", "stop", "web-1")
    hosts[1].volant("vm", "stop", "other-1")
    assert "web-1" not in ui.see("○ stopped")
    ui.write(",c")
    ui.see("(this one)")
    ui.write("2")
    looks_at(ui, "one", "web-1")


@pytest.mark.parametrize(("name", "seen"), [("down", "no volantd socket at /nowhere/at.all"), ("hung", "connecting to")])
def test_one_that_does_not_answer_keeps_no_key_from_anybody(ui: Tmux, name: str, seen: str) -> None:
    go(ui, name)
    ui.see(seen)
    ui.type("?")
    ui.see("Keys: vms")
    ui.type("Escape")
    go(ui, "two")
    looks_at(ui, "two", "other-1")
    go(ui, name)
    ui.see(seen)
    ui.type("q")
    ui.see("left with 0")
