"""The guest's address by ioctl, in a network namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.agent.harness import ROOT

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")]


def _in_namespace(script: str) -> str:
    """What `script` prints in a fresh network namespace with the veth pair `veth0`, `veth1`; `ip` stands for iproute2 or busybox."""
    imports = "from volant.agent import network\nfrom volant.agent.config import Network\n"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{imports}{script}"
    ip = "ip" if shutil.which("ip") else "busybox ip"
    shell = f'{ip} link add veth0 type veth peer name veth1 && "$@" && {ip} addr && {ip} route'
    done = subprocess.run(["unshare", "-n", "sh", "-c", shell, "sh", sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_address_mac_route_and_loopback_are_set() -> None:
    said = _in_namespace(
        "network.loopback_up()\n"
        "network.configure(Network('192.0.2.7', 25, '192.0.2.1', (), '02:00:00:00:00:07'), 'veth0')\n"
        "print(network.addresses())"
    )
    assert "('192.0.2.7',)" in said
    assert "192.0.2.7/25 brd 192.0.2.127" in said
    assert "02:00:00:00:00:07" in said
    assert "default via 192.0.2.1 dev veth0" in said
    assert "127.0.0.1/8" in said


@pytest.mark.parametrize(
    ("wanted", "interface", "says"),
    [
        ("Network('192.0.2.7', 24)", "''", "no network interface"),
        ("Network('192.0.2.7', 24)", "'nic9'", "nic9"),
        ("Network('192.0.2.700', 24)", "'veth0'", "address 192.0.2.700/24"),
        ("Network('192.0.2.7', 40)", "'veth0'", "40 is no prefix length"),
        ("Network('192.0.2.7', 24, '198.51.100.1')", "'veth0'", "gateway 198.51.100.1"),
    ],
)
def test_what_the_kernel_refuses_is_named(wanted: str, interface: str, says: str) -> None:
    said = _in_namespace(
        f"try:\n    network.configure({wanted}, {interface})\nexcept network.NetworkError as error:\n    print('refused:', error)"
    )
    assert "refused:" in said
    assert says in said
