"""The `volant` command as a person at a terminal sees it."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.cli.conftest import COMMAND
from tests.client.cli.ptys import Terminal
from tests.client.cli.records import event, plugin, vm
from tests.fakes.rpc_server import RpcServer, Served
from tests.patience import PATIENCE_S
from volant.client.cli.text import width_of
from volant.client.cli.tty import ModeWatcher, Title, escape_byte, escape_name
from volant.proto.errors import AgentMissing, WriterTaken

AtTerminal = Callable[..., Terminal]


@pytest.fixture
def at_terminal(environment: dict[str, str]) -> Iterator[AtTerminal]:
    """Run a command line on a pseudo-terminal."""
    opened: list[Terminal] = []

    def run(*words: str, columns: int = 80, **variables: str) -> Terminal:
        opened.append(Terminal([*COMMAND, *words], environment | variables, columns=columns))
        return opened[-1]

    yield run
    for terminal in opened:
        terminal.close()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_fits_the_terminal(at_terminal: AtTerminal, server: RpcServer, columns: int) -> None:
    names = ["web-1", "a-name-as-long-as-names-may-get-which-is-sixty-three-characters"]
    server.handlers["vm.list"] = lambda call: {"items": [vm(name) for name in names], "total": 2, "seq": 1}
    code, shown = at_terminal("vm", "list", columns=columns).finish()
    assert code == 0
    lines = plain(shown).splitlines()
    assert len(lines) == 3 and max(width_of(line) for line in lines) <= columns
    assert ("…" in lines[2]) == (columns < 200)


def test_colour_is_for_terminals_that_want_it(at_terminal: AtTerminal) -> None:
    assert "\x1b[32mready" in at_terminal("vm", "list").finish()[1]
    assert "\x1b" not in at_terminal("vm", "list", NO_COLOR="1").finish()[1]
    assert "\x1b" not in at_terminal("vm", "list", TERM="dumb").finish()[1]


@pytest.mark.parametrize("style", ["table", "wide", "json", "jsonl", "yaml", "tsv"])
def test_hostile_text_never_reaches_the_terminal_as_control(at_terminal: AtTerminal, server: RpcServer, style: str) -> None:
    hostile = "\x1b]0;owned\x07\x9b2J\u202e"
    server.handlers["vm.list"] = lambda call: {"items": [vm(hostile, labels={hostile: hostile}, reason=hostile)], "total": 1, "seq": 1}
    shown = plain(at_terminal("vm", "list", "-o", style).finish()[1])
    assert "owned" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.mark.parametrize("stream", ["stdout", "stderr", "agent", "\x1b[2J"])
def test_nothing_in_a_log_line_is_obeyed(at_terminal: AtTerminal, server: RpcServer, stream: str) -> None:
    hostile = "\x1b]0;owned\x07\x9b2J"

    def logs(call: Served) -> object:
        call.item({"seq": 1, "time": hostile, "stream": stream, "text": hostile})
        return {"name": "web-1"}

    server.handlers["vm.logs"] = logs
    shown = plain(at_terminal("vm", "logs", "web-1", "--timestamps").finish()[1])
    assert shown.count("owned") == 2
    assert not set(shown) & {"\x1b", "\x07", "\x9b"}


def test_a_failure_as_json_is_harmless_on_a_terminal_that_is_not_where_the_data_goes(environment: dict[str, str]) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "wb") as terminal:
        subprocess.run(
            [*COMMAND, "vm", "get", "x\x9b2J", "-o", "json"], stdout=subprocess.PIPE, stderr=terminal, env=environment, check=False
        )
        shown = screen.read(10_000).decode()
    assert "\\u009b2J" in shown and "\x9b" not in shown


def test_the_first_hundred_and_how_to_see_the_rest(at_terminal: AtTerminal, server: RpcServer) -> None:
    server.handlers["vm.list"] = lambda call: {"items": [vm(f"vm-{at}") for at in range(call.params["limit"])], "total": 250, "seq": 1}
    assert "100 of 250 VMs; --all shows every one" in at_terminal("vm", "list").finish()[1]


def test_an_empty_list_says_what_to_do(at_terminal: AtTerminal, server: RpcServer) -> None:
    server.handlers["vm.list"] = lambda call: {"items": [], "total": 0, "seq": 1}
    assert at_terminal("vm", "list").finish() == (0, "no VMs yet; `volant run PLUGIN` makes one\n")


def test_deleting_asks_first(at_terminal: AtTerminal, server: RpcServer) -> None:
    refused = at_terminal("vm", "delete", "web-1")
    refused.see(b"delete web-1 and all of its disks? [y/N] ")
    refused.type(b"n\n")
    assert refused.finish()[0] == 1
    assert not any(method == "vm.delete" for method, _ in server.calls)
    agreed = at_terminal("vm", "delete", "web-1")
    agreed.see(b"[y/N] ")
    agreed.type(b"y\n")
    assert agreed.finish()[0] == 0
    assert at_terminal("vm", "delete", "web-2", "--yes").finish() == (0, "web-2\n")


def test_a_long_wait_is_narrated_and_leaves_no_trace(at_terminal: AtTerminal, server: RpcServer) -> None:
    ready = threading.Event()

    def create(call: Served) -> Any:
        ready.wait()
        return vm(call.params["name"])

    def follow(call: Served) -> Any:
        call.item(event(1, message="booting the guest"))
        call.wait_over()

    server.handlers |= {"vm.create": create, "event.follow": follow}
    terminal = at_terminal("run", "-d", "hello", "web-1")
    terminal.see(b"booting the guest")
    ready.set()
    code, shown = terminal.finish()
    assert code == 0
    assert shown.rpartition("\r\x1b[K")[2] == "web-1\n"


def test_a_rollout_is_narrated_by_how_far_it_is(at_terminal: AtTerminal, server: RpcServer) -> None:
    ready = threading.Event()
    view = {"name": "shop", "status": "progressing", "replicas": 3, "available": 2, "updated": 1, "reason": "shop-3 starts"}

    def create(call: Served) -> Any:
        ready.wait()
        return view

    def status(call: Served) -> Any:
        call.item(view)
        call.wait_over()

    server.handlers |= {"deployment.create": create, "deployment.status": status}
    terminal = at_terminal("deployment", "create", "shop", "--plugin", "hello", "--wait")
    terminal.see(b"2 of 3 available, 1 up to date; shop-3 starts")
    ready.set()
    code, shown = terminal.finish()
    assert (code, shown.rpartition("\r\x1b[K")[2]) == (0, "shop\n")


def test_fetching_images_is_narrated_and_goes_on_telling_when_nothing_comes(
    at_terminal: AtTerminal, server: RpcServer, tmp_path: Path
) -> None:
    fetched = threading.Event()

    def install(call: Served) -> Any:
        call.item({"step": "rootfs", "done": 1 << 20, "total": 4 << 20})
        fetched.wait()
        return plugin(manifest=call.params["manifest"])

    server.handlers["plugin.install"] = install
    manifest = tmp_path / "plugin.json"
    manifest.write_text('{"name": "hello"}')
    terminal = at_terminal("plugin", "install", str(manifest))
    assert b"rootfs [#####...............]  25% 1.0 MiB of 4.0 MiB" in terminal.see(b"4.0 MiB")
    terminal.screen = b""
    terminal.see(b"installing ... ")
    fetched.set()
    code, shown = terminal.finish()
    assert (code, shown.rpartition("\r\x1b[K")[2]) == (0, "hello 1.0.0\n")


def test_logs_keep_their_colours_and_nothing_else(at_terminal: AtTerminal, server: RpcServer) -> None:
    def logs(call: Served) -> Any:
        call.item({"seq": 1, "time": "2026-01-31T12:00:00Z", "stream": "stdout", "text": "\x1b[31mred\x1b[2J\x1b]0;x\x07"})
        return {"name": ""}

    server.handlers["vm.logs"] = logs
    assert at_terminal("logs", "web-1", "-t").finish()[1] == "2026-01-31T12:00:00Z \x1b[31mred\\x1b[2J\\x1b]0;x\\x07\x1b[0m\n"
    assert at_terminal("logs", "web-1", NO_COLOR="1").finish()[1] == "red\\x1b[2J\\x1b]0;x\\x07\n"


def shell(signalled: list[dict[str, Any]], exit_code: int = 0) -> dict[str, Any]:
    """Handlers of a guest whose program echoes what is typed in capitals, until a q."""

    def execute(call: Served) -> Any:
        call.item({"exec_id": 7, "pid": 100})
        call.write(b"\x1b[?1049h\x1b[?2004h\x1b[?25l$ ")
        while (typed := call.read()) and b"q" not in typed:
            call.write(typed.upper())
        call.write(b"bye\r\n")
        return {"exit_code": exit_code, "signal": 0}

    def note(call: Served) -> Any:
        signalled.append(call.params)
        return {"name": ""}

    return {"vm.exec": execute, "vm.signal": note}


def test_exec_with_a_terminal(at_terminal: AtTerminal, server: RpcServer) -> None:
    signalled: list[dict[str, Any]] = []
    server.handlers |= shell(signalled, exit_code=3)
    terminal = at_terminal("exec", "-it", "web-1", "--", "sh", columns=100)
    terminal.see(b"$ ")
    assert terminal.raw
    assert server.params("vm.exec") == {
        "name": "web-1", "argv": ["sh"], "env": {"TERM": "xterm-256color"}, "workdir": "", "user": "", "tty": True, "rows": 24, "cols": 100,
    }  # fmt: skip
    terminal.type(b"ls\x03\x1d")
    terminal.see(b"LS\x03\x1d")
    terminal.resize(50, 132)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.type(b"x")
    terminal.see(b"X")
    terminal.type(b"q")
    code, shown = terminal.finish()
    assert code == 3
    assert terminal.restored
    assert {"name": "web-1", "exec_id": 7, "rows": 50, "cols": 132} in signalled
    assert shown.endswith("bye\n\x1b[?1049l\x1b[?2004l\x1b[?25h\x1b[0m")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_gives_the_terminal_back(at_terminal: AtTerminal, server: RpcServer, number: int, code: int) -> None:
    server.handlers |= shell([])
    terminal = at_terminal("exec", "-it", "web-1", "--", "sh")
    terminal.see(b"$ ")
    os.kill(terminal.process.pid, number)
    assert terminal.finish()[0] == code
    assert terminal.restored


def test_a_dying_daemon_gives_the_terminal_back(at_terminal: AtTerminal, server: RpcServer) -> None:
    def die(call: Served) -> Any:
        call.item({"exec_id": 7, "pid": 100})
        call.write(b"$ ")
        call.read()
        call.hang_up()

    server.handlers["vm.exec"] = die
    terminal = at_terminal("exec", "-it", "web-1", "--", "sh")
    terminal.see(b"$ ")
    terminal.type(b"x")
    code, shown = terminal.finish()
    assert code == 125
    assert terminal.restored
    assert "error: the connection to volantd is gone" in plain(shown)


def serial(call: Served) -> Any:
    """A serial line: history, then an echo; `h` makes the VM stop."""
    call.write(b"history\r\nlogin: ")
    while (typed := call.read()) and b"h" not in typed:
        call.write(b"<" + typed + b">")
    return {"name": ""}


def test_the_console_names_its_escape_and_lets_go(at_terminal: AtTerminal, server: RpcServer) -> None:
    server.handlers["vm.console"] = serial
    terminal = at_terminal("console", "web-1")
    shown = terminal.see(b"login: ")
    hint = b"console of web-1: Ctrl-] leaves it"
    assert shown == hint + b"\r\n\x1b[22;2t\x1b]2;" + hint + b"\x07history\r\nlogin: "
    assert terminal.raw
    terminal.type(b"root\x03")
    terminal.see(b"<root\x03>")
    terminal.type(b"\x1d")
    code, text = terminal.finish()
    assert code == 0 and terminal.restored
    assert "\x1b[23;2t" in text, "the window has its title of before"
    assert "left the console of web-1; it runs on" in text
    assert server.params("vm.console") == {"name": "web-1", "write": True, "force": False, "follow": True}


def test_a_title_that_the_guest_sets_does_not_hide_how_to_leave() -> None:
    title = Title("Ctrl-] leaves web-1", "tmux-256color")
    assert title.kept(b"a\x1b]0;vim\x07b\x1b]2;x\x1b\\") == b"a\x1b]0;Ctrl-] leaves web-1 | vim\x07b\x1b]2;Ctrl-] leaves web-1 | x\x1b\\"
    assert title.kept(b"\x1b]52;c;aGk=\x07\x1b[31m") == b"\x1b]52;c;aGk=\x07\x1b[31m"
    plain_terminal = Title("hint", "linux")
    assert (plain_terminal.begin(), plain_terminal.kept(b"\x1b]0;t\x07"), plain_terminal.end()) == (b"", b"\x1b]0;t\x07", b"")


def test_the_guest_hears_the_terminals_size_at_first_when_its_agent_comes_and_when_it_changes(
    at_terminal: AtTerminal, server: RpcServer
) -> None:
    agent_came = threading.Event()
    told: queue.Queue[tuple[int, int]] = queue.Queue()

    def follow(call: Served) -> Any:
        agent_came.wait()
        call.item(event(1))
        call.wait_over()

    def resize(call: Served) -> Any:
        told.put((call.params["rows"], call.params["cols"]))
        if not agent_came.is_set():
            raise AgentMissing("the VM has no agent yet")
        return {"name": "web-1"}

    server.handlers |= {"vm.console": serial, "vm.console_resize": resize, "event.follow": follow}
    terminal = at_terminal("console", "web-1", columns=100)
    assert told.get(timeout=PATIENCE_S) == (24, 100)
    agent_came.set()
    assert told.get(timeout=PATIENCE_S) == (24, 100)
    terminal.resize(50, 132)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    assert told.get(timeout=PATIENCE_S) == (50, 132)
    terminal.type(b"x")
    terminal.see(b"<x>")
    terminal.type(b"\x1d")
    assert terminal.finish()[0] == 0 and terminal.restored
    assert server.params("event.follow") == {"vm": "web-1", "kinds": ["VM_AGENT", "VM_READY"]}


def test_an_agent_that_never_answers_keeps_no_key_from_the_console(at_terminal: AtTerminal, server: RpcServer) -> None:
    server.handlers |= {"vm.console": serial, "vm.console_resize": lambda call: call.wait_over()}
    terminal = at_terminal("console", "web-1")
    terminal.see(b"login: ")
    terminal.type(b"root")
    terminal.see(b"<root>")
    terminal.type(b"\x1d")
    assert terminal.finish()[0] == 0 and terminal.restored


@pytest.mark.parametrize("words", [("--read-only",), ()], ids=["read-only", "refused"])
def test_who_only_looks_on_tells_no_size(at_terminal: AtTerminal, server: RpcServer, words: tuple[str, ...]) -> None:
    def refuse(call: Served) -> Any:
        if call.params["write"]:
            raise WriterTaken("bob types")
        return serial(call)

    server.handlers["vm.console"] = refuse
    terminal = at_terminal("console", "web-1", *words)
    if words:
        terminal.see(b"login: ")
        terminal.type(b"\x1d")
    assert terminal.finish()[0] == (0 if words else WriterTaken.exit_code)
    assert [method for method, _ in server.calls] == ["vm.console"]


def test_the_console_says_why_it_ended(at_terminal: AtTerminal, server: RpcServer) -> None:
    server.handlers |= {"vm.console": serial, "vm.get": lambda call: vm(status="stopped", reason="the guest powered off")}
    terminal = at_terminal("console", "web-1", "--escape", "^X", "--no-history")
    terminal.see(b"Ctrl-X leaves it")
    terminal.see(b"login: ")
    terminal.type(b"h")
    code, text = terminal.finish()
    assert code == 0 and terminal.restored
    assert "the console of web-1 ended: the VM is stopped, the guest powered off" in text
    assert server.params("vm.console")["history_bytes"] == 0


def test_a_watcher_types_nothing_and_leaves_by_ctrl_c(at_terminal: AtTerminal, server: RpcServer) -> None:
    server.handlers["vm.console"] = serial
    terminal = at_terminal("console", "web-1", "--read-only")
    terminal.see(b"watching the console of web-1: Ctrl-] or Ctrl-C leaves it")
    terminal.see(b"login: ")
    terminal.type(b"root\x03")
    code, text = terminal.finish()
    assert code == 0 and terminal.restored
    assert "<" not in text
    assert server.params("vm.console")["write"] is False


def test_json_is_json_on_a_terminal_too(at_terminal: AtTerminal) -> None:
    assert json.loads(at_terminal("vm", "get", "web-1", "-o", "json").finish()[1]) == vm()


@pytest.mark.parametrize(
    ("output", "undone"),
    [
        ([b"plain \x1b[31mred\x1b[0m"], b""),
        ([b"\x1b[?1049h\x1b[?1;1000h"], b"\x1b[?1l\x1b[?1000l\x1b[?1049l\x1b[0m"),
        ([b"\x1b[?1049h", b"\x1b[?1049l"], b""),
        ([b"\x1b[?20", b"04h"], b"\x1b[?2004l\x1b[0m"),
        ([b"\x1b", b"[?25", b"l"], b"\x1b[?25h\x1b[0m"),
        ([b"\x1b[2;10r"], b"\x1b7\x1b[r\x1b8\x1b[0m"),
        ([b"\x1b[?7h\x1b[?12l"], b""),
        ([b"\x1b[?7l", b"\x1b[?6h"], b"\x1b[?6l\x1b[?7h\x1b[0m"),
        ([b"\x1b=\x1b[4h"], b"\x1b>\x1b[4l\x1b[0m"),
        ([b"\x1b=\x1b[>4;2m\x1b[>1u\x1b[2 q\x1b(0", b"\x1b>\x1b[>4m\x1b[<u\x1b[ q\x1b(B"], b""),
        ([b"\x1b[>4;2m", b"\x1b[>1;2u\x1b[6 q\x1b(0"], b"\x1b(B\x1b[ q\x1b[<u\x1b[>4m\x1b[0m"),
    ],
)
def test_only_the_modes_that_were_left_on_are_undone(output: list[bytes], undone: bytes) -> None:
    watcher = ModeWatcher()
    for piece in output:
        watcher.see(piece)
    assert watcher.undo() == undone


@pytest.mark.parametrize(("text", "key", "name"), [("^]", b"\x1d", "Ctrl-]"), ("^x", b"\x18", "Ctrl-X"), ("^?", b"\x7f", "Ctrl-?")])
def test_escape_keys(text: str, key: bytes, name: str) -> None:
    assert escape_byte(text) == key
    assert escape_name(key) == name
    assert escape_byte("none") is None
