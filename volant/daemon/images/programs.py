"""Running the host's programs: qemu-img, mke2fs, unpackers, the builder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import trio

from volant.daemon.images.cache import disk_full
from volant.proto.errors import HostShort, ImageFailed

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian keeps mke2fs, which an ordinary user's PATH leaves out."""
_SHOWN_CHARS = 2_000
"""How much of a program's last words a fault carries."""


def find_program(name: str, package: str) -> str:
    """The path of a program; HostShort names the Debian package that has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if found is None:
        raise HostShort(f"the program {name} is not installed", hint=f"install it: `apt-get install {package}`")
    return found


async def run_program(argv: Sequence[str], *, failure: str, folder: Path, env: dict[str, str] | None = None) -> None:
    """Run a program to its end; it is killed when we are cancelled.

    `failure` is the sentence for when it fails, `folder` is where it writes. HostShort when that is full, ImageFailed.
    """
    result = await trio.run_process(list(argv), stdin=subprocess.DEVNULL, capture_stdout=True, capture_stderr=True, check=False, env=env)
    if result.returncode == 0:
        return
    said = result.stderr.decode("utf-8", "replace").strip()
    if "No space left on device" in said:
        raise disk_full(folder, 1)
    last = said.splitlines()[-1] if said else f"{argv[0]} ended with {result.returncode}"
    raise ImageFailed(
        f"{failure}: {last[:_SHOWN_CHARS]}", hint="the details are in `data`", stderr=said[-_SHOWN_CHARS:], command_line=list(argv)
    )
