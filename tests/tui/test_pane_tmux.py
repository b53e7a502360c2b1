"""What stands beside lists and streams on a large terminal, in the real program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig import Rig
from tests.tui.hosts import fake_host
from tests.tui.tmux import Tmux, terminal


@pytest.fixture
def host() -> Iterator[Rig]:
    with fake_host("web-1", "web-2", surviving=True) as made:
        yield made


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}, columns=140, rows=40) as made:
        made.see("web-2")
        yield made


def right(screen: str) -> list[str]:
    return [line.partition("│")[2].strip() for line in screen.splitlines()]


def test_the_console_and_the_events_of_the_vm_under_the_cursor(host: Rig, ui: Tmux) -> None:
    ui.until(lambda screen: "kestrel: ready" in right(screen), "the end of its console")
    ui.until(lambda screen: any("VM_READY" in line for line in right(screen)), "its events")
    host.volant("vm", "stop", "web-1")
    ui.until(lambda screen: any("VM_STOPPED" in line for line in right(screen)), "what happens to it")
    ui.type("j")
    ui.until(
        lambda screen: any(line.startswith("web-2") for line in right(screen)) and "kestrel: ready" in right(screen), "the other one's"
    )


def test_it_comes_back_with_the_daemon(host: Rig, ui: Tmux) -> None:
    ui.until(lambda screen: "kestrel: ready" in right(screen), "the end of its console")
    host.kill()
    ui.see("DISCONNECTED")
    assert "kestrel: ready" in right(ui.screen)
    host.start()
    ui.until(lambda screen: "● live" in screen and "kestrel: ready" in right(screen), "live again")


def test_how_busy_the_host_is_comes_by_itself(ui: Tmux) -> None:
    ui.until(lambda screen: "cpu " in screen.splitlines()[0] and "mem " in screen.splitlines()[0], "the host's figures")


def test_a_line_of_events_leads_to_its_moment(ui: Tmux) -> None:
    ui.type(",", "e")
    ui.see("── newest line ──")
    ui.type("k", "k")
    ui.see("── line ──")
    ui.type("m")
    ui.see("◂ PAST")
    ui.type("n")
    ui.see("● live")
