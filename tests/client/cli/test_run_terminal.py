"""`volant run` at a terminal: what the keys do, and that the terminal is given back however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.client.cli.ptys import Terminal
from tests.fakes.hello import hello
from tests.patience import until
from tests.rig import SURVIVING, VOLANT, Rig, rig
from volant.client.cli.running.runner import HUNG_UP

AtTerminal = Callable[..., Terminal]

TERMINATED = 128 + signal.SIGTERM
"""How the fakes' workload ends when it is asked to."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(program=SURVIVING, network="none") as made:
        made.start()
        made.volant("plugin", "install", hello(tmp_path_factory.mktemp("hello")))
        yield made


@pytest.fixture
def at_terminal(host: Rig) -> Iterator[AtTerminal]:
    """`volant run` with these words on a pseudo-terminal, once its VM `web` is ready; the VM is gone afterwards."""
    opened: list[Terminal] = []

    def run(*words: str) -> Terminal:
        environment = {**os.environ, "VOLANT_SOCKET": str(host.socket), "TERM": "xterm"}
        opened.append(Terminal([*VOLANT, "run", *words, "hello", "web"], environment))
        opened[-1].see(b"kestrel: ready\r\n" if words else b"workload started")
        host.volant("vm", "wait", "web", "--for", "ready")
        return opened[-1]

    yield run
    for terminal in opened:
        terminal.close()
    host.volant("vm", "delete", "web", "--force", check=False)


def vm(host: Rig) -> Any:
    return host.json("vm", "get", "web")


def check_left(host: Rig) -> None:
    """The VM runs on, and belongs to nobody."""
    until(lambda: not vm(host)["lease"]["holder"])
    assert vm(host)["status"] == "ready"


def test_what_is_typed_goes_to_the_console_and_the_escape_leaves_the_vm_running(host: Rig, at_terminal: AtTerminal) -> None:
    screen = at_terminal("--console")
    assert screen.raw
    screen.type(b"who is there\r")
    screen.see(b"you said who is there\r\n")
    screen.type(b"\x03\r")  # Ctrl-C is the guest's
    screen.see(b"you said \x03\r\n")
    screen.type(b"\x1d")
    code, shown = screen.finish()
    assert code == 0 and shown.endswith("left web; it runs on: `volant run --reattach --name web` goes on with it\n")
    assert screen.restored
    check_left(host)


def test_the_escape_is_a_matter_of_choice(host: Rig, at_terminal: AtTerminal) -> None:
    screen = at_terminal("--console", "--escape", "^X")
    screen.type(b"\x1d\r")
    screen.see(b"you said \x1d\r\n")
    screen.type(b"\x18")
    assert screen.finish()[0] == 0 and screen.restored
    check_left(host)


def test_a_guest_that_powers_off_gives_the_terminal_back(host: Rig, at_terminal: AtTerminal) -> None:
    screen = at_terminal("--console")
    screen.type(b"poweroff\r")
    code, shown = screen.finish()
    assert (code, screen.restored) == (0, True) and shown.endswith("reboot: Power down\n"), shown
    assert vm(host)["status"] == "stopped"


@pytest.mark.parametrize("words", [(), ("--console",)])
def test_a_term_stops_the_vm_and_gives_the_terminal_back(host: Rig, at_terminal: AtTerminal, words: tuple[str, ...]) -> None:
    screen = at_terminal(*words)
    screen.process.terminate()
    assert screen.finish()[0] == TERMINATED and screen.restored
    assert vm(host)["status"] == "stopped"


def test_ctrl_c_at_the_workloads_output_stops_the_vm(host: Rig, at_terminal: AtTerminal) -> None:
    screen = at_terminal()
    assert not screen.raw
    screen.type(b"\x03")
    assert screen.finish()[0] == TERMINATED and screen.restored
    assert vm(host)["status"] == "stopped"


def test_a_terminal_that_is_closed_leaves_the_vm_running(host: Rig, at_terminal: AtTerminal) -> None:
    screen = at_terminal("--console")
    screen.process.send_signal(signal.SIGHUP)
    code, shown = screen.finish()
    assert code == HUNG_UP and "Traceback" not in shown and screen.restored
    check_left(host)
