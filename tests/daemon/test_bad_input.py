"""What people get wrong, done as they do it: the `volant` command against a real daemon whose guests are the fake's.

Each is answered by one sentence and a hint, with the right exit code; nothing stays behind, and a VM beside it notices nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.complaints import complaint, holdings, manifest, nothing_left, undisturbed
from tests.fakes.http_server import web_server
from tests.patience import PATIENCE_S
from tests.rig import VOLANT, Rig, rig
from tests.strangers import as_stranger
from volant.daemon.rpc.outbox import STALL_SECONDS
from volant.fledge.cpio import Writer
from volant.proto.errors import ExitCode, FrameTooLarge, InvalidParams

RESTARTS = 700
"""The events, four and more of each, fill the follower's socket (some 800 of them) and what the daemon holds for it (1,024)."""

HELLO = {
    "schema_version": "1",
    "name": "hello",
    "version": "1.0.0",
    "resources": {"cpu_cores": 1, "memory_mb": 128},
    "workload": {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]},
    "actions": {"greet": {"method": "GET", "path": "/greet"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds hello.cpio and hello.json."""
    made = tmp_path_factory.mktemp("bad")
    with (made / "hello.cpio").open("wb") as file:
        writer = Writer(file)
        writer.directory("bin")
        writer.file("bin/serve", b"#!/bin/sh\n", mode=0o755)
        writer.close()
    (made / "hello.json").write_text(json.dumps(HELLO | {"initramfs": {"url": str(made / "hello.cpio")}}))
    return made


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[Rig]:
    """A daemon with the plugin `hello`, and `calm`, a VM that nothing here may disturb."""
    with rig(hypervisor="fake", network="none") as made:
        made.start()
        made.volant("plugin", "install", str(folder / "hello.json"))
        made.volant("vm", "create", "calm", "--plugin", "hello", "--wait", "ready")
        with undisturbed(made, "calm"):
            yield made
        assert "Traceback" not in made.log.read_text()
        assert made.stop() == 0


def refused(host: Rig, code: int, *words: str, says: tuple[str, ...] = (), stdin: str | None = None) -> str:
    """`volant WORDS` fails well, and leaves everything as it was."""
    with nothing_left(host):
        return complaint(host.volant(*words, check=False, stdin=stdin), code, *says)


# ------------------------------------------------------------------------------------------------------------- names and sizes


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Bad_Name", "may hold only a-z, 0-9 and -"),
        ("a.b", "may hold only a-z, 0-9 and -"),
        ("web-", "must begin and end with a letter or digit"),
        ("ü", "may hold only a-z, 0-9 and -"),
        ("two\nlines", "may hold only a-z, 0-9 and -"),
        ("../etc", "may hold only a-z, 0-9 and -"),
        ("", "is empty"),
        ("a" * 64, "has 64 bytes; at most 63"),
        ("ü" * 32, "has 64 bytes; at most 63"),
    ],
)
def test_a_name_that_is_no_dns_label(host: Rig, name: str, says: str) -> None:
    refused(host, ExitCode.USAGE, "vm", "create", name, "--plugin", "hello", says=(says, "web-1"))


def test_a_name_of_63_bytes_is_one(host: Rig) -> None:
    with nothing_left(host):
        host.volant("vm", "create", "a" * 63, "--plugin", "hello", "--wait")
        host.volant("vm", "delete", "a" * 63, "--force")


def test_a_name_that_is_taken(host: Rig) -> None:
    refused(host, ExitCode.CONFLICT, "vm", "create", "calm", "--plugin", "hello", says=("'calm' exists already", "another name"))


def test_two_creates_of_the_same_name_at_once(host: Rig) -> None:
    with nothing_left(host), ExitStack() as stack:
        racing = [stack.enter_context(host.under_way("vm", "create", "same", "--plugin", "hello", "--wait")) for _ in range(4)]
        ended = [(client.communicate(timeout=30), client.returncode) for client in racing]
        assert sorted(code for _, code in ended) == [ExitCode.OK, *[ExitCode.CONFLICT] * 3]
        assert all(b"'same' exists already" in errors for (_, errors), code in ended if code)
        host.volant("vm", "delete", "same", "--force")


@pytest.mark.parametrize(
    ("cpus", "says"),
    [
        ("0", "cpu_cores is 0; a VM has 1 to 255"),
        ("10000", "cpu_cores is 10000"),
        ("-1", "'-1' is no whole number"),
        ("1" * 30, "no whole"),
    ],
)
def test_a_number_of_cpus_that_no_vm_has(host: Rig, cpus: str, says: str) -> None:
    refused(host, ExitCode.USAGE, "vm", "create", "big", "--plugin", "hello", "--cpus", cpus, says=(says,))


def test_more_memory_than_the_host_has_says_how_much_there_is(host: Rig) -> None:
    said = refused(host, ExitCode.FAILED, "vm", "create", "big", "--plugin", "hello", "--memory", "900G", says=("921600 MiB", "--memory"))
    free = int(said.split(" MiB are free")[0].rsplit(" ", 1)[1])
    total = host.json("system", "info")["host_memory_mib"]
    assert 0 < free <= total


@pytest.mark.parametrize(("size", "says"), [("0", "no amount of memory"), ("1", "at least 112 MiB"), ("99999999999999T", "memory")])
def test_an_amount_of_memory_that_makes_no_sense(host: Rig, size: str, says: str) -> None:
    refused(host, ExitCode.USAGE, "vm", "create", "big", "--plugin", "hello", "--memory", size, says=(says,))


def test_text_that_no_message_can_hold(host: Rig) -> None:
    refused(host, ExitCode.USAGE, "vm", "create", "odd", "--plugin", "hello", "--env", "A=\udcff", says=("UTF-8",))
    many = [word for number in range(4) for word in ("--env", f"A{number}={'x' * 100_000}")]
    refused(host, ExitCode.FAILED, "vm", "create", "odd", "--plugin", "hello", *many, says=("262144",))


# -------------------------------------------------------------------------------------------------------------------- manifests


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("{this is none", "is not JSON: line 1, column 2"),
        ("[]", "array, not an object"),
        ("[" * 100_000, "nested too deep"),
        ('{"name": "a", "name": "b"}', "name: is given twice"),
        ('{"schema_version": 1' + "0" * 30 + "}", ""),
        ('{"schema_version": NaN}', ""),
        ('{"a":' * 40 + "1" + "}" * 40, ""),
    ],
)
def test_a_file_that_is_no_manifest(host: Rig, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "plugin.json"
    path.write_text(text)
    refused(host, ExitCode.USAGE, "plugin", "install", str(path), says=(says,))


def test_a_manifest_of_50_mb(host: Rig, tmp_path: Path) -> None:
    path = tmp_path / "plugin.json"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    refused(host, ExitCode.USAGE, "plugin", "install", str(path), says=("larger than 128 KiB", "is this the image itself?"))
    refused(host, ExitCode.USAGE, "plugin", "install", "-", says=("larger than 128 KiB",), stdin="x" * 50_000_000)


def test_a_script_that_sends_50_mb_is_told_and_may_go_on(host: Rig) -> None:
    with nothing_left(host), host.client() as client:
        with pytest.raises(FrameTooLarge, match="262144"):
            client.stream_plain("plugin.install", {"manifest": {"name": "x" * 50_000_000}})
        assert client.call_plain("vm.get", {"name": "calm"})["status"] == "ready"


def test_a_peer_that_announces_50_mb_loses_its_connection_only(host: Rig) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(host.socket))
        peer.settimeout(10)
        peer.sendall((50_000_000).to_bytes(4, "big") + b"x" * 100)
        while peer.recv(65_536):
            pass


def test_wrong_fields_are_all_named_at_once(host: Rig, folder: Path, tmp_path: Path) -> None:
    path = manifest(
        tmp_path / "m.json", folder / "hello.json", name="Not A Label", resources={"cpu_cores": 0, "memory_mb": -1}, initramfs=None
    )
    said = refused(host, ExitCode.USAGE, "plugin", "install", path, says=("docs/manifest.md",))
    assert all(f"{field}: " in said for field in ("name", "resources.cpu_cores", "resources.memory_mb", "rootfs"))


def installing(host: Rig, folder: Path, tmp_path: Path, code: int, *says: str, **changes: Any) -> None:
    """A manifest that is `hello`'s but for `changes` is refused."""
    path = manifest(tmp_path / "m.json", folder / "hello.json", **({"name": "other"} | changes))
    refused(host, code, "plugin", "install", path, says=says)


def test_a_checksum_that_does_not_match(host: Rig, folder: Path, tmp_path: Path) -> None:
    artifact = {"url": str(folder / "hello.cpio"), "checksum": "sha256:" + "0" * 64}
    installing(host, folder, tmp_path, ExitCode.FAILED, "does not match its checksum", "correct the checksum", initramfs=artifact)
    artifact["checksum"] = "md5:abc"
    installing(host, folder, tmp_path, ExitCode.USAGE, "initramfs.checksum", "sha256:", initramfs=artifact)


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("http://127.0.0.1:1/x", ExitCode.FAILED, "nobody listens at 127.0.0.1:1"),
        ("http://no-such-host.invalid/x", ExitCode.FAILED, "can't be resolved"),
        ("/no/such/file", ExitCode.FAILED, "/no/such/file does not exist"),
        ("ftp://localhost/x", ExitCode.USAGE, "http:// or https://"),
        ("/proc/self/mem", ExitCode.FAILED, "/proc/self/mem"),
        ("/dev/zero", ExitCode.FAILED, "/dev/zero"),
        ("/etc", ExitCode.FAILED, "/etc"),
    ],
)
def test_an_artifact_that_can_not_be_had(host: Rig, folder: Path, tmp_path: Path, url: str, code: int, says: str) -> None:
    installing(host, folder, tmp_path, code, says, initramfs={"url": url})


