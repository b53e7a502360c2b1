"""A few of the restarts that `python -m tests.restarts` does a hundred of, and one over what somebody removed meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fakes.hello import hello
from tests.patience import until
from tests.restarts import endure
from tests.rig import SURVIVING, rig

SEED = 20_260_131


def test_vms_and_followers_outlive_restarts_under_traffic() -> None:
    with rig(program=SURVIVING, network="none") as host:
        outcome = endure(host, restarts=6, vms=20, seed=SEED)
    assert outcome.interrupted > 0, "no restart met a call, so nothing was tried"


def test_a_vm_whose_sockets_somebody_removed_says_so_and_is_mended_by_its_restart(tmp_path: Path) -> None:
    with rig(program=SURVIVING, network="none") as host:
        host.start()
        host.volant("plugin", "install", hello(tmp_path))
        host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
        before = host.json("vm", "get", "web")
        shutil.rmtree(host.runtime / "vms" / before["id"])
        host.kill()
        host.start()
        until(lambda: host.json("vm", "get", "web")["reason"])
        seen = host.json("vm", "get", "web")
        assert (seen["status"], seen["pid"]) == ("running", before["pid"])
        assert "somebody removed" in seen["reason"] and "agent.sock" in seen["reason"] and "restart the VM" in seen["reason"]
        refused = host.volant("vm", "exec", "web", "--", "true", check=False)
        assert "agent.sock" in refused.stderr and "volant vm restart web" in refused.stderr
        host.volant("vm", "restart", "web", "--grace", "1s", "--wait")
        after = host.json("vm", "get", "web")
        assert (after["status"], after["boot"], after["reason"]) == ("ready", before["boot"] + 1, "")
        assert host.volant("ledger", "--check", check=False).returncode == 0
