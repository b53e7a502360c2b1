"""Where a client looks for the daemon."""

from __future__ import annotations

from pathlib import Path

from volant.client.paths import SYSTEM_SOCKET, default_socket


def test_the_variable_wins() -> None:
    assert default_socket({"VOLANT_SOCKET": "/a/b"}, uid=0) == "/a/b"


def test_root_uses_the_systems_daemon() -> None:
    assert default_socket({"XDG_RUNTIME_DIR": "/run/user/0"}, uid=0) == SYSTEM_SOCKET


def test_a_user_has_a_daemon_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "volant").mkdir()
    (tmp_path / "volant/volantd.sock").touch()
    assert default_socket({"XDG_RUNTIME_DIR": str(tmp_path)}, uid=1000) == f"{tmp_path}/volant/volantd.sock"


def test_a_user_without_a_runtime_folder_finds_it_in_tmp() -> None:
    assert default_socket({}, uid=54_321) in ("/tmp/volant-54321/volantd.sock", SYSTEM_SOCKET)
