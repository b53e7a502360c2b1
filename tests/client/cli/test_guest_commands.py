"""`exec`, `cp`, `call`, `logs` and `plugin install` against canned guests."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.client.cli.conftest import COMMAND, DEADLINE, Run
from tests.client.cli.records import plugin
from tests.fakes.rpc_server import RpcServer, Served
from volant.client.cli.commands.copy import Guest, Place, destination, side
from volant.client.cli.commands.plugin_install import resolved
from volant.proto.errors import AgentMissing, GuestFailed, InvalidManifest, NoSuchFile, Usage
from volant.proto.specs.manifest_text import MAX_MANIFEST


def capitals(call: Served) -> Any:
    """A program that answers its input in capitals, and its end on stderr."""
    call.item({"exec_id": 7, "pid": 100})
    while typed := call.read():
        call.write(typed.upper())
    call.write(b"end of input\n", channel=2)
    return {"exit_code": 42, "signal": 0}


def test_exec_joins_the_streams_and_passes_the_exit_code_on(volant: Run, server: RpcServer) -> None:
    server.handlers["vm.exec"] = capitals
    done = volant("exec", "web-1", "-e", "A=b", "-w", "/srv", "-u", "www", "--timeout", "5s", "--", "tr", "-d", "x", stdin="hello\n")
    assert (done.stdout, done.stderr, done.returncode) == ("HELLO\n", "end of input\n", 42)
    assert server.params("vm.exec") == {
        "name": "web-1", "argv": ["tr", "-d", "x"], "env": {"A": "b"}, "workdir": "/srv", "user": "www", "timeout_ms": 5_000,
    }  # fmt: skip


def test_exec_moves_megabytes_both_ways_and_loses_none(server: RpcServer, environment: dict[str, str]) -> None:
    server.handlers["vm.exec"] = capitals
    data = os.urandom(1 << 20).hex().encode() * 2
    done = subprocess.run(
        [*COMMAND, "exec", "web-1", "--", "cat"], input=data, env=environment, capture_output=True, timeout=DEADLINE, check=False
    )
    assert done.stdout == data.upper()
    assert done.returncode == 42


def test_exec_does_not_wait_for_input_that_nobody_reads(server: RpcServer, environment: dict[str, str]) -> None:
    def over(call: Served) -> Any:
        call.item({"exec_id": 7, "pid": 100})
        return {"exit_code": 0, "signal": 0}

    server.handlers["vm.exec"] = over
    reader, writer = os.pipe()
    try:
        done = subprocess.run([*COMMAND, "exec", "web-1", "--", "true"], stdin=reader, env=environment, timeout=DEADLINE, check=False)
    finally:
        os.close(reader)
        os.close(writer)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [(AgentMissing("no agent answers"), 125), (NoSuchFile("there is no sh"), 127), (GuestFailed("can't be run", exit_code=126), 126)],
)
def test_exec_failures_that_are_ours(volant: Run, server: RpcServer, fault: Exception, code: int) -> None:
    def fail(call: Served) -> Any:
        raise fault

    server.handlers["vm.exec"] = fail
    done = volant("exec", "web-1", "--", "sh")
    assert done.returncode == code
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "words", [["exec", "web-1"], ["exec", "web-1", "-t", "sh"], ["exec", "web-1", "--socket", "/nowhere/s", "--", "sh"]]
)
def test_exec_usage_and_no_daemon_are_125_too(volant: Run, words: list[str]) -> None:
    assert volant(*words).returncode == 125


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_go_to_the_guests_program(server: RpcServer, environment: dict[str, str], number: int) -> None:
    calls: list[Served] = []

    def wait_for_signal(call: Served) -> Any:
        call.item({"exec_id": 7, "pid": 100})
        call.write(b"ready\n")
        call.read_all(channel=3)
        return None

    def end(call: Served) -> Any:
        running = calls[-1]
        running.received[3] += b""
        with running.changed:
            running.ended.add(3)
            running.changed.notify_all()
        return {"name": ""}

    def execute(call: Served) -> Any:
        calls.append(call)
        wait_for_signal(call)
        return {"exit_code": 128 + server.params("vm.signal")["signal"], "signal": 0}

    server.handlers |= {"vm.exec": execute, "vm.signal": end}
    process = subprocess.Popen(
        [*COMMAND, "exec", "web-1", "--", "sleep"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 128 + number
    assert server.params("vm.signal") == {"name": "web-1", "exec_id": 7, "signal": number}


# ------------------------------------------------------------------------------------------------------------------ call


def answering(status: int, reason: str = "OK") -> Any:
    def call_workload(call: Served) -> Any:
        body = call.read_all()
        call.item({"status": status, "reason": reason, "headers": [["Content-Type", "text/plain"]]})
        call.write(b"you said: " + body + b"\n")
        return {"name": ""}

    return call_workload


def test_call_sends_and_shows_bodies(volant: Run, server: RpcServer, tmp_path: Path) -> None:
    server.handlers["vm.call"] = answering(200)
    assert volant("vm", "call", "web-1", "greet", "-d", "hello").stdout == "you said: hello\n"
    (tmp_path / "body").write_text("from a file")
    assert volant("vm", "call", "web-1", "greet", "-d", f"@{tmp_path}/body").stdout == "you said: from a file\n"
    assert volant("vm", "call", "web-1", "greet", "-d", "-", stdin="from stdin").stdout == "you said: from stdin\n"
    assert volant("vm", "call", "web-1", "greet", "-i").stdout == "HTTP 200 OK\nContent-Type: text/plain\n\nyou said: \n"
    assert volant("vm", "call", "web-1", "greet", "-d", "@/nowhere").returncode == 3


def test_call_parameters(volant: Run, server: RpcServer) -> None:
    server.handlers["vm.call"] = answering(200)
    volant("vm", "call", "web-1", "greet", "-H", "X-A: b", "--query", "name=Ada L&b", "--query", "x=1", "--timeout", "2s")
    assert server.params("vm.call") == {
        "name": "web-1", "action": "greet", "headers": [["X-A", "b"]], "query": "name=Ada+L%26b&x=1", "timeout_ms": 2_000,
    }  # fmt: skip
    volant("vm", "call", "web-1", "--request", "get /metrics?a=b")
    assert server.params("vm.call") == {"name": "web-1", "headers": [], "method": "GET", "path": "/metrics?a=b"}
    for wrong in ("GET", "GET metrics", "G3T /", "GET /a b"):
        assert volant("vm", "call", "web-1", "--request", wrong).returncode == 2


def test_an_http_error_is_a_failure_with_its_body(volant: Run, server: RpcServer) -> None:
    server.handlers["vm.call"] = answering(503, "Not Yet")
    done = volant("vm", "call", "web-1", "greet")
    assert (done.returncode, done.stdout, done.stderr) == (1, "you said: \n", "error: the workload answered 503 Not Yet\n")


# ------------------------------------------------------------------------------------------------------------------ logs


def test_logs_keep_the_streams_apart(volant: Run, server: RpcServer) -> None:
    def logs(call: Served) -> Any:
        for stream in ("stdout", "stderr", "agent"):
            call.item({"seq": 1, "time": "T", "stream": stream, "text": f"to {stream}"})
        return {"name": ""}

    server.handlers["vm.logs"] = logs
    done = volant("logs", "web-1", "--since", "2026-01-31T12:00:00Z", "--tail", "all", "-f")
    assert (done.stdout, done.stderr) == ("to stdout\n", "to stderr\nagent: to agent\n")
    assert server.params("vm.logs") == {"name": "web-1", "tail": -1, "follow": True, "since": "2026-01-31T12:00:00.000Z"}
    assert json.loads(volant("logs", "web-1", "-o", "jsonl").stdout.splitlines()[2])["stream"] == "agent"


def test_lines_that_are_lost_are_counted_and_a_new_boot_is_no_loss(volant: Run, server: RpcServer) -> None:
    def logs(call: Served) -> Any:
        for seq in (7, 8, 10, 15, 1, 2):
            call.item({"seq": seq, "time": "T", "stream": "stdout", "text": str(seq)})
        return {"name": ""}

    server.handlers["vm.logs"] = logs
    done = volant("logs", "web-1")
    lost = "lost: the guest keeps the newest ones only"
    assert (done.stdout.split(), done.stderr.splitlines()) == (
        ["7", "8", "10", "15", "1", "2"],
        [f"1 line of output is {lost}", f"4 lines of output are {lost}"],
    )
    assert volant("logs", "web-1", "--quiet").stderr == ""


# -------------------------------------------------------------------------------------------------------------------- cp


def tree_of(call: Served, source: str) -> None:
    """Send a host path as the agent sends one of the guest's."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(source, arcname=os.path.basename(source) or ".")
    call.write(stream.getvalue())
    call.end()


