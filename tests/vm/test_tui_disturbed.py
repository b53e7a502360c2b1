"""The terminal UI and attached consoles over a real guest, while the daemon, the VMM or the terminal is taken from under them."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig import VOLANT, Rig
from tests.tui.tmux import Tmux, terminal
from tests.vm.programs import PROGRAMS, VIM_AT_TEXT, found, programs_host

pytestmark = [pytest.mark.vm, pytest.mark.skipif(len(found()) < len(PROGRAMS), reason="vim, htop and less are not all installed")]


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    with programs_host(media) as made:
        yield made


@pytest.fixture
def ui(host: Rig) -> Iterator[Tmux]:
    """The list."""
    with terminal(environ={"VOLANT_SOCKET": str(host.socket)}) as made:
        made.see("> web")
        yield made


@pytest.fixture
def typing(ui: Tmux) -> Tmux:
    """The pane, with the keyboard, at an empty prompt."""
    type_at_prompt(ui)
    return ui


def type_at_prompt(ui: Tmux) -> None:
    """Open the pane and take the keyboard. The shell asks for the cursor's place with each prompt, so what is typed for another program has
    to come after the answer, and that is sent before the prompt is drawn."""
    ui.type("c", "i")
    ui.see("TYPING")
    ui.type("C-c")
    ui.write("clear\r")
    ui.until(lambda screen: screen.splitlines()[2].rstrip() == "guest>", "the prompt")


def test_no_key_of_a_burst_is_lost_by_the_list_and_by_the_guest(host: Rig, ui: Tmux) -> None:
    ui.type(*("/", "w", "e", "x", "Escape") * 40, "/", "w", "e", "b", "Enter")
    ui.see("filter web")
    ui.type("Escape")
    type_at_prompt(ui)
    ui.write("cat > /tmp/typed; echo all came\r")
    ui.see("all came")
    lines = [f"{number:02} the quick brown fox jumps over it" for number in range(8)]
    ui.run("set-buffer", "".join(f"{line}\n" for line in lines))
    ui.run("paste-buffer")
    ui.see(lines[-1])
    ui.type("C-d")
    ui.see("\nall came")
    assert host.volant("exec", "web", "--", "cat", "/tmp/typed").stdout.splitlines() == lines


def test_the_daemon_is_killed_while_the_guest_prints_and_nothing_is_missed(host: Rig, typing: Tmux) -> None:
    typing.write("n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.2; done\r")
    typing.see("tick 5")
    host.kill()
    typing.see("DISCONNECTED")
    before = typing.see("NOT TYPING")
    assert "tick 5" in before
    last = max(ticks(before))
    typing.type("C-]")
    typing.see("PEEK")
    host.start()
    typing.until(lambda screen: max(ticks(screen), default=0) > last + 3, "what was printed meanwhile and since")
    typing.type("i")
    typing.see("TYPING")
    typing.type("C-c")
    typing.see("guest>")
    typing.type("C-]", "g")
    screen = typing.see("lines below")
    seen = set(ticks(screen))
    while "lines below" in screen:
        typing.type("PageDown")
        screen = typing.until(another_page(screen), "the next page")
        seen |= set(ticks(screen))
    assert seen == set(range(1, max(seen) + 1))
    assert "bytes lost" not in screen


def another_page(than: str) -> Callable[[str], bool]:
    """Of the pane; what is around it changes all the time."""
    return lambda screen: screen.splitlines()[2:-2] != than.splitlines()[2:-2]


def ticks(screen: str) -> list[int]:
    return [int(number) for number in re.findall(r"^tick (\d+)", screen, re.MULTILINE)]


def test_a_storm_of_sizes_ends_with_the_guest_knowing_the_last(typing: Tmux) -> None:
    for number in range(17):
        typing.resize(30 + 7 * number, 8 + 2 * number)
    for columns, rows in ((20, 5), (60, 15), (1, 1), (91, 27)):
        typing.resize(columns, rows)
    typing.see("91x23")
    typing.write("clear; stty size\r")
    typing.see("23 91")
    typing.resize(60, 15)
    typing.see("60x11")
    typing.write("clear; stty size\r")
    typing.see("11 60")
    typing.type("C-]", "q", "q")
    typing.see("left with 0")
    assert typing.restored


def kill_vmm(host: Rig) -> None:
    (pid,) = host.vmms()
    os.kill(pid, signal.SIGKILL)


def ends_by_its_key(host: Rig, shell: Tmux) -> None:
    shell.type("C-]")
    shell.see("gone with 0.")


def ends_by_sigterm(host: Rig, shell: Tmux) -> None:
    os.kill(shell.pid, signal.SIGTERM)
    shell.see("gone with 143.")


def ends_by_sighup(host: Rig, shell: Tmux) -> None:
    os.kill(shell.pid, signal.SIGHUP)
    shell.see("gone with 129.")


def ends_with_the_daemon(host: Rig, shell: Tmux) -> None:
    host.kill()
    shell.see("\ngone with")
    host.start()
    host.volant("vm", "wait", "web", "--for", "ready")


def ends_with_the_vmm(host: Rig, shell: Tmux) -> None:
    kill_vmm(host)
    shell.see("\ngone with")


@pytest.mark.parametrize("end", [ends_by_its_key, ends_by_sigterm, ends_by_sighup, ends_with_the_daemon, ends_with_the_vmm])
def test_an_attached_console_gives_the_terminal_back_however_it_ends(host: Rig, end: Callable[[Rig, Tmux], None]) -> None:
    """While vim has the alternate screen, keys in a mode of its own, margins and pastes."""
    goes_on = bool(host.volant("exec", "web", "--", "sh", "-c", "pidof vim; true").stdout)
    with terminal("true", environ={"VOLANT_SOCKET": str(host.socket)}) as shell:
        shell.see("left with 0")
        before = shell.modes
        shell.write(f"clear; {shlex.join((*VOLANT, 'console', 'web'))}; printf '\\ngone with %s.' $?\r")
        shell.until(lambda _: "-icanon" in shell.modes, "the console")
        if goes_on:
            shell.type("Escape")
            shell.write(":q!\r")
            shell.until(lambda screen: "line 23 of many" not in screen, "the end of vim")
        shell.type("Enter")
        shell.see("guest>")
        shell.write(f"{VIM_AT_TEXT}\r")
        shell.see("line 23 of many")
        shell.until(lambda _: shell.modes != before, "vim's modes")
        end(host, shell)
        assert shell.modes == before


def test_the_vmm_is_killed_under_the_pane_which_goes_on_with_the_next_boot(host: Rig, ui: Tmux) -> None:
    if host.vmms():  # else the test before has killed it
        kill_vmm(host)
    ui.see("crashed")
    ui.type("c")
    ui.see("web is crashed: x, then s, starts it")
    ui.type("x", "s")
    ui.until(lambda screen: "web is crashed" not in screen and "guest>" in screen, "the second boot")
    ui.type("i")
    ui.see("TYPING")
    kill_vmm(host)
    ui.see("what you type goes nowhere until Ctrl-]")
    ui.type("q", "C-]")
    ui.see("web is crashed: x, then s, starts it")
    ui.type("Escape", "q")
    ui.see("left with 0")
    assert ui.restored
