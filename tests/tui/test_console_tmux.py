"""The console in the real program: tmux types, a real daemon stands between, a fake VM or a hostile line at the other end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.rig import Rig
from tests.tui.hosts import fake_host
from tests.tui.tmux import Tmux, terminal


@pytest.fixture
def host() -> Iterator[Rig]:
    """A daemon with one VM, web-1, whose console says what is typed."""
    with fake_host("web-1") as made:
        yield made


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as made:
        made.see("web-1")
        made.type("c")
        made.see("guest is up")
        yield made


def test_typing_in_one_burst_reaches_the_guest_and_the_ui_in_turn(ui: Tmux) -> None:
    """The console's key, two lines, the key that leaves, and a key of the UI: in one write."""
    ui.type("i", "h", "e", "l", "l", "o", "Enter", "y", "o", "u", "Enter", "C-]", "v")
    ui.see("you said hello")
    ui.see("you said you")
    ui.see("COPY")


def test_the_guest_hears_the_panes_size_and_each_new_one(ui: Tmux) -> None:
    ui.type("i")
    ui.see("the console has 20 rows of 80")
    ui.see("TYPING")
    ui.resize(100, 30)
    ui.see("the console has 26 rows of 100")
    for columns in range(99, 60, -3):
        ui.resize(columns, 25)
    ui.see("the console has 21 rows of 63")
    ui.type("C-]")
    ui.see("typing: nobody")


def test_the_daemon_may_die_and_come_back(host: Rig, ui: Tmux) -> None:
    ui.type("i", "o", "n", "e", "Enter")
    ui.see("you said one")
    host.kill()
    screen = ui.see("DISCONNECTED")
    assert "you said one" in screen
    ui.see("NOT TYPING")
    ui.type("q", "C-]")
    ui.see("PEEK")
    host.start("--log-level", "warning")
    ui.until(lambda screen: "DISCONNECTED" not in screen and "● live" in screen, "the daemon again")


def test_two_viewers_one_keyboard(host: Rig, ui: Tmux) -> None:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as other:
        other.see("web-1")
        other.type("c", "i", "h", "i", "Enter")
        other.see("you said hi")
        ui.see("you said hi")
        ui.until(lambda screen: f"(pid {other.pid})" in screen, "who types")
        ui.type("i")
        ui.see("Take the keyboard of web-1?")
        ui.type("y", "m", "i", "n", "e", "Enter")
        ui.see("you said mine")
        other.see(f"(pid {ui.pid}) has taken over")
        other.see("NOT TYPING")
        other.type("C-]")
        other.see("PEEK")


def test_a_vm_that_ends_says_how_to_start_it_and_goes_on(host: Rig, ui: Tmux) -> None:
    ui.type("i", "p", "o", "w", "e", "r", "o", "f", "f", "Enter")
    ui.see("web-1 ended: what you type goes nowhere")
    ui.type("C-]")
    ui.see("web-1 is stopped: x, then s, starts it")
    ui.type("x", "s")
    ui.until(lambda screen: screen.count("guest is up") == 2, "the second boot")
    ui.type("i", "a", "Enter")
    ui.see("you said a")


def test_leaving_the_console_by_signals_gives_the_terminal_back(ui: Tmux) -> None:
    ui.type("i")
    ui.see("TYPING")
    os.kill(ui.pid, signal.SIGTERM)
    ui.see("left with 143")
    assert ui.restored


@pytest.fixture
def attached(host: Rig) -> Iterator[Tmux]:
    """The UI, which has given the terminal to web-1's console."""
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as made:
        made.see("web-1")
        made.type("a")
        made.see("Ctrl-] leaves it")
        made.see("guest is up")
        yield made


def title(screen: Tmux) -> str:
    return screen.run("display-message", "-p", "#{pane_title}").strip()


def test_an_attached_console_says_all_the_time_how_to_leave_and_gives_the_ui_back(attached: Tmux) -> None:
    assert "Ctrl-] leaves it" in title(attached)
    attached.type("o", "n", "e", "Enter")
    attached.see("you said one")
    attached.type("C-]")
    attached.see("● ready")
    attached.until(lambda _: "Ctrl-]" not in title(attached), "the title of before")
    attached.type("q")
    attached.see("left with 0")
    assert attached.restored


def test_an_attached_console_ends_with_its_vm(attached: Tmux) -> None:
    attached.type("p", "o", "w", "e", "r", "o", "f", "f", "Enter")
    attached.see("○ stopped")


def test_an_attached_console_ends_with_the_daemon_and_the_ui_goes_on(host: Rig, attached: Tmux) -> None:
    host.kill()
    attached.see("DISCONNECTED")
    assert not attached.restored, "the UI has the terminal"
    attached.type("q")
    attached.see("left with 0")
    assert attached.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_ui_under_an_attached_console_and_give_the_terminal_back(attached: Tmux, number: signal.Signals) -> None:
    os.kill(attached.pid, number)
    attached.see(f"left with {128 + number}")
    assert attached.restored
    assert "Ctrl-]" not in title(attached)