@pytest.fixture
def guest(server: RpcServer, tmp_path: Path) -> Path:
    """A folder that plays the guest's root."""
    root = tmp_path / "guest"
    root.mkdir()

    def copy_out(call: Served) -> Any:
        path = os.path.join(root, str(call.params["path"]).lstrip("/"))
        if not os.path.lexists(path):
            raise NoSuchFile(f"there is no {call.params['path']} in the guest")
        tree_of(call, path)
        return {"files": 1, "bytes": 1}

    def copy_in(call: Served) -> Any:
        target = root / str(call.params["path"]).lstrip("/")
        with tarfile.open(fileobj=io.BytesIO(call.read_all()), mode="r|") as archive:
            archive.extractall(target)
        return {"files": 1, "bytes": 1}

    server.handlers |= {"vm.copy_out": copy_out, "vm.copy_in": copy_in}
    return root


def test_files_and_folders_go_in(volant: Run, guest: Path, tmp_path: Path) -> None:
    (tmp_path / "site/sub").mkdir(parents=True)
    (tmp_path / "site/sub/page").write_text("page")
    (guest / "srv").mkdir()
    (guest / "run").symlink_to("srv")
    site = str(tmp_path / "site")
    assert volant("cp", f"{site}/sub/page", "web-1:/srv").returncode == 0
    assert volant("cp", f"{site}/sub/page", "web-1:/srv/other").returncode == 0
    assert volant("cp", f"{site}/sub/page", "web-1:/run").returncode == 0
    assert volant("cp", site, "web-1:/srv").returncode == 0
    assert volant("cp", f"{site}/.", "web-1:/srv").returncode == 0
    assert volant("cp", site, "web-1:/new").returncode == 0
    found = sorted(str(path.relative_to(guest)) for path in guest.rglob("*") if path.is_file())
    assert found == ["new/sub/page", "srv/other", "srv/page", "srv/site/sub/page", "srv/sub/page"]
    assert (guest / "run").is_symlink()
    assert volant("cp", site, "web-1:/srv/page").returncode == 2
    assert volant("cp", f"{site}/sub/page", "web-1:/nowhere/").returncode == 3
    assert volant("cp", str(tmp_path / "missing"), "web-1:/srv").returncode == 3


