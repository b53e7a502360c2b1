"""The smallest guest that the launcher's kit can use: busybox alone, on the kernel that the tests are given."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.kits.hypervisor import GREETING
from volant.fledge.cpio import Writer

KERNEL = Path("/var/lib/volant/kernels/default/vmlinuz")

_INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox stty -F /dev/ttyS0 -echo
echo '{GREETING.decode()}'
while read line; do
    case "$line" in
        poweroff) /bin/busybox poweroff -f ;;
        flood*) /bin/busybox yes "$line" ;;
        panic) exit 1 ;;
        *) echo "you said $line" ;;
    esac
done
/bin/busybox sleep 1000000
"""
"""A panic is what the end of PID 1 makes."""


def kernel() -> Path:
    """The guests' kernel: VOLANT_TEST_KERNEL, else the one that the set-up leaves. Skips without one, but never in CI."""
    path = Path(os.environ.get("VOLANT_TEST_KERNEL") or KERNEL)
    if not path.exists():
        missing = f"no kernel at {path}: run scripts/demo once, or set VOLANT_TEST_KERNEL"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def write_initramfs(path: Path) -> Path:
    """Write the guest's initramfs to `path`."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox-static is needed: apt-get install busybox-static"
    with path.open("wb") as file:
        archive = Writer(file)
        for folder in ("bin", "dev"):
            archive.directory(folder)
        archive.file("bin/busybox", Path(busybox).read_bytes(), 0o755)
        archive.file("init", _INIT.encode(), 0o755)
        archive.close()
    return path