def test_a_url_that_loops_lies_or_is_not_there(host: Rig, folder: Path, tmp_path: Path) -> None:
    with web_server() as web:
        web.redirect("/a", web.url + "/b")
        loop = web.redirect("/b", web.url + "/a")
        installing(host, folder, tmp_path, ExitCode.FAILED, "redirect", initramfs={"url": loop})
        installing(host, folder, tmp_path, ExitCode.FAILED, "404", initramfs={"url": web.url + "/none"})
        short = web.serve("/short", (folder / "hello.cpio").read_bytes(), length=1_000_000)
        installing(host, folder, tmp_path, ExitCode.FAILED, "1000000", initramfs={"url": short})
        page = web.serve("/page", b"<html>please sign in</html>")
        installing(host, folder, tmp_path, ExitCode.FAILED, "perhaps an error page", initramfs={"url": page})


def test_an_interrupted_install_leaves_nothing(host: Rig, folder: Path, tmp_path: Path) -> None:
    with web_server() as web, nothing_left(host):
        path = manifest(tmp_path / "m.json", folder / "hello.json", name="slow", initramfs={"url": web.stall("/s", b"0707", length=10_000)})
        with host.under_way("plugin", "install", path) as client:
            while not web.asked["/s"]:
                time.sleep(0.01)
            client.send_signal(signal.SIGINT)
            client.communicate(timeout=20)
            assert client.returncode == 130
        deadline = time.monotonic() + 10
        while list((host.state / "images" / "drafts").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)


