"""Restart policies, a host that was restarted, and a host's OOM killer, with real guests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.complaints import manifest
from tests.patience import until
from tests.rig import Rig, rig

pytestmark = [pytest.mark.vm, pytest.mark.root]


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    with rig(network="none") as made:
        made.start()
        made.volant("plugin", "install", str(media / "plugin.json"))
        yield made


def vm(host: Rig, name: str) -> dict[str, Any]:
    seen: dict[str, Any] = host.json("vm", "get", name)
    return seen


def told(host: Rig, name: str, kind: str) -> dict[str, Any]:
    """The newest event of that kind."""
    lines = host.volant("events", "--vm", name, "--kind", kind, "-o", "jsonl").stdout.splitlines()
    event: dict[str, Any] = json.loads(lines[-1])
    return event


def test_a_panic_is_a_crash_with_its_console_and_on_failure_starts_anew(host: Rig) -> None:
    host.volant("vm", "create", "panics", "--plugin", "hello", "--restart", "on-failure:2", "--wait")
    host.volant("vm", "exec", "panics", "--", "sh", "-c", "echo c > /proc/sysrq-trigger", check=False)
    until(lambda: vm(host, "panics")["boot"] == 2)
    host.volant("vm", "wait", "panics", "--for", "ready")
    seen = vm(host, "panics")
    assert (seen["restart"], seen["restarts"], seen["next_try_at"]) == ("on-failure:2", 1, "")
    crash = told(host, "panics", "VM_CRASHED")
    assert "the guest's kernel panicked: sysrq triggered crash" in crash["message"] and "; restart 1 of 2 at " in crash["message"]
    assert crash["data"]["cause"] == "guest-panic" and crash["data"]["next_try_at"]
    assert any("Kernel panic - not syncing: sysrq triggered crash" in line for line in crash["data"]["console"])
    assert "restart 1 of 2 by its policy, after: " in host.volant("explain", "vm", "panics").stdout
    host.volant("vm", "delete", "panics", "--force")


def test_a_power_off_is_a_normal_stop_that_always_follows_with_a_start(host: Rig) -> None:
    host.volant("vm", "create", "leaves", "--plugin", "hello", "--restart", "on-failure", "--wait")
    power_off = ("vm", "exec", "leaves", "--", "sh", "-c", "echo o > /proc/sysrq-trigger")
    host.volant(*power_off, check=False)
    until(lambda: vm(host, "leaves")["status"] == "stopped")
    assert (vm(host, "leaves")["wanted"], vm(host, "leaves")["reason"]) == ("stopped", "the guest powered off")
    host.volant("vm", "set", "leaves", "--restart", "always")
    host.volant("vm", "start", "leaves", "--wait")
    host.volant(*power_off, check=False)
    until(lambda: vm(host, "leaves")["boot"] == 3)
    host.volant("vm", "wait", "leaves", "--for", "ready")
    assert "the guest powered off; restart 1 at " in told(host, "leaves", "VM_STOPPED")["message"]
    host.volant("vm", "stop", "leaves")
    host.stop()
    host.start()
    assert (vm(host, "leaves")["status"], vm(host, "leaves")["next_try_at"]) == ("stopped", "")
    host.volant("vm", "delete", "leaves")


def test_after_the_hosts_restart_what_is_to_start_by_itself_does(host: Rig) -> None:
    host.volant("vm", "create", "auto", "--plugin", "hello", "--autostart", "--wait")
    host.volant("vm", "create", "plain", "--plugin", "hello", "--wait")
    host.volant("vm", "exec", "auto", "--", "sh", "-c", "true")
    restart_host(host)
    host.volant("vm", "wait", "auto", "--for", "ready")
    assert (vm(host, "auto")["boot"], told(host, "auto", "VM_STARTING")["message"]) == (2, "the host was restarted")
    until(lambda: vm(host, "plain")["status"] == "stopped")
    assert vm(host, "plain")["reason"] == "the host was restarted"
    assert host.volant("ledger", "--check").returncode == 0
    host.volant("vm", "delete", "auto", "plain", "--force", "--yes")


def restart_host(host: Rig) -> None:
    """What a power cut leaves: no process, an empty runtime folder, and rows of another boot."""
    host.kill()
    for pid in host.vmms():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not host.vmms())
    shutil.rmtree(host.runtime)
    with closing(sqlite3.connect(host.state / "volant.db")) as store, store:
        store.execute("UPDATE vms SET host_boot = 'earlier', process = json_set(process, '$[2]', 'earlier')")
    host.start()


def test_a_vmm_that_stands_still_is_stopped_all_the_same(host: Rig) -> None:
    host.volant("vm", "create", "frozen", "--plugin", "hello", "--restart", "always", "--wait")
    for words in (("stop", "frozen", "--grace", "1s"), ("stop", "frozen", "--force"), ("delete", "frozen", "--force")):
        host.volant("vm", "start", "frozen", "--wait")
        pid = vm(host, "frozen")["pid"]
        os.kill(pid, signal.SIGSTOP)
        host.volant("vm", *words)
        assert pid not in host.vmms()
    assert not host.vmms()


def test_the_hosts_oom_killer_is_named_and_the_vm_comes_back(host: Rig) -> None:
    host.volant("vm", "create", "taken", "--plugin", "hello", "--restart", "on-failure", "--wait")
    with small_cgroup() as cgroup:
        (cgroup / "cgroup.procs").write_text(str(vm(host, "taken")["pid"]))
        # Its pages so far are counted elsewhere; those that it touches from now on are too many.
        host.volant("vm", "exec", "taken", "--", "sh", "-c", "tail /dev/zero", check=False, timeout=60)
        until(lambda: vm(host, "taken")["boot"] == 2)
    crash = told(host, "taken", "VM_CRASHED")
    assert crash["data"]["cause"] in ("host-oom", "killed") and "OOM killer" in crash["message"]
    if os.access("/dev/kmsg", os.R_OK):
        assert "the kernel's log says 'Memory cgroup out of memory: Killed process" in crash["message"]
    host.volant("vm", "delete", "taken", "--force")


@contextmanager
def small_cgroup() -> Iterator[Path]:
    """A memory cgroup of 8 MiB, by whichever version this host has."""
    for parent, limit in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        folder = parent / f"volant-test-{os.getpid()}"
        with suppress(OSError):
            folder.mkdir()
            (folder / limit).write_text("8M")
            yield folder
            folder.rmdir()
            return
    pytest.skip("no memory cgroup can be made here")


def test_a_workload_that_needs_more_memory_than_its_guest_has_is_named(host: Rig, media: Path, tmp_path: Path) -> None:
    workload = json.loads((media / "plugin.json").read_text())["workload"]
    greedy = workload | {"entrypoint": ["/bin/sh", "-c", "httpd -p 127.0.0.1:8000 -h /www; sleep 3; exec tail /dev/zero"]}
    host.volant(
        "plugin", "install", manifest(tmp_path / "greedy.json", media / "plugin.json", name="greedy", workload=greedy, restart="always")
    )
    host.volant("vm", "create", "greedy", "--plugin", "greedy", "--wait")
    assert vm(host, "greedy")["restart"] == "always"
    until(lambda: vm(host, "greedy")["restarts"] == 1)
    crash = told(host, "greedy", "VM_CRASHED")
    assert "the guest ran out of memory" in crash["message"] and crash["data"]["cause"] == "guest-oom"
    host.volant("vm", "delete", "greedy", "--force")
