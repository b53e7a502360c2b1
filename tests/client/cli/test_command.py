"""The `volant` command as scripts use it: streams, formats, exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from tests.client.cli.conftest import COMMAND, DEADLINE, Run
from tests.client.cli.records import event, vm
from tests.fakes.rpc_server import RpcServer, Served
from tests.strangers import as_stranger
from volant.proto.errors import ConnectionLost, Denied, Fault, Lagged, LaunchFailed, NameTaken, NoSuchAction, NoSuchPlugin, Timeout


def test_a_pipe_gets_tab_separated_values_untruncated_and_without_colour(volant: Run, server: RpcServer) -> None:
    long = "a-name-as-long-as-names-may-get-which-is-sixty-three-characters"
    server.handlers["vm.list"] = lambda call: {"items": [vm(long, reason="two\tparts")], "total": 1, "seq": 1}
    done = volant("vm", "list")
    assert done.returncode == 0 and done.stderr == ""
    header, row = done.stdout.splitlines()
    assert header.split("\t")[:3] == ["NAME", "STATUS", "PLUGIN"]
    assert row.split("\t") == [long, "ready", "hello", "1", "256", "192.168.127.10", "2026-01-31T12:00:00Z", "two\\tparts"]


@pytest.mark.parametrize("words", ["vm list", "vms ls", "ps"])
def test_names_of_the_original_and_short_forms_work(volant: Run, words: str) -> None:
    assert volant(*words.split(), "-o", "name").stdout == "web-1\nweb-2\n"


def test_every_format_of_a_list(volant: Run) -> None:
    assert json.loads(volant("vm", "list", "-o", "json").stdout)["seq"] == 7
    assert [json.loads(line)["name"] for line in volant("vm", "list", "-o", "jsonl").stdout.splitlines()] == ["web-1", "web-2"]
    assert yaml.safe_load(volant("vm", "list", "-o", "yaml").stdout)["items"][1]["status"] == "stopped"
    assert volant("vm", "list", "-o", "tsv", "--no-header").stdout.startswith("web-1\tready\t")
    assert volant("vm", "list", "-o", "table").stdout.splitlines()[0].split() == ["NAME", "STATUS", "PLUGIN", "CPUS", "MEMORY", "IP", "AGE"]
    assert "PORTS" in volant("vm", "list", "-o", "wide").stdout


def test_every_format_of_one(volant: Run) -> None:
    assert json.loads(volant("vm", "get", "web-1", "-o", "json").stdout) == vm()
    assert yaml.safe_load(volant("vm", "get", "web-1", "-o", "yaml").stdout) == vm()
    assert "status:       ready" in volant("vm", "get", "web-1", "-o", "table").stdout
    assert "status\tready" in volant("vm", "get", "web-1").stdout
    assert volant("vm", "get", "web-1", "-o", "name").stdout == "web-1\n"


def test_list_filters_and_pages(volant: Run, server: RpcServer) -> None:
    def page(call: Served) -> object:
        start = call.params.get("offset", 0)
        return {"items": [vm(f"vm-{at}") for at in range(start, min(start + call.params["limit"], 1500))], "total": 1500, "seq": 1}

    server.handlers["vm.list"] = page
    assert len(volant("vm", "list", "-o", "name").stdout.split()) == 1500
    assert volant("vm", "list", "-o", "name", "--limit", "3").stdout.split() == ["vm-0", "vm-1", "vm-2"]
    volant("vm", "list", "--filter", "status=ready,failed", "-f", "x|y", "--sort=-created")
    assert server.params("vm.list") | {"limit": 0, "offset": 0} == {
        "filter": "(status=ready,failed) (x|y)", "sort": "-created", "limit": 0, "offset": 0,
    }  # fmt: skip


def test_watching_tells_the_list_then_each_change(volant: Run, server: RpcServer) -> None:
    def changes(call: Served) -> object:
        assert call.params == {"filter": "web"}
        call.item({"items": [vm("web-1"), vm("web-2", id="2" * 12)], "gone": [], "seq": 1, "complete": True})
        call.item({"items": [vm("web-1", status="stopped")], "gone": ["2" * 12], "seq": 2, "complete": True})
        return {}

    server.handlers["vm.watch"] = changes
    lines = volant("vm", "watch", "-f", "web", "-o", "jsonl").stdout.splitlines()
    assert [(each["name"], each["status"]) for each in map(json.loads, lines)] == [
        ("web-1", "ready"), ("web-2", "ready"), ("web-1", "stopped"), ("web-2", "gone"),
    ]  # fmt: skip
    assert [line.split()[:2] for line in volant("vm", "watch", "-f", "web", "-o", "table").stdout.splitlines()][2:] == [
        ["web-1", "stopped"],
        ["web-2", "gone"],
    ]
    assert volant("vm", "watch", "-f", "web").stdout.splitlines()[0].startswith("NAME\tSTATUS\t")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("", 2, "usage: volant"),
        ("vm", 2, "usage: volant vm"),
        ("vn list", 2, "did you mean 'vm'"),
        ("vm lis", 2, "did you mean 'list'"),
        ("vm list --nonsense", 2, "--nonsense"),
        ("vm list --filtre web", 2, "did you mean '--filter'?"),
        ("vm list -o xml", 2, "xml"),
        ("vm list -o jsn", 2, "did you mean 'json'?"),
        ("vm list --sort crated", 2, "did you mean 'created'?"),
        ("vm start web-1 --wait=redy", 2, "did you mean 'ready'?"),
        ("vm list --sort colour", 2, "created"),
        ("vm list --limit many", 2, "whole number"),
        ("vm wait web-1 --timeout soon", 2, "no duration"),
        ("vm create web-1", 2, "--plugin"),
        ("vm create web-1 --plugin p -p 99999:1", 2, "port forward"),
        ("vm create web-1 --plugin p --no-start --wait", 2, "exclude each other"),
        ("vm get", 2, "NAME"),
        ("vm get web-3", 3, "did you mean 'web-"),
        ("plugin show helo", 3, "did you mean 'hello'"),
        ("vm call web-1", 2, "name one action"),
        ("vm cp a b", 2, "neither side"),
        ("vm cp a:/x b:/y", 2, "one of the two"),
        ("vm console web-1 --escape Q", 2, "escape key"),
        ("vm logs web-1 --since never", 2, "neither an age"),
    ],
)
def test_what_is_wrong_is_one_line_and_what_to_do_another(volant: Run, words: str, code: int, said: str) -> None:
    done = volant(*words.split())
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    if not done.stderr.startswith("usage:"):
        assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize("words", ["run helo web-9", "run --detach helo web-9", "vm create web-9 --plugin helo"])
def test_a_misspelt_plugin_is_told_which_was_meant(volant: Run, server: RpcServer, words: str) -> None:
    def create(call: Served) -> object:
        raise NoSuchPlugin(call.params["plugin"])

    server.handlers["vm.create"] = create
    assert volant(*words.split()).stderr.splitlines()[:2] == [
        "error: no plugin 'helo' is installed", "hint: did you mean 'hello'? `volant plugin list` shows the plugins",
    ]  # fmt: skip


def test_a_misspelt_action_is_told_which_was_meant(volant: Run, server: RpcServer) -> None:
    def call(call: Served) -> object:
        raise NoSuchAction(call.params["action"], ("status", "greet"))

    server.handlers["vm.call"] = call
    done = volant("vm", "call", "web-1", "statsu")
    assert (done.returncode, done.stderr.splitlines()[1]) == (3, "hint: did you mean 'status'? it has: status, greet")


def test_help_and_version_are_data(volant: Run) -> None:
    assert volant("--version").stdout.startswith("volant 0.")
    assert "vm create" in volant("help").stdout
    assert volant("help", "vm", "create").stdout == volant("vm", "create", "--help").stdout
    assert "examples:" in volant("vm", "create", "-h").stdout
    assert volant("vm", "--help").returncode == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [(NameTaken("VM", "web-1"), 4), (Denied("it is stopping"), 4), (Timeout("not ready within 30 s"), 5), (Fault("odd"), 1)],
)
def test_a_fault_decides_about_the_exit_code(volant: Run, server: RpcServer, fault: Fault, code: int) -> None:
    def fail(call: Served) -> object:
        raise fault

    server.handlers["vm.create"] = fail
    done = volant("vm", "create", "web-1", "--plugin", "hello")
    assert done.returncode == code
    assert done.stderr.startswith(f"error: {fault.message}\n")


def test_json_failures_are_json_on_stderr(volant: Run) -> None:
    done = volant("vm", "get", "web-3", "-o", "json")
    told = json.loads(done.stderr)
    assert told["code"] == "not_found.vm" and told["message"] and "did you mean" in told["hint"]
    assert json.loads(volant("vm", "lst", "-o", "json").stderr)["code"] == "usage"


def test_a_boot_that_failed_shows_what_was_said_indented_and_harmless(volant: Run, server: RpcServer) -> None:
    def fail(call: Served) -> object:
        raise LaunchFailed(
            "the guest's kernel panicked", hint="look at the initramfs",
            console="[0.1] panic\x1b[2J\nend", stderr="qemu: bad", command_line=["qemu", "-M", "microvm"],
        )  # fmt: skip

    server.handlers["vm.create"] = fail
    done = volant("run", "--detach", "hello", "web-1")
    assert done.stderr.splitlines() == [
        "error: the guest's kernel panicked",
        "hint: look at the initramfs",
        "  last console lines:",
        "    [0.1] panic\\x1b[2J",
        "    end",
        "  what the VMM said:",
        "    qemu: bad",
        "  its command line:",
        "    qemu",
        "    -M",
        "    microvm",
    ]


def test_several_names_are_all_tried(volant: Run, server: RpcServer) -> None:
    done = volant("vm", "stop", "web-1", "nope", "web-2")
    assert (done.returncode, done.stdout) == (8, "web-1\nweb-2\n")
    assert "error: there is no VM named 'nope'" in done.stderr
    assert volant("vm", "delete", "nope", "nada").returncode == 3
    assert volant("vm", "delete", "web-1", "web-2", "--force").stdout == "web-1\nweb-2\n"
    assert server.params("vm.delete") == {"name": "web-2", "force": True}


def test_flags_become_parameters(volant: Run, server: RpcServer) -> None:
    flags = "--cpus 2 --memory 1G --network user --env A=b=c --label x=y -p 8080:80 --restart always --autostart --wait --timeout 30s"
    volant("vm", "create", "web-1", "--plugin", "hello@1.2.0", *flags.split())
    assert server.params("vm.create") == {
        "name": "web-1", "plugin": "hello", "version": "1.2.0", "cpu_cores": 2, "memory_mb": 1024, "network": "user",
        "env": {"A": "b=c"}, "labels": {"x": "y"}, "restart": "always", "autostart": True, "wait": "ready", "timeout_ms": 30_000,
        "forwards": [{"guest_port": 80, "host_port": 8080, "protocol": "tcp", "host_ip": "127.0.0.1"}],
    }  # fmt: skip
    volant("vm", "stop", "web-1", "--grace", "5s", "--force", "--no-wait")
    assert server.params("vm.stop") == {"name": "web-1", "grace_ms": 5_000, "force": True, "wait": False}
    volant("wait", "vm", "web-1", "--for=stopped", "--timeout", "1m")
    assert server.params("vm.wait") == {"name": "web-1", "until": "stopped", "timeout_ms": 60_000}
    done = volant("run", "-d", "hello")
    assert server.params("vm.create")["wait"] == "ready"
    assert done.stdout.strip().startswith("hello-") and server.params("vm.create")["name"] == done.stdout.strip()
    done = volant("vm", "create", "web-1", "--plugin", "hello", "--dry-run")
    assert server.params("vm.create")["dry_run"] is True and "nothing was changed" in done.stderr


def test_events(volant: Run, server: RpcServer) -> None:
    assert [line.split("\t")[0] for line in volant("events").stdout.splitlines()] == ["SEQ", "1", "2"]
    assert server.params("event.list") == {"vm": "", "deployment": "", "kinds": [], "last": 50}
    done = volant("events", "--follow", "--since", "5", "--kind", "vm_ready", "-o", "jsonl")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2]
    assert server.params("event.follow") == {"vm": "", "deployment": "", "kinds": ["VM_READY"], "after": 5}


def test_a_gap_in_the_events_says_what_to_do(volant: Run, server: RpcServer) -> None:
    def gone(call: Served) -> object:
        raise Lagged("event 5 is gone; the oldest kept is 90")

    server.handlers["event.follow"] = gone
    done = volant("events", "--follow", "--since", "5")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: event 5 is gone; the oldest kept is 90"
    assert "volant event list" in done.stderr


def test_a_daemon_that_dies_in_the_middle(volant: Run, server: RpcServer) -> None:
    def die(call: Served) -> object:
        call.item(event(1))
        call.hang_up()
        raise ConnectionLost("gone")

    server.handlers["event.follow"] = die
    done = volant("events", "--follow", "-o", "name", "--reconnect", "0")
    assert done.returncode == 6
    assert done.stderr.startswith("error: the connection to volantd is gone")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "volantd answered vm.get with something else than agreed: the value must be a map"),
        ({"name": "web-1"}, "volantd answered vm.get with something else than agreed: "),
        (vm(forwards=[{"guest_port": 80}]), "what volantd answered vm.get can't be used: KeyError: 'host_ip'"),
    ],
)
def test_an_answer_that_can_not_be_shown_is_one_clear_error(volant: Run, server: RpcServer, answer: object, said: str) -> None:
    server.handlers["vm.get"] = lambda call: answer
    done = volant("vm", "get", "web-1", "-o", "table")
    error, hint = done.stderr.splitlines()
    assert done.returncode == 1 and error.startswith(f"error: {said}") and "of one version" in hint


def test_a_guest_that_tells_an_absurd_exit_code_breaks_nothing(volant: Run, server: RpcServer) -> None:
    server.handlers["vm.exec"] = lambda call: {"exit_code": 2**40 + 3}
    done = volant("vm", "exec", "web-1", "--", "true")
    assert (done.returncode, done.stderr) == (3, "")


def test_no_daemon_is_told_apart(volant: Run, tmp_path: Path) -> None:
    def tried(path: str) -> tuple[int, str]:
        done = volant("vm", "list", "--socket", path)
        lines = done.stderr.splitlines()
        assert len(lines) == 2 and lines[1].startswith("hint: ")
        return done.returncode, lines[0]

    assert tried(str(tmp_path / "missing.sock")) == (6, f"error: no volantd socket at {tmp_path}/missing.sock")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "stale.sock"))
    stale.close()
    assert tried(str(tmp_path / "stale.sock"))[0] == 6
    code, line = tried(str(tmp_path / ("x" * 200)))
    assert code == 2 and "107" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_forbidden_socket_says_which_group_to_join(server: RpcServer, environment: dict[str, str]) -> None:
    server.path.chmod(0o660)
    server.path.parent.chmod(0o755)
    for folder in server.path.parents[:-1]:
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        as_stranger([*COMMAND, "vm", "list"]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 7
    assert done.stderr.startswith("error: you may not open ") and "usermod" in done.stderr


def test_a_broken_pipe_is_quiet(server: RpcServer, environment: dict[str, str]) -> None:
    server.handlers["vm.list"] = lambda call: {"items": [vm(f"vm-{at}") for at in range(3_000)], "total": 3_000, "seq": 1}
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1; echo ${PIPESTATUS[0]}', "-", *COMMAND, "vm", "list", "-o", "json"],
        env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["{", "141"]
    assert done.stderr == ""


def test_a_full_disk_is_one_sentence(environment: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "vm", "list"], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False
        )
    assert (done.returncode, done.stderr) == (1, "error: the output can't be written: No space left on device\n")


def test_ctrl_c_ends_a_wait_with_130_and_cancels_the_call(server: RpcServer, environment: dict[str, str]) -> None:
    cancelled = threading.Event()

    def never(call: Served) -> object:
        process.send_signal(signal.SIGINT)
        call.wait_over()
        cancelled.set()
        return None

    server.handlers["vm.wait"] = never
    process = subprocess.Popen([*COMMAND, "vm", "wait", "web-1"], env=environment, stderr=subprocess.PIPE, text=True)
    _, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, said) == (130, "")
    assert cancelled.wait(DEADLINE)


@pytest.mark.parametrize("line", ["vm list", "vm create web-1 --plugin p --wait ready"])
def test_quick_commands_load_nothing_heavy(environment: dict[str, str], line: str) -> None:
    heavy = ["textual", "rich", "trio", "asyncio", "peewee", "pyroute2", "msgspec", "yaml", "shutil", "json", "tarfile", "datetime"]
    heavy += ["typing", "dataclasses", "inspect", "cbor2"]
    code = f"""
import sys
from volant.client.cli.main import main
main({line.split()!r})
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([COMMAND[0], "-c", code], env=environment, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert done.stderr == "[]\n"