def test_a_rootfs_that_is_no_file_system(host: Rig, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(100_000))
    for format, says in (("raw", "is no file system"), ("qcow2", "is no qcow2 image")):
        rootfs = {"url": str(tmp_path / "noise"), "format": format}
        installing(host, folder, tmp_path, ExitCode.FAILED, says, "give a", rootfs=rootfs, initramfs=None)
    installing(host, folder, tmp_path, ExitCode.FAILED, "it is a cpio archive", rootfs={"url": str(folder / "hello.cpio")}, initramfs=None)


def test_an_initramfs_that_is_none_or_has_neither_init_nor_the_entrypoint(host: Rig, folder: Path, tmp_path: Path) -> None:
    installing(host, folder, tmp_path, ExitCode.FAILED, "is no cpio archive", "cpio -o -H newc", initramfs={"url": "/etc/passwd"})
    workload = HELLO["workload"] | {"entrypoint": ["/bin/none"]}  # type: ignore[operator]
    installing(host, folder, tmp_path, ExitCode.FAILED, "neither an executable /init nor", "'/bin/none'", workload=workload)


def test_a_file_that_is_not_there_or_may_not_be_read(host: Rig, tmp_path: Path) -> None:
    refused(host, ExitCode.NOT_FOUND, "plugin", "install", str(tmp_path / "none.json"), says=("there is no file",))
    refused(host, ExitCode.USAGE, "plugin", "install", str(tmp_path), says=("is a folder",))


