"""A real guest under what `volantd.service` leaves to the daemon: few capabilities, no new privileges, VMs of another user."""

from __future__ import annotations

import configparser
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import NetNs, new_netns
from tests.rig import Rig

pytestmark = [pytest.mark.vm, pytest.mark.root]

ROOT = Path(__file__).resolve().parents[2]


class Confined(Rig):
    """Its daemons run as the unit would run them, as far as that needs no systemd."""

    def argv(self, *extra: str) -> list[str]:
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.read(ROOT / "contrib/systemd/volantd.service")
        kept = [name.removeprefix("CAP_").lower() for name in unit["Service"]["CapabilityBoundingSet"].split()]
        program = shutil.which("setpriv")
        assert program is not None and unit["Service"]["NoNewPrivileges"] == "yes"
        confined = [program, "--no-new-privs", "--bounding-set", ",".join(["-all", *(f"+{name}" for name in kept)])]
        return [*confined, *super().argv(*extra)]


@pytest.fixture
def namespace() -> Iterator[NetNs]:
    with new_netns() as made:
        yield made


@pytest.fixture
def host(namespace: NetNs) -> Iterator[Confined]:
    """As `rig`, in a folder that the VMMs' user may pass through."""
    with tempfile.TemporaryDirectory(prefix="vl-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        made = Confined(Path(folder), netns=namespace, **{"vmm-user": "nobody", "accel": "tcg"})
        try:
            yield made
        finally:
            made.close()


def test_a_vm_lives_under_the_units_limits_and_outlives_the_daemon(host: Confined, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "examples/hello/build"), str(tmp_path)], check=True, capture_output=True)
    host.start()
    host.volant("plugin", "install", str(tmp_path / "plugin-ext4.json"))
    host.volant("vm", "create", "web", "--plugin", "hello-ext4", "--wait", "ready")
    before = host.json("vm", "get", "web")
    status = Path(f"/proc/{before['pid']}/status").read_text()
    assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status and "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    assert len(host.taps()) == 1
    host.kill()
    host.start()
    host.volant("wait", "vm", "web", "--for=ready")
    assert host.json("vm", "get", "web")["pid"] == before["pid"]
    assert "Hello, Ada" in host.volant("vm", "call", "web", "hello", "--query", "name=Ada").stdout
    host.volant("vm", "delete", "web", "--force")
    assert not host.taps() and not host.vmms()