def test_files_and_folders_come_out(volant: Run, guest: Path, tmp_path: Path) -> None:
    (guest / "etc/conf.d").mkdir(parents=True)
    (guest / "etc/conf.d/a").write_text("a")
    out = tmp_path / "out"
    out.mkdir()
    assert volant("cp", "web-1:/etc/conf.d/a", str(out)).returncode == 0
    assert volant("cp", "web-1:/etc/conf.d/a", str(out / "b")).returncode == 0
    assert volant("cp", "web-1:/etc", str(out)).returncode == 0
    assert volant("cp", "web-1:/etc/.", str(out)).returncode == 0
    assert volant("cp", "web-1:/etc", str(out / "new")).returncode == 0
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert found == ["a", "b", "conf.d/a", "etc/conf.d/a", "new/conf.d/a"]
    assert volant("cp", "web-1:/nothing", str(out)).returncode == 3
    assert volant("cp", "web-1:/etc", str(tmp_path / "no/where")).returncode == 3


def test_what_is_left_out_is_told(volant: Run, guest: Path, tmp_path: Path) -> None:
    (guest / "etc").mkdir()
    (guest / "etc/kept").write_text("kept")
    (guest / "etc/out").symlink_to("/etc/shadow")
    done = volant("cp", "web-1:/etc", str(tmp_path / "copy"))
    assert done.returncode == 8
    assert done.stderr == "warning: left out etc/out: a link that leads out of the copied tree, to '/etc/shadow'\n"
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["kept"]


