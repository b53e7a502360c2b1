"""The real program in tmux: a host is recorded and replayed without a daemon; the events of a real daemon are looked back on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import until
from tests.rig import Rig
from tests.tui.hosts import fake_host
from tests.tui.tmux import TUI, terminal


@pytest.fixture
def host() -> Iterator[Rig]:
    with fake_host("web-1") as made:
        yield made


def test_a_recording_is_made_and_replayed_without_a_daemon(host: Rig, tmp_path: Path) -> None:
    path = tmp_path / "host.rec"
    with terminal(*TUI, "--record", str(path), environ={"VOLANT_SOCKET": str(host.socket)}) as ui:
        ui.see("● ready")
        ui.type("c")
        ui.see("kestrel: ready")
        ui.type("Escape")
        until(lambda: "workload started" in path.read_text())
        host.volant("vm", "stop", "web-1")
        ui.see("○ stopped")
        host.volant("vm", "delete", "web-1", "--yes")
        ui.see("No VMs yet")
        ui.type("q")
        ui.see("left with 0")
    host.stop()
    with terminal(*TUI, "--replay", str(path)) as ui:
        ui.see("PAST")
        ui.see("● ready")
        ui.type(")", ")", ")", ")", "Space")
        ui.see("the recording ends here")
        ui.see("There was no VM at this moment")
        ui.write(":past #10\r")
        ui.see("#10 VM_STOP")
        ui.type("Escape")
        ui.see("web-1")
        ui.type("l")
        ui.see("workload started")
        ui.type("Escape", "a")
        ui.see("kestrel: ready")
        ui.type("Escape", "n")
        ui.see("There was no VM at this moment")
        ui.write(":past\r")
        ui.see("VM_DELETED")
        ui.type("Escape", "{")
        ui.see("no trouble before")
        ui.type("q")
        ui.see("left with 0")
        assert ui.restored


def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "junk"
    path.write_bytes(os.urandom(1_000))
    with terminal(*TUI, "--replay", str(path)) as ui:
        ui.see("this is no recording that can be replayed")
        ui.see("left with 2")
        assert ui.restored
    with terminal(*TUI, "--record", str(path)) as ui:
        ui.see("name another file for the recording")
        assert ui.restored


def test_a_real_daemons_events_are_looked_back_on(host: Rig) -> None:
    host.volant("vm", "stop", "web-1")
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as ui:
        ui.see("○ stopped")
        ui.write(":past\r")
        ui.see("VM_STOPPED")
        ui.write(":past 10d\r")
        ui.see("before everything that is known")
        ui.type("Escape")
        ui.see("There was no VM at this moment")
        ui.type(*">" * 30)
        ui.see("nothing later is known")
        ui.type("x", "s")
        ui.see("start: the past")
        ui.type("n")
        ui.until(lambda screen: "PAST" not in screen and "○ stopped" in screen, "now")
        ui.type("<", "<", "<", "<")
        ui.see("PAST")


def test_the_console_of_a_boot_that_is_over_is_still_there(host: Rig) -> None:
    host.volant("vm", "stop", "web-1")
    host.volant("vm", "start", "web-1", "--wait", "ready")
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as ui:
        ui.see("● ready")
        ui.type("<", "a")
        assert "PAST" in ui.see("kestrel: ready")
        ui.write(":past #10\r")
        ui.see("#10 VM_STOP")
        ui.type("Escape", "a")
        ui.until(lambda screen: "kestrel: ready" in screen and "#10" in screen, "the console of the first boot")
        ui.type("Escape", "l")
        ui.see("up to this moment")
