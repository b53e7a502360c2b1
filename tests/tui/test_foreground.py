"""What gets the terminal from the UI (a shell, a program in a VM, an editor), in tmux: it is theirs, and is given back on every way out."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.tui.desks import Seat, vm
from tests.tui.hosts import fake_host
from tests.tui.tmux import Tmux, terminal
from volant.tui import effects


@pytest.fixture
def host() -> Iterator[Rig]:
    with fake_host("web-1") as made:
        yield made


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as made:
        made.see("● ready")
        yield made


def enter_cat(ui: Tmux) -> None:
    """A program that says what is typed has the terminal."""
    ui.write(":exec -it web-1 cat\r")
    ui.until(lambda _: ui.given_away, "the program's own terminal")
    ui.write("typed in the guest")
    ui.see("typed in the guest")


def test_a_program_ends_and_the_ui_is_back(ui: Tmux) -> None:
    ui.write(":exec -it web-1 exit 7\r")
    ui.see("ended with 7")
    ui.type("Enter")
    ui.see("vms > web-1")


def test_a_command_that_fails_says_why_where_it_can_be_read(ui: Tmux) -> None:
    ui.write(":exec -it nobody cat\r")
    ui.see("nobody")
    ui.until(lambda screen: "● live" in screen and "no VM" in screen, "the reason in the status line")


def test_the_daemon_dies_under_a_program_and_the_ui_goes_on(host: Rig, ui: Tmux) -> None:
    enter_cat(ui)
    host.kill()
    ui.see("DISCONNECTED")
    ui.type("q")
    ui.see("left with 0")
    assert ui.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_under_a_program_gives_the_terminal_back(ui: Tmux, number: signal.Signals) -> None:
    enter_cat(ui)
    pid = ui.pid
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    os.kill(pid, number)
    assert "Traceback" not in ui.see(f"left with {128 + number}")
    assert ui.restored
    assert not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.mark.parametrize(("editor", "why"), [("no-such-editor", "can't be run"), ("false", "the editor ended with 1")])
def test_an_editor_that_fails_gives_the_terminal_back(host: Rig, editor: str, why: str) -> None:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket), "EDITOR": editor, "VISUAL": ""}) as ui:
        ui.see("● ready")
        ui.type("E")
        ui.see(why)
        ui.until(lambda screen: "● live" in screen, "the UI")
        ui.type("q")
        ui.see("left with 0")
        assert ui.restored


def test_a_vm_without_an_agent_says_so_instead() -> None:
    seat = Seat(vm(1, status="stopped"))
    seat.type("s")
    assert seat.effects(effects.Run) == []
    assert "shell: web-1 is stopped; x s starts it" in seat.screen()
