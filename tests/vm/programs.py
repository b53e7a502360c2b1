"""A guest that has Debian's vim, htop and less, as they are on this machine: the example plugin with them in its tree."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.complaints import manifest
from volant.fledge.elf import library_closure

PROGRAMS = {"vim": ("vim", "vim.tiny"), "htop": ("htop",), "less": ("less",)}
"""By their names in the guest, their names here; Debian's vim-tiny has no `vim`."""
TERMS = ("tmux-256color", "xterm-256color", "linux")
_LOCALE = Path("/usr/lib/locale/C.utf8/LC_CTYPE")
"""That texts are UTF-8."""
_TERMINFO = (Path("/etc/terminfo"), Path("/lib/terminfo"), Path("/usr/share/terminfo"))


def found() -> dict[str, Path]:
    """The programs that are on this machine."""
    places = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    return {name: Path(place).resolve() for name, place in places.items() if place is not None}


def plugin(media: Path, *, shell: str) -> str:
    """The manifest of a plugin called `programs`, written beside the example's: `shell` is what its workload runs."""
    tree = media / "programs"
    tree.mkdir()
    with (media / "hello.cpio").open("rb") as archive:
        subprocess.run(["busybox", "cpio", "-idm"], cwd=tree, stdin=archive, check=True, capture_output=True)
    files = {f"/bin/{name}": file for name, file in found().items()}
    files |= library_closure(list(files.values()))
    files |= {str(file): file for file in map(_terminfo, TERMS)}
    files |= {str(_LOCALE): _LOCALE}
    for place, file in files.items():
        target = tree / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    image = media / "programs.cpio"
    command = [sys.executable, "-m", "volant.fledge", "initramfs", "--root", str(tree), "--output", str(image)]
    subprocess.run(command, check=True, capture_output=True)
    base = media / "plugin.json"
    workload = json.loads(base.read_text())["workload"] | {"entrypoint": ("/bin/sh", "-c", shell)}
    return manifest(media / "programs.json", base, name="programs", workload=workload, initramfs={"url": str(image)})


def _terminfo(term: str) -> Path:
    return next(file for folder in _TERMINFO if (file := folder / term[0] / term).is_file())
