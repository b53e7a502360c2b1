"""The units say what the code says, and systemd understands them."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from volant.client.paths import SYSTEM_SOCKET
from volant.daemon.config import SETTINGS, default_file, defaults
from volant.daemon.main import parser
from volant.proto.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "contrib" / "systemd"
DEFAULTS = defaults({}, uid=0)


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#", ";"))
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(UNITS / name)
    return parsed


@pytest.fixture
def service() -> configparser.SectionProxy:
    return unit("volantd.service")["Service"]


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing"
        pytest.skip("systemd-analyze is not installed")
    installed = unit("volantd.service")["Service"]["ExecStart"].split()[0]
    present = tmp_path / "volantd"
    present.write_text("#!/bin/sh\n")
    present.chmod(0o755)
    names = [path.name for path in UNITS.iterdir() if path.suffix in (".service", ".socket")]
    assert sorted(names) == ["volantd.service", "volantd.socket"]
    for name in names:
        (tmp_path / name).write_text((UNITS / name).read_text().replace(installed, str(present)))
    done = subprocess.run([program, "verify", *(str(tmp_path / name) for name in names)], capture_output=True, text=True, check=False)
    # Keys that it does not know are worth a line to it, and no exit code.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_the_service_starts_is_a_command_line_of_volantd(service: configparser.SectionProxy) -> None:
    program, *words = service["ExecStart"].split()
    assert Path(program).name == "volantd" and 'volantd = "volant.daemon.main:entry"' in (ROOT / "pyproject.toml").read_text()
    parser().parse_args(words)


def test_the_folders_are_those_that_the_daemon_uses_as_root(service: configparser.SectionProxy) -> None:
    assert (Path("/var/lib", service["StateDirectory"]), Path("/run", service["RuntimeDirectory"])) == (
        DEFAULTS.state_dir,
        DEFAULTS.runtime_dir,
    )
    # As main.prepare_folders makes them: the VMMs' user passes through the one, clients look into the other.
    assert (int(service["StateDirectoryMode"], 8), int(service["RuntimeDirectoryMode"], 8)) == (0o711, 0o755)


def test_the_socket_is_the_one_that_daemon_and_clients_use() -> None:
    found = unit("volantd.socket")["Socket"]
    assert found["ListenStream"] == str(DEFAULTS.socket) == SYSTEM_SOCKET
    assert (found["SocketUser"], found["SocketGroup"], int(found["SocketMode"], 8)) == ("root", DEFAULTS.socket_group, 0o660)


def test_no_directive_can_harm_vms(service: configparser.SectionProxy) -> None:
    """Stopping, crashing, hanging or running out of memory: the daemon ends, and never a VM with it."""
    assert (service["Type"], service["KillMode"], service["OOMPolicy"]) == ("notify", "process", "continue")
    assert service["RuntimeDirectoryPreserve"] == "yes"
    own_view = ("Private", "Protect", "ReadOnly", "ReadWrite", "Inaccessible", "Bind", "Root", "Dynamic", "Temporary")
    assert not [key for key in service if key.startswith(own_view)]


def test_settings_that_make_no_sense_are_not_tried_again(service: configparser.SectionProxy) -> None:
    assert int(service["RestartPreventExitStatus"]) == ExitCode.USAGE
    done = subprocess.run([sys.executable, "-m", "volant.daemon", "--boots", "x"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == ExitCode.USAGE


def test_the_users_are_those_that_the_settings_name() -> None:
    lines = [line.split()[:2] for line in (UNITS / "volant.sysusers").read_text().splitlines() if line and not line.startswith("#")]
    assert ["g", DEFAULTS.socket_group] in lines and ["u", DEFAULTS.vmm_user] in lines


def test_the_page_names_files_and_settings_that_there_are() -> None:
    text = (ROOT / "docs" / "service.md").read_text()
    for path in UNITS.iterdir():
        assert f"contrib/systemd/{path.name}" in text
    assert f"`{default_file({}, uid=0)}`" in text and all(f"| `{name}` |" in text for name in SETTINGS)
