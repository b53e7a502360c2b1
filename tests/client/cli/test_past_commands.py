"""`vm set` and its kin, `ledger` and `explain`: against a real daemon on a fake host, as a script runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from benchmarks._daemons import start_fake
from tests.rig import Rig, rig
from volant.client.cli.commands.config import field_of
from volant.client.cli.commands.explain import lines, timed


@pytest.fixture(scope="module")
def host() -> Iterator[Rig]:
    """A daemon with one VM."""
    with rig(hypervisor="fake", network="none") as running:
        _, client = start_fake(running)
        client.close()
        yield running


@pytest.fixture
def web(host: Rig, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name).replace("_", "-")[-40:].strip("-")
    host.volant("vm", "create", name, "--plugin", "tiny", "--wait", "--env", "COLOUR=red")
    return name


def test_set_shows_what_waits_until_the_restart(host: Rig, web: str) -> None:
    done = host.volant("vm", "set", web, "--memory", "512M", "--env", "SHAPE=round", "--unset", "env.COLOUR")
    assert done.stdout == f"{web}\n"
    assert done.stderr == f"{web} runs with version 1; `volant vm restart {web}` applies memory_mb, env.COLOUR, env.SHAPE\n"
    assert "config:" in host.volant("vm", "get", web, "-o", "table").stdout
    host.volant("vm", "restart", web, "--wait")
    record = host.json("vm", "config", web)
    assert (record["config_version"], record["running_version"], record["pending_changes"]) == (2, 2, [])
    assert record["shown"]["config"]["env"] == {"SHAPE": "round"}
    table = host.volant("vm", "config", web, "-o", "table").stdout
    assert "env.SHAPE:" in table and "by:" in table


def test_a_restart_policy_is_in_force_at_once_and_shown(host: Rig, web: str) -> None:
    done = host.volant("vm", "set", web, "--restart", "on-failure:3", "--autostart")
    assert (done.stdout, done.stderr) == (f"{web}\n", "")
    assert "restart:" in (shown := host.volant("vm", "get", web, "-o", "table").stdout) and "on-failure:3, starts with the host" in shown
    rows = [line.split("\t") for line in host.volant("vm", "diff", web, "--no-header").stdout.splitlines()]
    assert rows == [["restart", "no", "on-failure:3"], ["autostart", "false", "true"]]
    host.volant("vm", "set", web, "--no-autostart", "--unset", "restart", "-q")
    assert "restart:" not in host.volant("vm", "get", web, "-o", "table").stdout
    refused = host.volant("vm", "set", web, "--restart", "never", check=False)
    assert refused.returncode == 2 and "restart is 'never'; it must be no, on-failure, always, or on-failure:N" in refused.stderr


def test_history_diff_and_rollback(host: Rig, web: str) -> None:
    host.volant("vm", "set", web, "--cpus", "2", "-q")
    rows = [line.split("\t") for line in host.volant("vm", "diff", web, "--no-header").stdout.splitlines()]
    assert rows == [["cpu_cores", "1", "2"]]
    host.volant("vm", "rollback", web, "1", "-q")
    items = host.json("vm", "history", web)["items"]
    assert [(item["version"], item["note"], item["changes"]) for item in items] == [
        (1, "created", []),
        (2, "changed", ["cpu_cores"]),
        (3, "rolled back to 1", ["cpu_cores"]),
    ]
    assert all(item["author"].startswith("uid:") and "pid " in item["origin"] for item in items)


def test_what_can_not_be_set_is_refused(host: Rig, web: str) -> None:
    assert host.volant("vm", "set", web, check=False).returncode == 2
    refused = host.volant("vm", "set", web, "--memory", "1", "--unset", "network", check=False)
    assert refused.returncode == 2 and "memory_mb is 1" in refused.stderr and "'network'" in refused.stderr
    stale = host.volant("vm", "set", web, "--memory", "256", "--expect", "7", check=False)
    assert stale.returncode == 4 and "is at version 1, not 7" in stale.stderr
    assert host.volant("vm", "rollback", web, "9", check=False).returncode == 3
    planned = host.volant("vm", "set", web, "--memory", "256", "--dry-run")
    assert "this would change memory_mb" in planned.stderr
    assert host.json("vm", "config", web)["config_version"] == 1


def test_the_ledger_agrees_with_the_host_until_somebody_meddles(host: Rig, web: str) -> None:
    clean = host.volant("ledger", "--check")
    assert clean.returncode == 0 and f"process\t{host.json('vm', 'get', web)['id']}\t{web}\tok" in clean.stdout
    stray = host.state / "vms" / "feedfeedfeed"
    stray.mkdir()
    try:
        found = host.volant("system", "ledger", "--check", "--wrong", "-o", "json", check=False)
        assert found.returncode == 1
        (item,) = json.loads(found.stdout)["items"]
        assert (item["kind"], item["name"], item["standing"]) == ("folder", str(stray), "unowned")
    finally:
        stray.rmdir()


def test_a_vm_is_explained_by_name_and_after_its_end_by_id(host: Rig, web: str) -> None:
    vm_id = host.json("vm", "get", web)["id"]
    host.volant("vm", "stop", web)
    table = host.volant("explain", "vm", web, "-o", "table").stdout.splitlines()
    assert "created of plugin tiny 1.0.0 by uid:" in table[0] and any("stop asked by uid:" in line for line in table)
    host.volant("vm", "delete", web)
    reply = host.json("explain", vm_id)
    assert (reply["exists"], reply["items"][-1]["kind"]) == (False, "VM_DELETED")
    assert host.volant("explain", "vm", "never-was", check=False).returncode == 3


@pytest.mark.parametrize(
    ("word", "field"), [("memory", "memory_mb"), ("label.tier", "labels.tier"), ("env.A.B", "env.A.B"), ("kernel", "kernel")]
)
def test_fields_are_called_as_flags_are(word: str, field: str) -> None:
    assert field_of(word) == field


def test_long_texts_go_on_below_themselves_and_drive_no_terminal() -> None:
    items = [
        {"time": "2026-01-31T12:00:00.000Z", "source": "state", "text": "boot 1 starts"},
        {"time": "", "source": "console", "text": "\x1b]0;owned\x07" + "word " * 12},
        {"time": "2026-01-31T12:00:01.500Z", "source": "agent", "text": "the agent says ready"},
    ]
    found = lines(timed(items), 72)
    assert found[0] == "12:00:00.000            state    boot 1 starts"
    assert found[-1] == "12:00:01.500     +1.5s  agent    the agent says ready"
    assert len(found) == 4 and all(len(line) <= 72 and "\x1b" not in line for line in found)
