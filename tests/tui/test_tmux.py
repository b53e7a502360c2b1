"""The real program in tmux against a real daemon: no key is lost, and nothing that happens to daemon or terminal ends it.

An upgrade of Textual has to pass these.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.tui.hosts import fake_host
from tests.tui.tmux import DEADLINE_S, TUI, Tmux, terminal


@pytest.fixture
def host() -> Iterator[Rig]:
    """A daemon with three VMs: db-1, web-1, web-2; the last one is stopped."""
    with fake_host("db-1", "web-1", stopped=("web-2",)) as made:
        yield made


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as made:
        made.see("web-2")
        yield made


def states(host: Rig) -> dict[str, str]:
    with closing(host.client()) as client:
        return {vm["name"]: vm["status"] for vm in client.call_plain("vm.list", {})["items"]}


def test_a_burst_of_keys_does_what_it_says(host: Rig, ui: Tmux) -> None:
    """Filter, go down, menu, start: in one write, faster than anybody types."""
    ui.type("/", "w", "e", "b", "Enter", "j", "x", "s")
    ui.see("is starting")
    ui.until(lambda screen: screen.count("● ready") == 2, "web-2 ready")
    assert states(host) == {"db-1": "ready", "web-1": "ready", "web-2": "ready"}


def test_no_letter_of_a_hundred_bursts_is_lost(ui: Tmux) -> None:
    word = "the-quick-brown-fox-jumps-over"
    for number in range(100):
        ui.type("/", *word, *f"{number:03}", "Enter", "Escape")
        ui.type(":", *word, "Escape")
    ui.type("/", *word, "Enter")
    assert "3/3" not in ui.see(f"filter {word}")


def test_an_escape_is_an_escape_however_fast_the_next_key_comes(ui: Tmux) -> None:
    ui.type("/", "w", "e", "b", "Escape", ":", "v", "m", "Escape", "?", "Escape", "Enter")
    ui.see("vms > web-1")


def test_a_pasted_line_goes_where_something_is_typed(host: Rig, ui: Tmux) -> None:
    ui.run("set-buffer", "xSy")
    ui.run("paste-buffer", "-p")
    ui.see("pasted text")
    ui.type(":")
    ui.run("set-buffer", "vm stop web-1")
    ui.run("paste-buffer", "-p")
    ui.see(":vm stop web-1")
    assert states(host)["web-1"] == "ready"


def test_changes_are_pushed(host: Rig, ui: Tmux) -> None:
    host.volant("vm", "stop", "web-1")
    ui.until(lambda screen: screen.count("○ stopped") == 2, "web-1 stopped")
    host.volant("vm", "delete", "db-1", "--force", "--yes")
    ui.until(lambda screen: "db-1" not in screen, "db-1 gone")


def test_a_command_is_carried_out_and_its_words_are_read(ui: Tmux) -> None:
    ui.write(":vm explain web-1\r")
    ui.see("boot 1 starts")
    ui.type("Escape")
    ui.see("> db-1")
    ui.write(":vm stpo web-1\r")
    ui.see("did you mean 'stop'")


def test_the_daemon_may_die_and_come_back(host: Rig, ui: Tmux) -> None:
    host.kill()
    ui.see("DISCONNECTED")
    ui.type("j", "x")
    screen = ui.see("not connected")
    assert "web-1" in screen, "what was known is gone"
    ui.type("Escape")
    host.start()
    begun = time.monotonic()
    ui.type("C-r")
    ui.until(lambda screen: "● live" in screen, "live again")
    assert time.monotonic() - begun < 20
    ui.type("/", "w", "e", "b", "-", "2", "Enter")
    ui.see("filter web-2")


def test_it_starts_without_a_daemon_and_waits_for_it(host: Rig) -> None:
    host.stop()
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as ui:
        screen = ui.see("not connected to")
        assert str(host.socket) in screen
        host.start()
        ui.see("web-2")


def test_two_hundred_resizes_and_a_tiny_terminal(ui: Tmux) -> None:
    for number in range(200):
        ui.resize(20 + number % 120, 5 + number % 40)
    ui.resize(20, 5)
    ui.type("j", "Enter", "Tab", "?", "Escape", "Escape")
    ui.resize(1, 1)
    ui.resize(100, 30)
    ui.until(lambda screen: "<enter>open" in screen and "web-2" in screen, "the list again")


def test_the_terminal_is_given_back(ui: Tmux) -> None:
    assert not ui.restored
    ui.type("q")
    ui.see("left with 0")
    assert ui.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_and_give_the_terminal_back(ui: Tmux, number: signal.Signals) -> None:
    os.kill(ui.pid, number)
    assert "Traceback" not in ui.see(f"left with {128 + number}")
    assert ui.restored


def test_it_ends_when_its_terminal_goes_away(ui: Tmux) -> None:
    pid = ui.pid
    ui.run("kill-session")
    end = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end, "it lives on without a terminal"
        time.sleep(0.02)


def test_a_console_has_the_terminal_until_its_key(host: Rig, ui: Tmux) -> None:
    ui.type("j", "a")
    ui.see("kestrel: ready")
    ui.type("C-]")
    ui.see("> web-1")
    ui.write("/web-2\r")
    ui.see("filter web-2")


def test_settings_and_history_are_kept(host: Rig, tmp_path: Path) -> None:
    (tmp_path / "tui.toml").write_text('theme = "mono"\nascii = true\n[keys]\n"help" = "h"\n')
    environ = {
        "VOLANT_SOCKET": str(host.socket),
        "VOLANT_TUI_CONFIG": str(tmp_path / "tui.toml"),
        "XDG_STATE_HOME": str(tmp_path),
    }
    for number in range(2):
        with terminal(environ=environ) as ui:
            ui.see("* ready")
            ui.type("h")
            ui.see("Keys: vms")
            ui.type("Escape", ":", "Up")
            if number == 1:
                ui.see(":vm get web-1")
            else:
                ui.type("Escape")
                ui.write(":vm get web-1\r")
                ui.see("vms > vm get web-1")


@pytest.mark.parametrize(
    ("words", "said"), [("env TERM=dumb {}", "TERM=dumb"), ("{} 2>$HOME/err || cat $HOME/err", "standard error is no terminal")]
)
def test_what_is_no_terminal_is_refused_with_another_way(words: str, said: str) -> None:
    with terminal("sh", "-c", words.format(shlex.join(TUI))) as shell:
        assert said in shell.see("volant vm watch")


def test_other_commands_never_load_it() -> None:
    program = (
        "import sys; from volant.client.cli import main, tree; from volant.client.cli.commands import tui; "
        "print([name for name in sys.modules if name.startswith(('textual', 'rich', 'volant.tui'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_typed_deletion_asks_and_what_a_program_prints_can_be_read(host: Rig, ui: Tmux) -> None:
    ui.write(":exec web-1 -- echo it is here to read\r")
    ui.see("done")
    assert "it is here to read" in ui.screen.splitlines()[2]
    ui.write("\x1b:vm delete web-1 --force\r")
    ui.see("Kill and delete web-1?")
    ui.type("Enter")
    ui.see("nothing was done")
    assert host.json("vm", "get", "web-1")["status"] == "ready"


def test_tab_completes_what_only_the_daemon_knows(ui: Tmux) -> None:
    ui.write(":plugin show ")
    ui.see("tiny")
    ui.type("Tab", "Enter")
    ui.see("plugin show tiny")