# -------------------------------------------------------------------------------------------------------------- plugins and VMs


def test_a_plugin_that_is_unknown_in_use_or_disabled(host: Rig) -> None:
    refused(host, ExitCode.NOT_FOUND, "vm", "create", "new", "--plugin", "nope", says=("no plugin 'nope'", "volant plugin list"))
    refused(host, ExitCode.NOT_FOUND, "vm", "create", "new", "--plugin", "helo", says=("did you mean 'hello'",))
    refused(host, ExitCode.NOT_FOUND, "vm", "create", "new", "--plugin", "hello@9", says=("version '9'",))
    for verb in ("show", "enable", "disable", "remove"):
        refused(host, ExitCode.NOT_FOUND, "plugin", verb, "nope", says=("no plugin 'nope'",))
    refused(host, ExitCode.CONFLICT, "plugin", "remove", "hello", says=("'hello' is used by one VM: calm", "delete it first"))
    host.volant("plugin", "disable", "hello")
    try:
        refused(host, ExitCode.CONFLICT, "vm", "create", "new", "--plugin", "hello", says=("is disabled", "volant plugin enable hello"))
    finally:
        host.volant("plugin", "enable", "hello")


def test_other_contents_under_a_name_and_version_that_are_taken(host: Rig, folder: Path, tmp_path: Path) -> None:
    changed = manifest(tmp_path / "m.json", folder / "hello.json", labels={"other": "yes"})
    refused(host, ExitCode.CONFLICT, "plugin", "install", changed, says=("'hello 1.0.0' exists already",))
    refused(host, ExitCode.CONFLICT, "plugin", "install", changed, "--replace", says=("is used by one VM: calm",))


@pytest.mark.parametrize("words", [("get",), ("start",), ("stop",), ("restart",), ("delete",), ("logs",), ("console",), ("actions",)])
def test_a_vm_that_is_not_there(host: Rig, words: tuple[str, ...]) -> None:
    refused(host, ExitCode.NOT_FOUND, "vm", *words, "clam", says=("no VM named 'clam'", "did you mean 'calm'"))


def test_an_action_that_is_not_there(host: Rig) -> None:
    refused(host, ExitCode.NOT_FOUND, "vm", "call", "calm", "nope", says=("no action 'nope'", "it has: greet"))


def test_exec_of_what_is_not_there(host: Rig) -> None:
    assert host.volant("vm", "exec", "calm", "--", "nope", check=False).returncode == 127
    complaint(host.volant("vm", "exec", "clam", "--", "true", check=False), 125, "no VM named 'clam'")


def test_deleting_a_vm_that_runs(host: Rig) -> None:
    refused(host, ExitCode.CONFLICT, "vm", "delete", "calm", says=("'calm' is ready", "volant vm stop calm", "--force"))


