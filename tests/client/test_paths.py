"""Where a client looks for the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from volant.client.paths import SYSTEM_SOCKET, default_socket


def test_the_variable_wins() -> None:
    assert default_socket({"VOLANT_SOCKET": "/a/b"}, uid=0) == "/a/b"


def test_root_uses_the_systems_daemon() -> None:
    assert default_socket({"XDG_RUNTIME_DIR": "/run/user/0"}, uid=0) == SYSTEM_SOCKET


ADA = 54_321


def folder_of(owner: int, root: Path, mode: int = 0o700) -> dict[str, str]:
    """An environment whose runtime folder holds a daemon's folder that is `owner`'s."""
    (root / "volant").mkdir()
    (root / "volant/volantd.sock").touch()
    os.chown(root / "volant", owner, -1)
    (root / "volant").chmod(mode)
    return {"XDG_RUNTIME_DIR": str(root)}


@pytest.mark.root
def test_a_user_has_a_daemon_of_its_own(tmp_path: Path) -> None:
    assert default_socket(folder_of(ADA, tmp_path), uid=ADA) == f"{tmp_path}/volant/volantd.sock"


@pytest.mark.root
@pytest.mark.parametrize(("owner", "mode"), [(ADA + 1, 0o755), (ADA, 0o777), (ADA, 0o770)])
def test_a_folder_that_somebody_else_may_have_laid_is_passed_over(tmp_path: Path, owner: int, mode: int) -> None:
    assert default_socket(folder_of(owner, tmp_path, mode), uid=ADA) == SYSTEM_SOCKET


@pytest.mark.root
def test_a_link_to_a_folder_of_ones_own_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    folder_of(ADA, tmp_path / "own")
    (tmp_path / "volant").symlink_to(tmp_path / "own/volant")
    assert default_socket({"XDG_RUNTIME_DIR": str(tmp_path)}, uid=ADA) == SYSTEM_SOCKET


def test_a_user_without_a_runtime_folder_finds_it_in_tmp() -> None:
    assert default_socket({}, uid=ADA) in ("/tmp/volant-54321/volantd.sock", SYSTEM_SOCKET)
