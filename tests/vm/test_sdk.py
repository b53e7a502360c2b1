"""The scripts of docs/sdk.md, run as they stand against a real daemon with a real guest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.complaints import holdings
from tests.rig import Rig, rig

pytestmark = [pytest.mark.vm]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sdk.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    with rig(network="none") as made:
        made.start()
        made.volant("plugin", "install", str(media / "plugin.json"))
        yield made


def environment(host: Rig) -> dict[str, str]:
    return {**os.environ, "VOLANT_SOCKET": str(host.socket), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def test_the_ten_line_script_boots_a_vm_and_looks_inside(host: Rig) -> None:
    assert len(SCRIPTS[0].strip().splitlines()) == 10
    done = subprocess.run([sys.executable, "-c", SCRIPTS[0]], capture_output=True, text=True, timeout=120, env=environment(host))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"sdk-demo ready no address ready in \d+ ms", lines[0])
    assert lines[1] == "sdk-demo hello ready"
    assert re.match(r"\d+\.\d+", lines[2])
    assert host.json("vm", "list")["total"] == 0


def test_the_asyncio_script_shows_events(host: Rig) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPTS[1]], stdout=subprocess.PIPE, text=True, env=environment(host)) as follower:
        try:
            assert follower.stdout is not None
            assert re.match(r"\d+ [A-Z_]+ ", follower.stdout.readline())
        finally:
            follower.kill()


def test_the_block_has_a_vm_and_leaves_nothing(host: Rig) -> None:
    before = holdings(host)
    done = subprocess.run([sys.executable, "-c", SCRIPTS[2]], capture_output=True, text=True, timeout=240, env=environment(host))
    assert done.returncode == 0, done.stderr
    name, exit_code = done.stdout.splitlines()[:2]
    assert name.startswith("hello-") and exit_code == "0"
    assert holdings(host) == before
    deleted = [event["vm"] for event in host.json("event", "list", "--kind", "VM_DELETED")["items"]]
    assert deleted[-2:] == [name.strip(), "batch-7"]
