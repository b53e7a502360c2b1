"""The units say what the code says, and systemd understands them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from volant.client.cli.commands.run import configure_run, orders
from volant.client.cli.parsing import Parser, add_connection
from volant.client.cli.running.outcome import FENCED
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
    names = [path.name for path in UNITS.iterdir() if path.suffix in (".service", ".socket")]
    assert sorted(names) == ["volant@.service", "volantd.service", "volantd.socket"]
    for program_name in ("volantd", "volant"):
        (tmp_path / program_name).write_text("#!/bin/sh\n")
        (tmp_path / program_name).chmod(0o755)
    for name in names:
        # A template is looked at as one of its instances.
        (tmp_path / name.replace("@.", "@web-1.")).write_text((UNITS / name).read_text().replace("/usr/local/bin/", f"{tmp_path}/"))
    names = [name.replace("@.", "@web-1.") for name in names]
    done = subprocess.run([program, "verify", *(str(tmp_path / name) for name in names)], capture_output=True, text=True, check=False)
    # Keys that it does not know are worth a line to it, and no exit code.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_the_service_starts_is_a_command_line_of_volantd(service: configparser.SectionProxy) -> None:
    program, *words = service["ExecStart"].split()
    assert Path(program).name == "volantd" and 'volantd = "volant.daemon.main:entry"' in (ROOT / "pyproject.toml").read_text()
    parser().parse_args(words)


# ---------------------------------------------------------------------------------------------------------------- one VM as a unit


@pytest.fixture
def vm_unit() -> configparser.SectionProxy:
    return unit("volant@.service")["Service"]


def test_the_vms_unit_starts_a_command_line_of_volant(vm_unit: configparser.SectionProxy) -> None:
    program, command, *words = vm_unit["ExecStart"].replace("%i", "web-1").split()
    assert (Path(program).name, command) == ("volant", "run")
    assert 'volant = "volant.client.cli.main:entry"' in (ROOT / "pyproject.toml").read_text()
    given = {f"${name}": value.split() for name, value in documented_settings(vm_unit).items()}
    assert set(given) == {word for word in words if word.startswith("$")}
    for filled in (given, {}):
        read = Parser("volant run", "")
        add_connection(read)
        configure_run(read)
        args = read.parse_args([part for word in words for part in (filled.get(word, []) if word.startswith("$") else [word])])
        wanted = orders(args)
        assert (wanted.name, wanted.reattach, wanted.engine_id, wanted.remove) == ("web-1", True, "volant@web-1", False)
        assert (wanted.create is None) is (not filled)
        # systemd kills the runner, and not the VM, when it takes longer to stop than this.
        assert wanted.grace_ms / 1000 + 10 < int(vm_unit["TimeoutStopSec"].removesuffix("s"))


def documented_settings(vm_unit: configparser.SectionProxy) -> dict[str, str]:
    """What docs/service.md writes into the file that the unit reads."""
    [(content, path)] = re.findall(r"printf '(.+)' > (\S+)", (ROOT / "docs" / "service.md").read_text())
    assert path == vm_unit["EnvironmentFile"].removeprefix("-").replace("%i", "web-1")
    return dict(line.split("=", 1) for line in content.split(r"\n") if line)


def test_the_vms_unit_knows_the_exit_codes_of_run(vm_unit: configparser.SectionProxy) -> None:
    assert int(vm_unit["SuccessExitStatus"]) == 128 + signal.SIGTERM
    assert [int(code) for code in vm_unit["RestartPreventExitStatus"].split()] == [ExitCode.USAGE, FENCED]
    assert (vm_unit["Type"], vm_unit["Restart"], vm_unit["KillMode"]) == ("notify", "on-failure", "mixed")


def test_the_vms_unit_reaches_the_daemons_socket(vm_unit: configparser.SectionProxy) -> None:
    assert "AF_UNIX" in vm_unit["RestrictAddressFamilies"].split()
    assert unit("volant@.service")["Unit"]["After"] == "volantd.service"


# --------------------------------------------------------------------------------------------------------------------- the daemon


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
