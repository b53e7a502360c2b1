"""A guest that has Debian's vim, htop and less, as they are on this machine: the example plugin with them in its tree."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.complaints import manifest
from tests.rig import Rig, rig
from volant.fledge.elf import library_closure

PROGRAMS = {"vim": ("vim", "vim.tiny"), "htop": ("htop",), "less": ("less",)}
"""By their names in the guest, their names here; Debian's vim-tiny has no `vim`."""
TERM = "tmux-256color"
_LOCALE = Path("/usr/lib/locale/C.utf8/LC_CTYPE")
"""That texts are UTF-8."""
_TERMINFO = (Path("/etc/terminfo"), Path("/lib/terminfo"), Path("/usr/share/terminfo"))


TEXT = r"for n in $(seq 200); do echo line $n of many; done > /tmp/text; "
TEXT += r"printf '\tone tab\n\ttwo\ttabs\n世界 中文字 日本語 wide\ne\314\201 combined, \302\240space\n\001\002 control\n' >> /tmp/text; "
TEXT += "printf '%0300d\n' 7 >> /tmp/text; "
SHELL = TEXT + (
    f"export TERM={TERM} LC_CTYPE=C.UTF-8 HOME=/ LESSHISTFILE=- PS1='guest> '; httpd -p 127.0.0.1:8000 -h /www; "
    "while true; do setsid -c sh -i < /dev/ttyS0 > /dev/ttyS0 2>&1; sleep 1; done"
)
"""The workload: the example's web server, and a shell for whoever types on the serial line, with /tmp/text to look at."""
VIM_AT_TEXT = "vim -u NONE -N -n --cmd 'set encoding=utf-8' /tmp/text"


@contextmanager
def programs_host(media: Path) -> Iterator[Rig]:
    """A daemon with one VM, web, that has a shell and the programs on its console."""
    with rig(network="none") as made:
        made.start()
        made.volant("plugin", "install", _plugin(media))
        made.volant("vm", "create", "web", "--plugin", "programs", "--wait", "ready")
        yield made
        made.volant("vm", "delete", "web", "--force")


def found() -> dict[str, Path]:
    """The programs that are on this machine."""
    places = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    return {name: Path(place).resolve() for name, place in places.items() if place is not None}


def _plugin(media: Path) -> str:
    """The manifest of a plugin called `programs`, written beside the example's."""
    tree = media / "programs"
    tree.mkdir()
    with (media / "hello.cpio").open("rb") as archive:
        subprocess.run(["busybox", "cpio", "-idm"], cwd=tree, stdin=archive, check=True, capture_output=True)
    files = {f"/bin/{name}": file for name, file in found().items()}
    files |= library_closure(list(files.values()))
    files |= {str(file): file for file in (_LOCALE, *_terminfo())}
    for place, file in files.items():
        target = tree / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    image = media / "programs.cpio"
    command = [sys.executable, "-m", "volant.fledge", "initramfs", "--root", str(tree), "--output", str(image)]
    subprocess.run(command, check=True, capture_output=True)
    base = media / "plugin.json"
    workload = json.loads(base.read_text())["workload"] | {"entrypoint": ("/bin/sh", "-c", SHELL)}
    return manifest(media / "programs.json", base, name="programs", workload=workload, initramfs={"url": str(image)})


def _terminfo() -> Iterator[Path]:
    """What describes TERM to programs."""
    for folder in _TERMINFO:
        if (file := folder / TERM[0] / TERM).is_file():
            yield file
            return
