"""Lists that keep themselves up to date: in place on a terminal, as lines in a pipe, over a daemon's restart."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.client.cli.conftest import COMMAND, DEADLINE, Run
from tests.client.cli.ptys import Terminal
from tests.client.cli.records import SINCE, event, plugin, vm
from tests.fakes.rpc_server import RpcServer, Served
from volant.client.cli.commands.vm import SORTS
from volant.client.cli.commands.watch import in_order
from volant.client.resuming import VmsProgress
from volant.proto.api.vm import ListVms, VmView
from volant.proto.errors import Lagged, NoSuchVm

WEB, DB = vm("web-1"), vm("db-1", id="d" * 12, status="starting")


def deployment(name: str) -> dict[str, Any]:
    """A deployment's record."""
    return {
        "name": name, "status": "ready", "reason": "", "replicas": 3, "available": 3, "ready": 3, "current": 3, "updated": 3, "revision": 4,
        "paused": False, "max_unavailable": 1, "min_ready_ms": 0, "created_at": SINCE,
        "template": {"plugin": "hello", "plugin_version": "1.0.0"},
    }  # fmt: skip


def item(*records: dict[str, Any], gone: tuple[str, ...] = (), complete: bool = True) -> dict[str, Any]:
    return {"items": list(records), "gone": list(gone), "seq": 1, "complete": complete}


