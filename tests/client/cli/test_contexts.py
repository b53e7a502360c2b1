"""Daemons by their names: the file that says them, which one is meant, and what is said of a name that nobody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.cli.conftest import Run
from tests.fakes.rpc_server import RpcServer
from volant.client.cli.completing.candidates import offers_at, socket_in
from volant.client.contexts import LOCAL, contexts, load, name_of, read, settings_file, socket_of
from volant.proto.errors import ExitCode, Usage


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of whoever runs this test."""
    path = tmp_path / "tui.toml"
    monkeypatch.setenv("VOLANT_TUI_CONFIG", str(path))
    return path


def test_what_is_wrong_is_passed_over_and_told() -> None:
    found, problems = read({"ok": "/a", "relative": "a", "two words": "/b", "-x": "/c", "n": 3})
    assert found == {"ok": "/a"}
    assert len(problems) == 4
    assert read(["/a"])[1] == ["contexts must be a table of names and sockets"]


def test_local_needs_no_line_and_is_not_what_the_variable_says() -> None:
    known = contexts({"staging": "/s"}, {"VOLANT_SOCKET": "/elsewhere", "XDG_RUNTIME_DIR": "/nowhere"})
    assert list(known) == [LOCAL, "staging"]
    assert known[LOCAL] != "/elsewhere"
    assert contexts({"local": "/mine"}, {})["local"] == "/mine"


def test_a_home_is_meant_by_its_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert read({"mine": "~/volantd.sock"})[0] == {"mine": "/home/ada/volantd.sock"}


def test_a_socket_without_a_name_is_called_by_its_path() -> None:
    assert name_of("/s", {"local": "/l", "staging": "/s"}) == "staging"
    assert name_of("/x", {"local": "/l"}) == "/x"


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Usage, match="no context 'prod'") as refused:
        socket_of("prod", {"local": "/l", "staging": "/s"})
    assert "local, staging" in refused.value.hint


def test_a_file_that_cannot_be_read_is_told(file: Path) -> None:
    file.write_text("[contexts\n")
    with pytest.raises(Usage, match=r"tui\.toml, which names the contexts, can't be read"):
        load({"VOLANT_TUI_CONFIG": str(file)})


def test_where_the_file_is() -> None:
    assert settings_file({"HOME": "/home/ada"}) == "/home/ada/.config/volant/tui.toml"
    assert settings_file({"HOME": "/home/ada", "XDG_CONFIG_HOME": "/c"}) == "/c/volant/tui.toml"


def test_a_command_reaches_the_daemon_by_its_name(volant: Run, server: RpcServer, file: Path) -> None:
    file.write_text(f'[contexts]\nstaging = "{server.path}"\nelsewhere = "/nowhere/at.all"\n')
    both = {"VOLANT_TUI_CONFIG": str(file), "VOLANT_SOCKET": ""}
    by_variable = {"VOLANT_CONTEXT": "staging"}
    for words, variables in (("--context staging vm list", {}), ("vm list --context=staging", {}), ("vm list", by_variable)):
        done = volant(*words.split(), "-o", "name", **both, **variables)
        assert done.stdout.splitlines() == ["web-1", "web-2"], done.stderr
    by_flag = volant("vm", "list", "--socket", str(server.path), **both, VOLANT_CONTEXT="elsewhere")
    assert by_flag.returncode == ExitCode.OK
    over_variable = volant("vm", "list", "--context", "staging", **both | {"VOLANT_SOCKET": "/nowhere/at.all"})
    assert over_variable.returncode == ExitCode.OK
    assert volant("vm", "list", "--context", "elsewhere", **both).returncode == ExitCode.UNREACHABLE
    wrong = volant("vm", "list", "--context", "prod", **both)
    assert wrong.returncode == ExitCode.USAGE
    assert "local, staging, elsewhere" in wrong.stderr
    twice = volant("vm", "list", "--context", "staging", "--socket", "/a", **both)
    assert twice.returncode == ExitCode.USAGE


def test_the_names_are_listed(volant: Run, file: Path) -> None:
    file.write_text('[contexts]\nstaging = "/s"\n')
    done = volant("system", "contexts", VOLANT_TUI_CONFIG=str(file), VOLANT_SOCKET="", VOLANT_CONTEXT="staging")
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [["NAME", "CURRENT"], ["local", "false"], ["staging", "true"]]


def test_names_are_completed_and_complete_what_that_daemon_has(file: Path) -> None:
    file.write_text('[contexts]\nstaging = "/s"\n')

    def words(*before: str, typed: str = "") -> list[str]:
        return [each.word for each in offers_at(before, typed, lambda method, params: None).words]

    assert words("--context") == words("vm", "list", "--context") == ["local", "staging"]
    assert words("--context", typed="st") == ["staging"]
    assert "list" in words("--context", "staging", "vm")
    assert socket_in(["--context", "staging", "vm", "stop"]) == socket_in(["vm", "stop", "--context=staging"]) == "/s"
    with pytest.raises(Usage):
        socket_in(["--context", "prod"])
