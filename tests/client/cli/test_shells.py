"""Completion in the shells themselves: each on a terminal, with a person who types and presses Tab."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.cli.ptys import Terminal
from tests.fakes.rpc_server import RpcServer

PROMPT = "ready> "
PROGRAM = f"""#!/bin/sh
case $1 in
    __complete | completion) exec {sys.executable} -P -m volant.client.cli "$@" ;;
esac
printf 'got'
printf '<%s>' "$@"
echo .
"""
"""In place of `volant`: completes as it does, and shows the words that it gets otherwise."""


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path, server: RpcServer) -> Iterator[Terminal]:
    """A shell that has the script, in a folder with one file, at its prompt."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    program = tmp_path / "bin" / "volant"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "plugin-of-mine.json").touch()
    server.handlers["vm.actions"] = lambda call: {
        "items": [{"name": name, "description": "", "method": "GET", "path": "/", "timeout_ms": 1} for name in ("dump $HOME's", "status")]
    }
    # A busy machine takes its time, and what is tried here is not how long.
    variables = {"HOME": str(tmp_path), "PATH": f"{program.parent}:{environment['PATH']}", "VOLANT_COMPLETION_MS": "60000"}
    variables |= {"PS1": PROMPT, "PYTHONPATH": str(Path(__file__).parents[3]), "HISTFILE": "/dev/null"}
    terminal = Terminal(["env", "-C", str(tmp_path / "work"), *_START[name]], environment | variables, columns=120)
    try:
        terminal.see(PROMPT.encode())
        _say(terminal, _LOAD[name])
        yield terminal
    finally:
        terminal.close()


_START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "--private", "-C", f"function fish_prompt; echo -n '{PROMPT}'; end"],
}
_LOAD = {
    "bash": 'eval "$(volant completion bash)"',
    "zsh": "autoload -U compinit; compinit -D -u; source <(volant completion zsh)",
    "fish": "volant completion fish | source",
}


def _say(terminal: Terminal, line: str, *, until: str = PROMPT) -> str:
    """Type `line` and Enter at a prompt; what is shown up to the next one."""
    terminal.screen = b""
    terminal.type(line.encode())
    terminal.type(b"\r")
    terminal.see(until.encode())
    return terminal.screen.decode()


@pytest.mark.parametrize(
    ("typed", "got"),
    [
        ("volant dep\tsca\t", "<deployment><scale>"),
        ("volant vm get web-\t1", "<vm><get><web-1>"),
        ("volant vm get web-1 web-2\t -o yam\t", "<vm><get><web-1><web-2><-o><yaml>"),
        ("volant vm list --no\t", "<vm><list><--no-header>"),
        ("volant vm list --filter 'state:re\t", "<vm><list><--filter><state:ready>"),
        ("volant vm list --filter state:re\t", "<vm><list><--filter><state:ready>"),
        ("volant vm list --filter healt\thealthy", "<vm><list><--filter><health:healthy>"),
        ("volant vm list --filter 'healt\thea\t", "<vm><list><--filter><health:healthy>"),
        ("volant vm list --output=yam\t", "<vm><list><--output=yaml>"),
        ("volant vm call web-1 du\t", "<vm><call><web-1><dump $HOME's>"),
        ("volant plugin install plu\t", "<plugin><install><plugin-of-mine.json>"),
    ],
)
def test_what_tab_leaves_is_what_the_command_gets(shell: Terminal, typed: str, got: str) -> None:
    assert f"got{got}." in _say(shell, typed, until=">.")


def test_what_tab_shows_is_what_there_is(shell: Terminal) -> None:
    shell.screen = b""
    shell.type(b"volant vm get web-\t\t")
    shown = shell.see(b"web-2")
    assert b"web-1" in shown
