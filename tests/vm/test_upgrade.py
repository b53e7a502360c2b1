"""Upgrades under a real guest: an older store, and daemons that speak a newer protocol than the agent that runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import volant
from tests.earlier import NOW, put_back
from tests.patience import until
from tests.rig import VOLANT, Rig, rig
from volant.proto.messages import PROTOCOL

pytestmark = [pytest.mark.vm, pytest.mark.root]

OURS = PROTOCOL[1]


class Newer:
    """A copy of Volant that speaks another protocol: its daemon, its command and, in what VMs it starts, its agent."""

    def __init__(self, folder: Path, *, oldest: int, newest: int) -> None:
        (package,) = volant.__path__
        shutil.copytree(package, folder / "volant", ignore=shutil.ignore_patterns("__pycache__"))
        messages = folder / "volant/proto/messages.py"
        told, now = f"PROTOCOL = {PROTOCOL}", f"PROTOCOL = {(oldest, newest)}"
        assert told in messages.read_text()
        messages.write_text(messages.read_text().replace(told, now))
        self.environ = {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}

    def take_over(self, host: Rig) -> None:
        """Kill the daemon, and start this one in its place."""
        host.kill()
        host.start(environ=self.environ)

    def volant(self, host: Rig, *words: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **self.environ, "VOLANT_SOCKET": str(host.socket)}
        return subprocess.run([*VOLANT, *words], env=environ, capture_output=True, text=True, timeout=180)

    def get(self, host: Rig, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.volant(host, "vm", "get", name, "-o", "json").stdout)
        return found


@pytest.fixture
def host(media: Path) -> Iterator[Rig]:
    with rig(network="none") as made:
        made.start()
        made.volant("plugin", "install", str(media / "plugin.json"))
        made.volant("vm", "create", "web", "--plugin", "hello", "--wait")
        yield made


def test_a_guest_goes_on_under_newer_schemas_and_newer_protocols(host: Rig, tmp_path: Path) -> None:
    (pid,) = host.vmms()

    # The schema before the last step, under the same VM.
    host.kill()
    put_back(host.state / "volant.db", NOW - 1)
    host.start()
    host.volant("vm", "wait", "web", "--for", "ready")
    assert (host.state / f"volant.db.bak-{NOW - 1}").exists()
    assert host.volant("vm", "exec", "web", "--", "echo", "here").stdout == "here\n"

    # A newer daemon that still speaks the agent's protocol.
    understands = Newer(tmp_path / "understands", oldest=OURS, newest=OURS + 1)
    understands.take_over(host)
    assert understands.volant(host, "vm", "wait", "web", "--for", "ready").returncode == 0
    assert understands.volant(host, "vm", "exec", "web", "--", "echo", "still here").stdout == "still here\n"

    # One that speaks it no more: the VM goes on, and whoever asks is told in one sentence what to do.
    refuses = Newer(tmp_path / "refuses", oldest=OURS + 1, newest=OURS + 1)
    refuses.take_over(host)
    said = f"speaks protocol {OURS}: they share none; restart the VM"
    until(lambda: said in refuses.get(host, "web")["reason"])
    assert (refuses.get(host, "web")["status"], host.vmms()) == ("running", [pid])
    done = refuses.volant(host, "vm", "exec", "web", "--", "true")
    error, hint = done.stderr.splitlines()
    assert done.returncode == 125 and said in error and hint == "hint: `volant vm restart web` gives it this volantd's agent"
    assert said in refuses.volant(host, "explain", "vm", "web").stdout

    # What it said to do does it.
    assert refuses.volant(host, "vm", "restart", "web", "--grace", "0s", "--wait").returncode == 0
    assert refuses.volant(host, "vm", "exec", "web", "--", "echo", "back").stdout == "back\n"
    assert refuses.volant(host, "ledger", "--check").returncode == 0
