"""Today's daemon over the state of an earlier version, whose VM runs all the while."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.earlier import NOW, put_back
from tests.fakes.hello import hello
from tests.rig import SURVIVING, Rig, rig
from volant.selftest.processes import vmms


@pytest.fixture
def host() -> Iterator[Rig]:
    """A VM that runs, and no daemon."""
    with rig(program=SURVIVING, network="none") as made:
        made.start()
        made.volant("plugin", "install", hello(made.root))
        made.volant("vm", "create", "web", "--plugin", "hello", "--label", "tier=front", "--wait")
        made.kill()
        yield made


@pytest.mark.parametrize("version", range(1, NOW))
def test_a_store_of_every_earlier_schema_is_brought_up_to_date_and_its_vm_taken_over(host: Rig, version: int) -> None:
    (pid,) = vmms(host.runtime)
    database = host.state / "volant.db"
    put_back(database, version)
    host.start()

    host.volant("vm", "wait", "web", "--for", "ready")
    vm = host.json("vm", "get", "web")
    assert (vm["pid"], vm["boot"], vm["restart"], vm["labels"]["tier"]) == (pid, 1, "no", "front")
    assert {path.name for path in host.state.glob("*.bak-*")} == {f"volant.db.bak-{number}" for number in range(version, NOW)}
    with closing(sqlite3.connect(host.state / f"volant.db.bak-{version}")) as backup:
        assert backup.execute("SELECT name, state FROM vms").fetchall() == [("web", "ready")]

    # It is as controllable as one that today's daemon started.
    assert host.volant("vm", "exec", "web", "--", "echo", "here").stdout == "here\n"
    host.volant("vm", "set", "web", "--memory", "256M", "--restart", "always")
    assert host.json("vm", "get", "web")["pending_changes"] == ["memory_mb"]
    host.volant("vm", "restart", "web", "--wait")
    assert host.json("vm", "get", "web")["boot"] == 2
    host.volant("vm", "stop", "web")
    assert vmms(host.runtime) == []
    host.volant("ledger", "--check")
    host.volant("vm", "delete", "web")

    # What happened before the upgrade is told with what came after it, without a gap.
    events = [json.loads(line) for line in host.volant("events", "--since", "0", "-o", "jsonl").stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["kind"] for event in events if event["vm"] == "web"]
    assert (kinds[0], kinds[-1]) == ("VM_CREATED", "VM_DELETED")
    assert "Traceback" not in host.log.read_text()
