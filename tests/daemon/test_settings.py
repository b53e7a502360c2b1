"""What the daemon is told, by file, variables and flags: which wins, what is refused, and what is shown."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volant.daemon.config import SETTINGS, Config, default_file
from volant.daemon.original_names import ALIASES, WITHOUT_MEANING
from volant.daemon.settings import BUILT_IN, as_markdown, as_toml, load
from volant.proto.errors import InvalidParams
from volant.proto.specs.states import NetworkMode

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "volantd.toml"


def complaints(environ: dict[str, str], flags: dict[str, str | None]) -> list[str]:
    with pytest.raises(InvalidParams) as caught:
        load(environ, flags, uid=0)
    assert caught.value.hint
    return caught.value.message.split("; ")


def test_the_file_is_outranked_by_variables_and_those_by_flags(file: Path) -> None:
    file.write_text('bridge = "a"\naccel = "tcg"\nboots = 3\n')
    found = load({"VOLANT_BRIDGE": "b", "VOLANT_BOOTS": "4"}, {"config": str(file), "boots": "5"}, uid=0)
    assert (found.config.accel, found.config.bridge, found.config.boots) == ("tcg", "b", 5)
    assert [found.sources[name] for name in ("accel", "bridge", "boots", "kernel")] == [str(file), "VOLANT_BRIDGE", "--boots", BUILT_IN]


def test_every_kind_of_value_may_stand_in_the_file(file: Path) -> None:
    file.write_text('state_dir = "/s"\nnetwork = "none"\nboot_timeout_s = 30\nevent_keep = 1000\nlog_format = "json"\n')
    config = load({}, {"config": str(file)}, uid=0).config
    assert (config.state_dir, config.network, config.event_keep, config.log_format) == (Path("/s"), NetworkMode.NONE, 1_000, "json")
    assert config.boot_timeout_s == 30.0


def test_the_file_has_a_place_of_its_own_for_root_and_for_others(tmp_path: Path) -> None:
    assert default_file({}, uid=0) == Path("/etc/volant/volantd.toml")
    assert default_file({"HOME": "/home/ada"}, uid=1) == Path("/home/ada/.config/volant/volantd.toml")
    own = tmp_path / "volant"
    own.mkdir()
    (own / "volantd.toml").write_text('bridge = "mine"')
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load(environ, {}, uid=1).config.bridge == "mine"
    other = tmp_path / "other.toml"
    other.write_text('bridge = "other"')
    assert load(environ | {"VOLANT_CONFIG": str(other)}, {}, uid=1).config.bridge == "other"


def test_a_file_that_nobody_named_may_be_missing(tmp_path: Path) -> None:
    assert load({"XDG_CONFIG_HOME": str(tmp_path)}, {}, uid=1).config.bridge == "vbr0"
    assert complaints({"VOLANT_CONFIG": str(tmp_path / "none")}, {}) == [f"the config file {tmp_path / 'none'} does not exist"]


def test_everything_that_is_wrong_is_said_at_once_and_where_it_stands(file: Path) -> None:
    file.write_text('bridg = "a"\nboots = "4"\nlog_level = 3\naccel = true\nevent_keep = 1e3\n[qemu]\nbinary = "x"\n')
    found = complaints({"VOLANT_ACCEL": "warp", "VOLANT_HOST_IP": "here"}, {"config": str(file), "state_dir": "state", "subnet": None})
    assert found == [
        f"{file}: there is no setting 'bridg' (did you mean bridge?)",
        f"{file}: boots='4': must be a whole number without quotes",
        f"{file}: log_level=3: must be a text in quotes",
        f"{file}: accel=True: must be a text in quotes",
        f"{file}: event_keep=1000.0: must be a whole number without quotes",
        f"{file}: there is no setting 'qemu'",
        "VOLANT_ACCEL='warp': must be one of auto, kvm, tcg",
        "--state-dir='state': must be an absolute path",
        "VOLANT_HOST_IP='here': must be an IPv4 address",
    ]


@pytest.mark.parametrize(
    ("content", "says"), [(b"bridge = vbr0", "is no TOML file"), (b'bridge = "\xff"', "is no TOML file"), (b"a=1\na=2", "TOML")]
)
def test_a_file_that_is_no_toml(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    (found,) = complaints({}, {"config": str(file)})
    assert str(file) in found and says in found


def test_a_folder_is_no_config_file(tmp_path: Path) -> None:
    assert complaints({}, {"config": str(tmp_path)}) == [f"the config file {tmp_path} can't be read: Is a directory"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("boots", "-1", "at least 0"),
        ("boots", "9" * 5_000, "whole number"),
        ("boots", "²", "whole number"),
        ("event_keep", "99", "at least 100"),
        ("event_keep_days", "99999", "at most 36500"),
        ("boot_timeout_s", "nan", "between 1 and 3600"),
        ("boot_timeout_s", "soon", "number of seconds"),
        ("network", "dhcp", "one of bridged, user, none, vsock"),
        ("socket", "\udcff", "not UTF-8"),
        ("bridge", "a b", "can't be the name of a bridge"),
        ("subnet", "10.0.0.0/31", "not between /8 and /30"),
    ],
)
def test_a_value_that_makes_no_sense(name: str, text: str, says: str) -> None:
    (found,) = complaints({}, {name: text})
    assert found.startswith(SETTINGS[name].flag) and says in found


def test_the_socket_follows_the_runtime_folder_unless_it_is_named() -> None:
    found = load({"VOLANT_RUNTIME_DIR": "/r"}, {}, uid=0)
    assert (found.config.socket, found.sources["socket"]) == (Path("/r/volantd.sock"), "in runtime_dir of VOLANT_RUNTIME_DIR")
    assert load({"VOLANT_RUNTIME_DIR": "/r", "VOLANT_SOCKET": "/s"}, {}, uid=0).config.socket == Path("/s")


# ------------------------------------------------------------------------------------------------------- the original's variables


def test_the_originals_variables_are_understood_where_they_mean_something() -> None:
    old = {"VOLANT_BRIDGE": "br9", "VOLANT_SUBNET": "10.9.0.0/24", "VOLANT_HOST_IP": "10.9.0.7", "VOLANT_KERNEL_BZIMAGE": "/k/bzImage"}
    found = load(old | {"VOLANT_WORK_DIR": "/w"}, {}, uid=0)
    assert (found.config.bridge, found.config.subnet) == ("br9", "10.9.0.7/24")
    assert (found.config.kernel, found.config.state_dir, found.warnings) == ("/k/bzImage", Path("/w"), ())
    assert found.sources["subnet"] == "VOLANT_SUBNET, VOLANT_HOST_IP"
    assert load(old | {"VOLANT_KERNEL": "/own"}, {}, uid=0).config.kernel == "/own"
    assert load(old, {"subnet": "10.8.0.0/24"}, uid=0).config.subnet == "10.8.0.0/24"
    (outside,) = complaints({"VOLANT_HOST_IP": "10.9.0.7"}, {})
    assert outside == "VOLANT_HOST_IP='10.9.0.7': must be an address in the subnet 192.168.127.0/24"


def test_the_originals_variables_without_meaning_are_named_with_the_reason() -> None:
    warnings = load({"VOLANT_API_KEY": "secret", "VOLANT_DB_PATH": "/x"}, {}, uid=0).warnings
    assert len(warnings) == 2
    assert warnings[0].startswith("VOLANT_API_KEY has no effect: there is no HTTP gateway yet")
    assert "VOLANT_STATE_DIR" in warnings[1] and "secret" not in str(warnings)


def test_no_variable_is_two_things() -> None:
    own = {setting.variable for setting in SETTINGS.values()}
    assert not own & (set(ALIASES) | set(WITHOUT_MEANING))
    assert set(ALIASES.values()) <= set(SETTINGS)


def test_a_slip_in_a_variable_is_noticed_and_others_variables_are_left_alone() -> None:
    environ = {
        "VOLANT_BRIGDE": "x",
        "VOLANT_TEST_KERNEL": "/k",
        "VOLANT_DEMO_NETWORK": "user",
        "VOLANT_PYTHON": "python3",
        "VOLANT_VM": "1",
    }
    assert load(environ, {}, uid=0).warnings == ("VOLANT_BRIGDE is no setting (did you mean VOLANT_BRIDGE?)",)


# -------------------------------------------------------------------------------------------------------------------- shown again


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 3_600), st.sampled_from(["auto", "kvm"]))
def test_what_is_printed_says_the_same_when_fed_back(file: Path, text: str, seconds: int, accel: str) -> None:
    environ = {"VOLANT_STATE_DIR": "/" + text, "VOLANT_VMM_USER": text}
    before = load(environ, {"boot_timeout_s": str(seconds), "accel": accel}, uid=0)
    file.write_text(as_toml(before), newline="")
    after = load({}, {"config": str(file)}, uid=1)
    assert after.config == before.config
    assert set(tomllib.loads(file.read_text())) == {item.name for item in fields(Config)}


def test_print_config_starts_nothing(tmp_path: Path, file: Path) -> None:
    file.write_text('accel = "tcg"')
    done = subprocess.run(
        [sys.executable, "-m", "volant.daemon", "--config", str(file), "--state-dir", str(tmp_path / "s"), "--print-config"],
        capture_output=True,
        text=True,
        env={"VOLANT_API_KEY": "k", "PATH": ""},
        cwd=ROOT,
        check=True,
    )
    assert tomllib.loads(done.stdout)["accel"] == "tcg"
    assert f'accel = "tcg"  # {file}\n' in done.stdout and f'state_dir = "{tmp_path}/s"  # --state-dir\n' in done.stdout
    assert done.stderr.startswith("volantd: warning: VOLANT_API_KEY has no effect")
    assert not (tmp_path / "s").exists()


def test_help_names_every_setting_with_its_variable() -> None:
    done = subprocess.run([sys.executable, "-m", "volant.daemon", "--help"], capture_output=True, text=True, cwd=ROOT, check=True)
    words = " ".join(done.stdout.split())
    for setting in SETTINGS.values():
        assert f"{setting.flag} " in words and f"({setting.variable})" in words


def test_the_page_has_the_table_of_the_code() -> None:
    fresh = 'python -c "from volant.daemon.settings import as_markdown; print(as_markdown())"'
    assert as_markdown() in (ROOT / "docs/service.md").read_text(), f"put the output of {fresh} into docs/service.md"