def first_lines(command: list[str], environment: dict[str, str], lines: int) -> list[Any]:
    """The first lines of JSON that a command writes, which is ended then, or after a while in which they didn't come."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        deadline = threading.Timer(DEADLINE, process.kill)
        deadline.start()
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        deadline.cancel()
        process.kill()
    assert all(told), told
    return [json.loads(line) for line in told]


@pytest.fixture
def watched(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """The command on a terminal."""
    opened: list[Terminal] = []

    def start(*words: str, rows: int = 24, columns: int = 80) -> Terminal:
        opened.append(Terminal([*COMMAND, *words], environment, rows=rows, columns=columns))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_a_watched_list_changes_in_place_until_ctrl_c(server: RpcServer, watched: Callable[..., Terminal]) -> None:
    seen = threading.Event()

    def changes(call: Served) -> object:
        call.item(item(WEB, complete=False))
        call.item(item(DB))
        seen.wait(DEADLINE)
        call.item(item(vm("web-1", status="crashed"), gone=("d" * 12,)))
        call.wait_over()
        return {}

    server.handlers["vm.watch"] = changes
    terminal = watched("vm", "list", "--watch", "--filter", "web")
    first = terminal.see(b"starting").decode()
    assert first.index("db-1") < first.index("web-1")
    terminal.screen = b""
    seen.set()
    shown = terminal.see(b"crashed").decode()
    assert "\x1b[3F" in shown.replace("\x1b[?7l", "")
    assert "db-1" not in shown[shown.rindex("F\x1b[?7l") :]
    assert server.params("vm.watch") == {"filter": "web"}
    terminal.type(b"\x03")
    assert terminal.finish()[0] == 130
    assert terminal.restored


def test_more_than_fits_is_counted(server: RpcServer, watched: Callable[..., Terminal]) -> None:
    def many(call: Served) -> object:
        call.item(item(*(vm(f"vm-{at:02}", id=f"{at:012}") for at in range(20))))
        call.wait_over()
        return {}

    server.handlers["vm.watch"] = many
    shown = watched("ps", "-w", rows=8).see(b"more").decode()
    assert "... and 15 more" in shown and "vm-04" in shown and "vm-05" not in shown


def test_one_vm_is_watched_as_facts(server: RpcServer, watched: Callable[..., Terminal]) -> None:
    def changes(call: Served) -> object:
        call.item(item(WEB))
        call.item(item(gone=(WEB["id"],)))
        call.wait_over()
        return {}

    server.handlers["vm.watch"] = changes
    watched("vm", "get", "web-1", "--watch").see(b"web-1: deleted")
    assert server.params("vm.watch") == {"filter": "name:web-1"}


def test_who_watches_what_is_not_there_is_told(volant: Run) -> None:
    done = volant("vm", "get", "web-3", "--watch")
    assert done.returncode == NoSuchVm("x").exit_code and "did you mean 'web-" in done.stderr


def test_in_a_pipe_each_change_is_a_line(volant: Run, server: RpcServer) -> None:
    def changes(call: Served) -> object:
        call.item(item(WEB, DB))
        call.item(item(vm("web-1", status="stopped"), gone=("d" * 12,)))
        return {}

    server.handlers["vm.watch"] = changes
    lines = volant("vm", "list", "--watch").stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["NAME", "STATUS"], ["web-1", "ready"], ["db-1", "starting"], ["web-1", "stopped"], ["db-1", "gone"],
    ]  # fmt: skip
    told = [json.loads(line) for line in volant("vm", "get", "web-1", "-w", "-o", "jsonl").stdout.splitlines()]
    assert [one["status"] for one in told] == ["ready", "starting", "stopped", "gone"]


def test_after_a_restart_of_the_daemon_only_what_is_different_is_told(volant: Run, server: RpcServer) -> None:
    calls = iter([[WEB, DB], [WEB, vm("new-1", id="e" * 12)]])

    def changes(call: Served) -> object:
        call.item(item(*next(calls)))
        if server.params("vm.watch") and len([name for name, _ in server.calls if name == "vm.watch"]) == 1:
            call.hang_up()
            call.wait_over()
        return {}

    server.handlers["vm.watch"] = changes
    done = volant("vm", "watch", "-o", "name")
    assert done.stdout.split() == ["web-1", "db-1", "new-1", "db-1"]
    assert "is back; going on with the list as it is now" in done.stderr


def test_plugins_are_listed_anew_when_something_happened(server: RpcServer, environment: dict[str, str]) -> None:
    replies = iter([[plugin()], [plugin(enabled=False), plugin("other")]])
    last: dict[str, Any] = {}

    def listed(call: Served) -> object:
        last["items"] = next(replies, None) or last["items"]
        last["seq"] = last.get("seq", 6) + 1
        return last

    def happened(call: Served) -> object:
        assert call.params["after"] == 7
        call.item(event(8))
        call.wait_over()
        return {}

    server.handlers |= {"plugin.list": listed, "event.follow": happened}
    command = [*COMMAND, "plugin", "list", "--watch", "-o", "jsonl"]
    told = first_lines(command, environment, 3)
    assert [(one["name"], one["enabled"]) for one in told] == [("hello", True), ("hello", False), ("other", True)]


def test_who_missed_events_lists_anew(server: RpcServer, environment: dict[str, str]) -> None:
    replies = iter([{"items": [plugin()], "seq": 7}, {"items": [plugin(version="2.0.0")], "seq": 900}])

    def follow(call: Served) -> object:
        if call.params["after"] == 7:
            raise Lagged("event 8 is gone")
        call.wait_over()
        return {}

    server.handlers |= {"plugin.list": lambda call: next(replies), "event.follow": follow}
    command = [*COMMAND, "plugin", "list", "--watch", "-o", "jsonl"]
    assert [one["version"] for one in first_lines(command, environment, 2)] == ["1.0.0", "2.0.0"]


def test_deployments_are_watched_in_place(server: RpcServer, watched: Callable[..., Terminal]) -> None:
    gone = threading.Event()
    one = deployment("shop")
    server.handlers["deployment.list"] = lambda call: {"items": [one], "total": 1, "seq": 7}

    def happened(call: Served) -> object:
        one.update(status="degraded")
        server.handlers["deployment.list"] = lambda call: {"items": [one], "total": 1, "seq": 8}
        call.item(event(8))
        gone.wait(DEADLINE)
        call.item(event(9))
        call.wait_over()
        return {}

    server.handlers["event.follow"] = happened
    terminal = watched("deployment", "list", "--watch")
    terminal.see(b"degraded")
    server.handlers["deployment.list"] = lambda call: {"items": [], "total": 0, "seq": 9}
    gone.set()
    terminal.see(b"none now\x1b[K\r\n\x1b[J")


def test_one_deployment_is_watched_as_facts(server: RpcServer, watched: Callable[..., Terminal]) -> None:
    views = [deployment("shop"), deployment("other")]
    server.handlers |= {
        "deployment.get": lambda call: views[0],
        "deployment.list": lambda call: {"items": views, "total": 2, "seq": 7},
        "event.follow": lambda call: call.wait_over(),
    }
    shown = watched("deployment", "get", "shop", "--watch").see(b"revision 4").decode()
    assert "shop" in shown and "other" not in shown


def test_the_list_is_as_it_was_while_the_daemon_is_away() -> None:
    progress = VmsProgress({"filter": ""})
    progress.params(0)
    assert not progress.takes(item(WEB, complete=False))
    assert progress.takes(item(DB)) and len(progress.records) == 2
    progress.params(1)
    assert not progress.takes(item(WEB, complete=False)) and len(progress.records) == 2
    assert progress.takes(item()) and progress.changed == [] and progress.gone == [DB]


@pytest.mark.parametrize("order", [sign + word for word in SORTS for sign in ("", "-")])
def test_the_order_is_the_daemons(order: str) -> None:
    from dataclasses import dataclass

    from volant.daemon.vms.views import matching
    from volant.proto.plain import from_plain

    @dataclass
    class Held:
        view: VmView

    records = [
        vm(f"vm-{at}", status=status, ip=ip, cpu_cores=at % 2, memory_mb=at % 3, created_at=f"2026-01-{3 - at % 3:02}T00:00:00Z")
        for at, (status, ip) in enumerate([("ready", "10.0.0.9"), ("failed", "10.0.0.10"), ("ready", ""), ("stopped", "9.9.9.9")])
    ]
    wanted = [held.view.name for held in matching([Held(from_plain(VmView, record)) for record in records], ListVms(sort=order), now=0)]
    assert [record["name"] for record in in_order(records, order)] == wanted


def test_how_busy_the_host_is_comes_as_lines(volant: Run, server: RpcServer) -> None:
    def watch(call: Served) -> object:
        for percent in (3, 80):
            call.item({"cpu_percent": percent, "memory_mib": 8_192, "memory_available_mib": 2_048, "deployments": {"ready": 2}})
        return {}

    server.handlers["system.watch"] = watch
    done = volant("system", "watch", "--reconnect", "0")
    assert done.stdout.splitlines() == [
        "CPU%\tAVAILABLE\tMEMORY\tDEPLOYMENTS",
        '3\t2048\t8192\t{"ready": 2}',
        '80\t2048\t8192\t{"ready": 2}',
    ]
