"""What the tests with real guests boot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hello"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example plugin, built: a folder with its manifests, initramfs, squashfs and ext4."""
    folder = tmp_path_factory.mktemp("hello")
    subprocess.run([sys.executable, str(EXAMPLE / "build"), str(folder)], check=True, capture_output=True)
    return folder