def test_commands_and_flags_that_are_not_there(host: Rig) -> None:
    refused(host, ExitCode.USAGE, "vm", "lits", says=("did you mean 'list'",))
    refused(host, ExitCode.USAGE, "frobnicate", says=("volant help",))
    refused(host, ExitCode.USAGE, "vm", "create", "new", says=("--plugin", "--help"))
    refused(host, ExitCode.USAGE, "vm", "list", "--output", "xml", says=("xml",))


def test_a_kernel_or_forward_that_makes_no_sense(host: Rig) -> None:
    create = ("vm", "create", "new", "--plugin", "hello")
    refused(host, ExitCode.USAGE, *create, "--kernel", "vmlinuz", says=("must be an absolute path",))
    refused(host, ExitCode.USAGE, *create, "-p", "99999:1", says=("is no port forward",))
    refused(host, ExitCode.USAGE, *create, "-p", "8080:80", says=("network mode user only",))
    refused(host, ExitCode.USAGE, *create, "--ip", "1.2.3.4", says=("network mode bridged only",))
    refused(host, ExitCode.USAGE, *create, "--cmdline", "volant.id=x", says=("Volant's own",))


# ---------------------------------------------------------------------------------------------------------------- daemon, socket


def test_no_daemon_a_stale_socket_and_what_is_no_socket(tmp_path: Path) -> None:
    with rig(hypervisor="fake", network="none") as house:
        complaint(house.volant("vm", "list", check=False), ExitCode.UNREACHABLE, f"no volantd socket at {house.socket}", "volantd")
        house.runtime.mkdir(mode=0o755)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(house.socket))
            dead.listen()
        complaint(house.volant("vm", "list", check=False), ExitCode.UNREACHABLE, "nobody answers", "start the daemon")
        file = tmp_path / "file"
        file.touch()
        complaint(house.volant("vm", "list", "--socket", str(file), check=False), ExitCode.UNREACHABLE, "is no socket", "--socket")
        long = "/tmp/" + "x" * 120
        complaint(house.volant("vm", "list", "--socket", long, check=False), ExitCode.USAGE, "125 bytes; Linux allows 107", "shorter")
        house.start()  # over the stale socket
        assert house.json("vm", "list")["items"] == []
        assert house.stop() == 0
        complaint(house.volant("vm", "list", check=False), ExitCode.UNREACHABLE, "no volantd socket")


def test_a_second_daemon_on_the_same_folders_or_socket(host: Rig, tmp_path: Path) -> None:
    assert host.daemon is not None
    with nothing_left(host):
        same_state = daemon_ends(host.argv("--runtime-dir", str(host.root / "r2")))
        complained(same_state, ExitCode.CONFLICT, f"another volantd (pid {host.daemon.pid})", "stop that one first")
        same_runtime = daemon_ends(host.argv("--state-dir", str(tmp_path / "s2"), "--socket", str(host.root / "other.sock")))
        complained(same_runtime, ExitCode.CONFLICT, f"another volantd (pid {host.daemon.pid})", "--runtime-dir")
        elsewhere = ("--state-dir", str(tmp_path / "s3"), "--runtime-dir", str(host.root / "r3"))
        same_socket = daemon_ends(host.argv(*elsewhere, "--socket", str(host.socket)))
        complained(same_socket, ExitCode.CONFLICT, f"another daemon answers at {host.socket}", "another socket path")
        assert host.answers()


def test_two_daemons_started_at_once() -> None:
    with rig(hypervisor="fake", network="none") as house, ExitStack() as stack:
        racing = [stack.enter_context(subprocess.Popen(house.argv(), stderr=subprocess.PIPE, text=True)) for _ in range(2)]
        deadline = time.monotonic() + 20
        while not (house.answers() and any(one.poll() is not None for one in racing)) and time.monotonic() < deadline:
            time.sleep(0.02)
        loser, winner = sorted(racing, key=lambda one: one.poll() is None)
        complained((loser.wait(), loser.communicate()[1]), ExitCode.CONFLICT, f"another volantd (pid {winner.pid})")
        assert house.json("vm", "list")["items"] == []
        winner.terminate()
        winner.communicate(timeout=20)
        assert winner.returncode == 0 and not house.socket.exists()