def test_tar_streams(guest: Path, environment: dict[str, str], tmp_path: Path) -> None:
    (guest / "etc").mkdir()
    (guest / "etc/a").write_text("a")
    out = subprocess.run([*COMMAND, "cp", "web-1:/etc", "-"], env=environment, capture_output=True, timeout=DEADLINE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        assert archive.getnames() == ["etc", "etc/a"]
    (guest / "srv").mkdir()
    subprocess.run([*COMMAND, "cp", "-", "web-1:/srv"], input=out, env=environment, timeout=DEADLINE, check=True)
    assert (guest / "srv/etc/a").read_text() == "a"


def test_sides() -> None:
    assert side("web-1:/etc/hosts") == Guest("web-1", "/etc/hosts")
    assert side("web-1:etc/") == Guest("web-1", "/etc/")
    assert side("./a:b") == "./a:b"
    assert side("/a:b") == "/a:b"
    assert side("-") == "-"
    with pytest.raises(Usage):
        side("web-1:")


@pytest.mark.parametrize(
    ("target", "is_folder", "contents", "kind", "place"),
    [
        ("/etc", False, False, "folder", Place("/etc", "src")),
        ("/etc/x", False, False, "missing", Place("/etc", "x")),
        ("/etc/x", False, False, "file", Place("/etc", "x")),
        ("/etc", True, False, "folder", Place("/etc", "src")),
        ("/etc", True, True, "folder", Place("/etc", "")),
        ("/etc/x/", True, False, "missing", Place("/etc", "x")),
        ("x", False, False, "missing", Place(".", "x")),
        ("/x", False, False, "missing", Place("/", "x")),
    ],
)
def test_destinations(target: str, is_folder: bool, contents: bool, kind: str, place: Place) -> None:
    assert destination("src", target, source_is_folder=is_folder, contents_only=contents, target_kind=kind) == place


# --------------------------------------------------------------------------------------------------------------- install


def test_install_resolves_paths_and_tells_warnings(volant: Run, server: RpcServer, tmp_path: Path) -> None:
    (tmp_path / "plugin.json").write_text(json.dumps({"name": "hello", "initramfs": {"url": "./img.cpio"}}))
    done = volant("plugin", "install", str(tmp_path / "plugin.json"), "--strict")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello 1.0.0\n", "warning: cpu: unknown field\n")
    assert server.params("plugin.install") == {
        "manifest": {"name": "hello", "initramfs": {"url": str(tmp_path / "img.cpio")}}, "strict": True, "replace": False, "dry_run": False,
    }  # fmt: skip
    done = volant("plugin", "install", "-", "--dry-run", stdin='{"name": "hello"}')
    assert json.loads(done.stdout) == {"name": "hello"}


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", 2, "is empty"),
        (b" \n", 2, "is empty"),
        (b"{name: x}", 2, "line 1, column 2"),
        (b"[]", 2, "array, not an object"),
        (b"\xff\xfe", 2, "UTF-8"),
        (b'{"a": 1, "a": 2}', 2, "given twice"),
        (b'{"a": NaN}', 2, "NaN"),
        (b'{"a": ' + b"9" * 5_000 + b"}", 2, "a number that can't be read"),
        (b"[" * 100_000, 2, "nested too deep"),
        (b"x" * (MAX_MANIFEST + 1), 2, "larger than"),
        (b'{"a": "\\ud800"}', 2, "can't be sent"),
        (b'{"a": 99999999999999999999999}', 2, "can't be sent"),
    ],
)
def test_a_manifest_that_is_none(volant: Run, tmp_path: Path, content: bytes, code: int, said: str) -> None:
    (tmp_path / "plugin.json").write_bytes(content)
    done = volant("plugin", "install", str(tmp_path / "plugin.json"))
    assert done.returncode == code
    assert said in done.stderr and done.stderr.count("\n") == 2


def test_a_manifest_of_fifty_megabytes_is_refused_unread(volant: Run, tmp_path: Path) -> None:
    with open(tmp_path / "plugin.json", "wb") as file:
        file.truncate(50 << 20)
    assert volant("plugin", "install", str(tmp_path / "plugin.json")).returncode == 2
    assert volant("plugin", "install", str(tmp_path / "missing.json")).returncode == 3
    assert volant("plugin", "install", str(tmp_path)).returncode == 2


def test_all_wrong_fields_are_shown(volant: Run, server: RpcServer) -> None:
    def refuse(call: Served) -> Any:
        raise InvalidManifest((("name", "is missing"), ("workload.type", "must be http")))

    server.handlers["plugin.install"] = refuse
    done = volant("plugin", "install", "-", "-o", "json", stdin="{}")
    assert [problem["path"] for problem in json.loads(done.stderr)["data"]["problems"]] == ["name", "workload.type"]


def test_only_relative_paths_are_resolved() -> None:
    manifest: dict[str, Any] = {
        "rootfs": {"url": "root.img"},
        "initramfs": {"url": "https://example.org/x"},
        "disks": [{"source": "../d.img"}, {"source": "/abs"}, "odd"],
        "cloud_init": {"datasource": "NoCloud", "user_data": {"path": "ud"}},
    }
    assert resolved(manifest, "/p/q") == {
        "rootfs": {"url": "/p/q/root.img"},
        "initramfs": {"url": "https://example.org/x"},
        "disks": [{"source": "/p/d.img"}, {"source": "/abs"}, "odd"],
        "cloud_init": {"datasource": "NoCloud", "user_data": {"path": "/p/q/ud"}},
    }
    assert resolved(plugin()["manifest"], "/p") == plugin()["manifest"]
