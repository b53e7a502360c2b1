"""Guests that misbehave, and people who do the wrong thing to good ones: real QEMU guests, the `volant` command, a real daemon.

Each ends with one clear sentence and the right exit code, leaves nothing behind, and a VM beside it notices nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.complaints import complaint, holdings, manifest, nothing_left, undisturbed
from tests.netns import new_netns
from tests.patience import until
from tests.rig import Rig, rig
from volant.fledge.cpio import Writer
from volant.proto.errors import ExitCode

pytestmark = [pytest.mark.vm, pytest.mark.root]

SOON_S = 30.0
"""What should be noticed at once; generous, for a busy machine."""

FLOOD_BYTES = 1_000_000_000

LAST_WORDS = 5_000
"""Lines: many times what is taken from the guest's memory at once, and half of what that keeps."""


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    """A daemon in a network namespace, with `hello` installed and `calm`, a VM on the bridge that nothing here may disturb."""
    with new_netns() as namespace, rig(netns=namespace, accel="tcg") as made:
        made.start()
        made.volant("plugin", "install", str(media / "plugin.json"))
        made.volant("vm", "create", "calm", "--plugin", "hello", "--wait", "ready")
        with undisturbed(made, "calm"):
            yield made
        made.volant("vm", "delete", "calm", "--force")
        left = holdings(made)
        assert not (left.vms or left.folders or left.objects or left.leases or left.processes or left.taps)
        assert "Traceback" not in made.log.read_text()


def install(host: Rig, media: Path, tmp_path: Path, name: str, **changes: Any) -> None:
    """A plugin that is `hello` but for its name and `changes`; the workload's fields change one by one."""
    workload = json.loads((media / "plugin.json").read_text())["workload"] | changes.pop("workload", {})
    host.volant("plugin", "install", manifest(tmp_path / f"{name}.json", media / "plugin.json", name=name, workload=workload, **changes))