def test_no_permission_on_the_socket(host: Rig) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    host.root.chmod(0o755)
    done = subprocess.run(
        as_stranger([*VOLANT, "vm", "list"]),
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "VOLANT_SOCKET": str(host.socket), "HOME": "/"},
    )
    complaint(done, ExitCode.PERMISSION, f"you may not open {host.socket}", "run as root")


def test_settings_that_make_no_sense_leave_nothing(tmp_path: Path) -> None:
    with rig(hypervisor="fake", network="none") as house:
        for extra, says in (
            (("--socket", "/tmp/" + "x" * 120), "125 bytes; Linux allows 107"),
            (("--runtime-dir", str(tmp_path / ("x" * 100))), "leave no room for the VMs' sockets"),
            (("--boots", "many", "--accel", "warp"), "--boots='many'"),
            (("--subnet", "10.0.0.0/99"), "'10.0.0.0/99' is no IPv4 subnet"),
            (("--subnet", "10.0.0.0/31"), "not between /8 and /30"),
            (("--bridge", "x" * 30), "can't be the name of a bridge"),
            (("--state-dir", "state"), "must be an absolute path"),
        ):
            complained(daemon_ends(house.argv(*extra)), ExitCode.USAGE, says)
        assert not list(tmp_path.iterdir())
        assert not (house.state / "volant.db").exists()
        complained(daemon_ends(house.argv("--state-dir", "/proc/none")), ExitCode.FAILED, "/proc/none can't be made", "--state-dir")


def daemon_ends(argv: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a daemon that doesn't come up."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


def complained(ended: tuple[int, str], code: int, *says: str) -> None:
    """Its last two lines are an error and a hint, which hold `says`."""
    found, text = ended
    error, hint = text.splitlines()[-2:]
    assert found == code and error.startswith("volantd: error: ") and hint.startswith("volantd: hint: "), text
    assert all(word in f"{error}\n{hint}" for word in says), text
    assert "Traceback" not in text


# ------------------------------------------------------------------------------------------------------------------ slow readers


def test_a_follower_that_never_reads_slows_nobody_and_is_told_what_it_missed(host: Rig) -> None:
    with nothing_left(host), host.under_way("events", "--follow", "--since", "0", "--no-header") as follower, host.client() as client:
        assert follower.stdout is not None
        host.volant("vm", "create", "busy", "--plugin", "hello", "--wait")
        while b"busy" not in follower.stdout.readline():
            pass  # it hears of the VM
        follower.send_signal(signal.SIGSTOP)
        before, slowest = host.resident_kib(), 0.0
        for _ in range(RESTARTS):
            began = time.monotonic()
            client.call_plain("vm.restart", {"name": "busy", "wait": "ready", "force": True})
            slowest = max(slowest, time.monotonic() - began)
        grown = host.resident_kib() - before
        follower.send_signal(signal.SIGCONT)
        _, error = follower.communicate(timeout=PATIENCE_S)
        assert follower.returncode == ExitCode.FAILED
        assert error.startswith(b"error: events after") and b"hint: " in error
        assert slowest < STALL_SECONDS / 2 and grown < 30_000
        host.volant("vm", "delete", "busy", "--force")


def test_faults_of_one_client_reach_scripts_typed(host: Rig) -> None:
    with host.client() as client, pytest.raises(InvalidParams) as caught:
        client.call_plain("vm.create", {"name": "x", "plugin": "hello", "cpu_cores": "many"})
    assert caught.value.hint
    assert holdings(host).vms == {"calm"}
