"""The whole way with real guests: manifest, boot, action, exec, files, logs, console, stop and start, adoption, and nothing left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import NetNs, new_netns
from tests.rig import Rig, rig

pytestmark = [pytest.mark.vm, pytest.mark.root]


@pytest.fixture(scope="module")
def namespace() -> Iterator[NetNs]:
    with new_netns() as made:
        yield made


@pytest.fixture(scope="module")
def host(namespace: NetNs, media: Path) -> Iterator[Rig]:
    """A daemon on the embedded defaults in a network namespace, with the example installed."""
    with rig(netns=namespace) as made:
        made.start()
        for manifest in ("plugin.json", "plugin-ext4.json", "plugin-squashfs.json"):
            made.volant("plugin", "install", str(media / manifest))
        yield made


@pytest.fixture(scope="module")
def web(host: Rig) -> Iterator[str]:
    """One ready VM on the bridge that several tests look at."""
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait", "ready", "--env", "GREETING=Welcome")
    yield "web"
    host.volant("vm", "delete", "web", "--force")


def test_the_daemon_says_what_vms_run_on(host: Rig, web: str) -> None:
    info = host.json("system", "info")
    assert info["hypervisors"][0]["accel"] in ("kvm", "tcg")
    assert info["hypervisors"][0]["accel_reason"]


def test_a_ready_vm_answers_actions(host: Rig, web: str) -> None:
    vm = host.json("vm", "get", web)
    assert (vm["status"], vm["health"]) == ("ready", "healthy")
    assert vm["ip"].startswith("192.168.127.")
    assert "Welcome, you" in host.volant("vm", "call", web, "hello", "--query", "name=you").stdout
    assert json.loads(host.volant("vm", "call", web, "sum", "-d", "1 2 39").stdout)["sum"] == 42
    assert [action["name"] for action in host.json("vm", "actions", web)["items"]] == ["hello", "sum"]
    missing = host.volant("vm", "call", web, "--request", "GET /no/such/page", check=False)
    assert missing.returncode == 1 and "404" in missing.stderr


def test_the_originals_http_surface_answers_on_the_bridge(host: Rig, web: str, namespace: NetNs) -> None:
    ip = host.json("vm", "get", web)["ip"]
    assert namespace.run("busybox", "wget", "-qO-", f"http://{ip}:8080/healthz")
    assert "Welcome, bridge" in namespace.run("busybox", "wget", "-qO-", f"http://{ip}:8080/v1/hello?name=bridge")


def test_exec_passes_output_and_exit_code_on(host: Rig, web: str) -> None:
    done = host.volant("vm", "exec", web, "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert host.volant("vm", "exec", "-i", web, "--", "wc", "-c", stdin="x" * 300_000).stdout.strip() == "300000"
    assert host.volant("vm", "exec", web, "--", "no-such-program", check=False).returncode == 127
    assert host.volant("vm", "exec", web, "--", "sh", "-c", "kill -9 $$", check=False).returncode == 128 + signal.SIGKILL


def test_exec_of_a_big_output_loses_nothing(host: Rig, web: str) -> None:
    done = host.volant("vm", "exec", web, "--", "sh", "-c", "seq 1 100000")
    assert done.stdout == "".join(f"{number}\n" for number in range(1, 100_001))


def test_files_go_in_and_come_out_the_same(host: Rig, web: str, tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "in.bin").write_bytes(data)
    host.volant("vm", "cp", str(tmp_path / "in.bin"), f"{web}:/tmp/a.bin")
    host.volant("vm", "cp", f"{web}:/tmp/a.bin", str(tmp_path / "out.bin"))
    assert (tmp_path / "out.bin").read_bytes() == data
    gone = host.volant("vm", "cp", f"{web}:/no/such", str(tmp_path), check=False)
    assert gone.returncode == 3 and "/no/such" in gone.stderr


def test_the_whole_tree_comes_out_without_the_kernels_own_files(host: Rig, web: str, tmp_path: Path) -> None:
    host.volant("vm", "cp", f"{web}:/", str(tmp_path / "all"), timeout=60)
    assert (tmp_path / "all" / "www").is_dir()
    assert not list((tmp_path / "all" / "proc").iterdir())
    assert not list((tmp_path / "all" / "sys").iterdir())


def test_the_workloads_output_is_kept(host: Rig, web: str) -> None:
    host.volant("vm", "call", web, "hello")
    assert "hello: greeting" in host.volant("vm", "logs", web).stderr


def test_the_console_shows_history_and_ends_without_following(host: Rig, web: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "volant.client.cli", "vm", "console", web, "--read-only", "--no-follow"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "VOLANT_SOCKET": str(host.socket)},
    )
    assert "kestrel: ready" in shown.stdout


@pytest.mark.parametrize("plugin", ["hello-ext4", "hello-squashfs"])
def test_the_root_disk_survives_stop_and_start_and_the_base_stays_as_it_was(host: Rig, media: Path, plugin: str) -> None:
    before = {path.name: path.read_bytes() for path in media.iterdir()}
    host.volant("vm", "create", "disk", "--plugin", plugin, "--wait", "ready", "--network", "none")
    host.volant("vm", "exec", "disk", "--", "sh", "-c", "echo kept > /root/note")
    host.volant("vm", "stop", "disk")
    assert host.json("vm", "get", "disk")["status"] == "stopped"
    host.volant("vm", "start", "disk", "--wait", "ready")
    assert host.volant("vm", "exec", "disk", "--", "cat", "/root/note").stdout == "kept\n"
    host.volant("vm", "delete", "disk", "--force")
    assert {path.name: path.read_bytes() for path in media.iterdir()} == before


def test_a_rootless_forward_answers_on_loopback(host: Rig, namespace: NetNs) -> None:
    host.volant("vm", "create", "fwd", "--plugin", "hello", "--network", "user", "-p", "0:8080", "--wait", "ready")
    port = host.json("vm", "get", "fwd")["forwards"][0]["host_port"]
    assert "Hello" in namespace.run("busybox", "wget", "-qO-", f"http://127.0.0.1:{port}/v1/hello")
    host.volant("vm", "delete", "fwd", "--force")


def test_the_killed_daemon_comes_back_to_a_running_ready_controllable_vm(host: Rig, web: str) -> None:
    before = host.json("vm", "get", web)
    console = host.state / "vms" / before["id"] / "console.log"
    size = console.stat().st_size
    host.kill()
    assert host.vmms()
    began = time.monotonic()
    host.start()
    host.volant("wait", "vm", web, "--for=ready", "--timeout", "20s")
    took = time.monotonic() - began
    after = host.json("vm", "get", web)
    assert (after["id"], after["pid"], after["boot"], after["status"]) == (before["id"], before["pid"], before["boot"], "ready")
    assert console.stat().st_size >= size
    assert "Welcome" in host.volant("vm", "call", web, "hello").stdout
    assert host.volant("vm", "exec", web, "--", "echo", "still here").stdout == "still here\n"
    assert took < 20


def test_a_killed_vmm_is_a_crash_that_says_so_and_starts_again(host: Rig) -> None:
    host.volant("vm", "create", "victim", "--plugin", "hello", "--network", "none", "--wait", "ready")
    os.kill(host.json("vm", "get", "victim")["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (vm := host.json("vm", "get", "victim"))["status"] != "crashed" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert vm["status"] == "crashed" and vm["error"]["message"]
    host.volant("vm", "start", "victim", "--wait", "ready")
    host.volant("vm", "delete", "victim", "--force")


def test_nothing_stays_behind(host: Rig, namespace: NetNs, media: Path) -> None:
    with rig(netns=namespace) as other:
        other.start()
        other.volant("plugin", "install", str(media / "plugin.json"))
        other.volant("vm", "create", "brief", "--plugin", "hello", "--network", "none", "--wait", "ready")
        vm_id = other.json("vm", "get", "brief")["id"]
        other.volant("vm", "stop", "brief")
        assert not other.vmms()
        other.volant("vm", "delete", "brief")
        assert not (other.state / "vms" / vm_id).exists()
        assert not (other.runtime / "vms" / vm_id).exists()
        assert other.stop() == 0
        assert not other.socket.exists()