def create(host: Rig, name: str, plugin: str = "hello", *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Without a NIC, which most tests have no use for."""
    return host.volant("vm", "create", name, "--plugin", plugin, "--network", "none", "--wait", *more, check=check)


def delete(host: Rig, name: str) -> None:
    host.volant("vm", "delete", name, "--force")


def status(host: Rig, name: str) -> str:
    return str(host.json("vm", "get", name)["status"])


def runs_in_guest(host: Rig, name: str, program: str) -> bool:
    """Whether `program` runs in the guest."""
    return program in host.volant("vm", "exec", name, "--", "ps").stdout


# --------------------------------------------------------------------------------------------------------------- what boots badly


def test_kernels_that_are_missing_or_none(host: Rig, tmp_path: Path) -> None:
    broken = tmp_path / "vmlinuz"
    whole = (host.state / "kernels/default/vmlinuz").resolve().read_bytes()
    broken.write_bytes(whole[:100_000])
    for path, says in (("/no/such/vmlinuz", "does not exist"), ("/etc/passwd", "is no kernel"), (str(broken), str(broken))):
        with nothing_left(host):
            complaint(create(host, "odd", "hello", "--kernel", path, check=False), ExitCode.FAILED, says)
            assert status(host, "odd") == "failed"
            assert not host.json("vm", "get", "odd")["pid"]
            host.volant("vm", "delete", "odd")


def test_a_workload_that_exits_at_once(host: Rig, media: Path, tmp_path: Path) -> None:
    install(host, media, tmp_path, "brief", workload={"entrypoint": ["/bin/sh", "-c", "echo no database >&2; exit 3"]})
    with nothing_left(host):
        done = create(host, "brief", "brief", check=False)
        complaint(done, ExitCode.FAILED, "exit", "3", "no database")
        vm = host.json("vm", "get", "brief")
        assert vm["status"] == "failed" and "no database" in vm["error"]["message"] and not vm["pid"]
        assert not set(host.vmms()) - {host.json("vm", "get", "calm")["pid"]}
        host.volant("vm", "delete", "brief")


def test_an_entrypoint_that_can_not_run(host: Rig, media: Path, tmp_path: Path) -> None:
    archive = tmp_path / "garbage.cpio"
    with archive.open("wb") as file:
        writer = Writer(file)
        writer.directory("bin")
        writer.file("bin/serve", b"\x7fELF" + b"\0" * 100, mode=0o755)
        writer.close()
    install(host, media, tmp_path, "garbage", initramfs={"url": str(archive)}, workload={"entrypoint": ["/bin/serve"]})
    with nothing_left(host):
        complaint(create(host, "garbage", "garbage", check=False), ExitCode.FAILED, "/bin/serve")
        host.volant("vm", "delete", "garbage")


def test_a_root_file_system_that_does_not_mount(host: Rig, media: Path, tmp_path: Path) -> None:
    image = bytearray((media / "hello.ext4").read_bytes())
    image[0x460:0x464] = b"\xff\xff\xff\xff"  # s_feature_incompat: features that no kernel knows
    (tmp_path / "odd.ext4").write_bytes(image)
    install(host, media, tmp_path, "odd-root", initramfs=None, rootfs={"url": str(tmp_path / "odd.ext4"), "format": "raw"})
    with nothing_left(host):
        complaint(create(host, "odd-root", "odd-root", check=False), ExitCode.FAILED, "mount")
        host.volant("vm", "delete", "odd-root")


def test_a_workload_that_never_gets_healthy_and_a_wait_that_is_too_short(host: Rig, media: Path, tmp_path: Path) -> None:
    install(host, media, tmp_path, "sick", health_check={"endpoint": "/never", "timeout_ms": 6_000})
    with nothing_left(host):
        done = create(host, "sick", "sick", "--timeout", "1s", check=False)
        complaint(done, ExitCode.TIMEOUT, "'sick' was not ready after 1 s", "goes on by itself", "--timeout")
        done = host.volant("wait", "vm", "sick", "--for=ready", check=False)
        complaint(done, ExitCode.FAILED, "never became healthy within 6 s", "404")
        assert status(host, "sick") == "failed"
        host.volant("vm", "delete", "sick")


def test_a_guest_that_prints_a_gigabyte(host: Rig, media: Path, tmp_path: Path) -> None:
    flood = f"yes 'a line of output that somebody forgot' | head -c {FLOOD_BYTES} & exec /bin/httpd -f -p 127.0.0.1:8000 -h /www"
    install(host, media, tmp_path, "flood", workload={"entrypoint": ["/bin/sh", "-c", flood]})
    with nothing_left(host), undisturbed(host, "calm"):
        before = host.resident_kib()
        create(host, "flood", "flood")
        vm = host.json("vm", "get", "flood")
        with host.under_way("vm", "logs", "flood", "-f") as stuck:
            stuck.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            assert host.volant("vm", "exec", "flood", "--", "echo", "still here").stdout == "still here\n"
            assert "Hello" in host.volant("vm", "call", "flood", "hello").stdout
            assert time.monotonic() - began < SOON_S
            assert len(host.volant("vm", "logs", "flood", "--tail", "5").stdout.splitlines()) == 5
            assert "Hello" in host.volant("vm", "call", "calm", "hello").stdout
        assert host.resident_kib() - before < 40_000
        assert (host.state / "vms" / vm["id"] / "console.log").stat().st_size < 20_000_000
        delete(host, "flood")


def test_what_a_workload_says_while_it_is_stopped_is_heard_to_the_end(host: Rig, media: Path, tmp_path: Path) -> None:
    talk = f"trap 'seq 1 {LAST_WORDS}; exit 0' TERM; /bin/httpd -f -p 127.0.0.1:8000 -h /www & wait"
    install(host, media, tmp_path, "talker", workload={"entrypoint": ["/bin/sh", "-c", talk]})
    with nothing_left(host):
        create(host, "talker", "talker")
        with host.under_way("vm", "logs", "talker", "-f", "-t") as client:
            assert client.stderr is not None
            client.stderr.readline()  # what the agent said before: it follows
            host.volant("vm", "stop", "talker")
            out, errors = client.communicate(timeout=SOON_S)
        assert client.returncode == ExitCode.OK
        assert [line.split()[-1] for line in out.decode().splitlines()] == [str(number) for number in range(1, LAST_WORDS + 1)]
        assert errors.decode().splitlines()[-1] == "VM 'talker' is stopped"
        delete(host, "talker")


# ------------------------------------------------------------------------------------------------------------ one VM, ill-treated


@pytest.fixture(scope="module")
def target(host: Rig, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ready VM with an action that takes too long."""
    actions = json.loads((media / "plugin.json").read_text())["actions"]
    actions["slow"] = {"method": "GET", "path": "/cgi-bin/slow", "timeout_ms": 700}
    install(host, media, tmp_path_factory.mktemp("target"), "target", actions=actions)
    create(host, "target", "target")
    host.volant(
        "vm", "exec", "target", "--", "sh", "-c", "printf '#!/bin/sh\\nsleep 777\\n' > /www/cgi-bin/slow; chmod 755 /www/cgi-bin/slow"
    )
    yield "target"
    delete(host, "target")


def test_an_action_past_its_timeout(host: Rig, target: str) -> None:
    began = time.monotonic()
    done = host.volant("vm", "call", target, "slow", check=False)
    complaint(done, ExitCode.TIMEOUT, "within 0.7 s", "/cgi-bin/slow", "raise the timeout")
    assert time.monotonic() - began < SOON_S
    assert "Hello" in host.volant("vm", "call", target, "hello").stdout


def test_exec_of_a_program_that_is_not_there(host: Rig, target: str) -> None:
    complaint(host.volant("vm", "exec", target, "--", "nope", check=False), 127, "nope")
    complaint(host.volant("vm", "exec", target, "--", "/etc/passwd", check=False), 126, "/etc/passwd")
    complaint(host.volant("vm", "exec", target, "--workdir", "/nowhere", "--", "true", check=False), 127, "/nowhere")


def test_copies_that_can_not_be(host: Rig, target: str, tmp_path: Path) -> None:
    complaint(host.volant("vm", "cp", str(tmp_path / "none"), f"{target}:/tmp", check=False), ExitCode.NOT_FOUND, "none")
    complaint(host.volant("vm", "cp", f"{target}:/nowhere", str(tmp_path), check=False), ExitCode.NOT_FOUND, "/nowhere")
    complaint(host.volant("vm", "cp", f"{target}:/dev/zero", str(tmp_path), check=False), ExitCode.FAILED, "/dev/zero is a device")
    (tmp_path / "big").write_bytes(bytes(100_000_000))
    done = host.volant("vm", "cp", str(tmp_path / "big"), f"{target}:/big", check=False)
    complaint(done, ExitCode.FAILED, "No space left", "/big")
    assert host.volant("vm", "exec", target, "--", "ls", "/big", check=False).returncode == 1
    assert "Hello" in host.volant("vm", "call", target, "hello").stdout


def test_deleting_it_without_force(host: Rig, target: str) -> None:
    with nothing_left(host):
        complaint(host.volant("vm", "delete", target, check=False), ExitCode.CONFLICT, "'target' is ready", "--force")
    assert status(host, target) == "ready"


def test_a_client_that_is_killed_takes_its_program_along(host: Rig, target: str) -> None:
    with host.under_way("vm", "exec", "-i", target, "--", "sleep", "4321") as client:
        until(lambda: runs_in_guest(host, target, "sleep 4321"))
        client.kill()
        client.wait()
        until(lambda: not runs_in_guest(host, target, "sleep 4321"))


def test_readers_that_never_read(host: Rig, target: str) -> None:
    with ExitStack() as stack:
        before = host.resident_kib()
        stack.enter_context(host.under_way("vm", "exec", target, "--", "yes"))
        for words in (("console", target, "--read-only"), ("logs", target, "-f"), ("events", "--follow")):
            stack.enter_context(host.under_way(*words)).send_signal(signal.SIGSTOP)
        host.volant(
            "vm",
            "exec",
            target,
            "--",
            "sh",
            "-c",
            "seq 1 60000 > /dev/console; seq 1 60000 > /proc/$(busybox pidof httpd | sed 's/.* //')/fd/1",
        )
        began = time.monotonic()
        assert host.volant("vm", "exec", target, "--", "echo", "on").stdout == "on\n"
        assert "Hello" in host.volant("vm", "call", target, "hello").stdout
        assert host.volant("console", target, "--read-only", "--no-follow").stdout
        assert time.monotonic() - began < SOON_S
        assert host.resident_kib() - before < 40_000
    until(lambda: not runs_in_guest(host, target, "yes"))


# ------------------------------------------------------------------------------------------------------------ VMMs that die or hang


def test_a_vmm_that_is_killed_ends_whatever_is_attached(host: Rig, media: Path, tmp_path: Path) -> None:
    with nothing_left(host), ExitStack() as stack:
        host.volant("vm", "create", "victim", "--plugin", "hello", "--wait")
        host.volant("vm", "exec", "victim", "--", "busybox", "truncate", "-s", "100G", "/tmp/sparse")
        attached = {
            "exec": host.under_way("vm", "exec", "-i", "victim", "--", "sleep", "1000"),
            "copy": host.under_way("vm", "cp", "victim:/tmp/sparse", str(tmp_path / "zeros")),
            "console": host.under_way("vm", "console", "victim", "--read-only"),
            "logs": host.under_way("vm", "logs", "victim", "-f"),
            "wait": host.under_way("vm", "wait", "victim", "--for", "stopped"),
        }
        clients = {name: stack.enter_context(client) for name, client in attached.items()}
        until(lambda: runs_in_guest(host, "victim", "sleep 1000"))
        os.kill(host.json("vm", "get", "victim")["pid"], signal.SIGKILL)
        ended = {}
        for name, client in clients.items():
            _, errors = client.communicate(timeout=SOON_S)
            ended[name] = (client.returncode, errors.decode())
        for name in ("exec", "copy"):
            code, text = ended[name]
            lines = text.splitlines()[-2:]  # before them stands what the workload said
            assert code == (125 if name == "exec" else ExitCode.FAILED), (name, ended[name])
            assert lines[0] == "error: the agent of VM 'victim' went away in the middle of this", (name, text)
            assert lines[1].startswith("hint: `volant vm get victim`"), (name, text)
        code, text = ended["logs"]
        assert code == ExitCode.FAILED and "\nerror: VM 'victim' crashed: the VMM ended unasked (killed)" in text, text
        assert ended["console"][0] == 0 and "the console of victim ended: the VM is crashed" in ended["console"][1], ended
        vm = host.json("vm", "get", "victim")
        assert vm["status"] == "crashed" and "crashed" in vm["error"]["message"]
        assert "Traceback" not in str(ended)
        host.volant("vm", "delete", "victim")


def test_a_guest_that_hangs_is_stopped_and_deleted_all_the_same(host: Rig) -> None:
    with nothing_left(host):
        create(host, "hung")
        os.kill(host.json("vm", "get", "hung")["pid"], signal.SIGSTOP)
        began = time.monotonic()
        host.volant("vm", "stop", "hung", "--grace", "1s")
        assert time.monotonic() - began < SOON_S
        assert status(host, "hung") == "stopped"
        host.volant("vm", "start", "hung", "--wait")
        os.kill(host.json("vm", "get", "hung")["pid"], signal.SIGSTOP)
        complaint(host.volant("vm", "delete", "hung", check=False), ExitCode.CONFLICT, "--force")
        delete(host, "hung")
