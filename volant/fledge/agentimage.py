"""The agent's initramfs: this interpreter, the agent, one kernel's modules, and nothing else; optionally a workload's tree.

    /init                       starts the interpreter on the agent (volant/agent/init.py)
    <interpreter's own paths>   the program, its libraries, and of its standard library what the agent imports, compiled
    <standard library>/volant   the agent
    /lib/modules/<release>      kernel modules, unpacked, with a modules.dep in the order of loading
    /workload                   the tree of an initramfs workload

The interpreter keeps its place, since it finds its standard library from there. The same input gives the same bytes.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volant.fledge import freeze
from volant.fledge.cpio import Entry, Writer
from volant.fledge.elf import library_closure, loadable
from volant.fledge.modules import dependency_file, load_order, release_of
from volant.fledge.trees import write_archive
from volant.proto.errors import HostShort, ImageFailed

AGENT_MODULE = "volant.agent.main"
INIT_SOURCE = "volant/agent/init.py"
"""What becomes `/init`, below the root; its first line is replaced by one that names the interpreter."""
WORKLOAD = "workload"
"""The folder of a workload's tree in the image."""
MAX_SHEBANG = 255
"""Linux reads so many bytes of a script's first line (BINPRM_BUF_SIZE less the end)."""
PROBE_SECONDS = 60
"""An import of the agent takes a tenth of a second; a probe that takes this long hangs."""

_FOLDERS = ("dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "var")
_CONSOLE = Entry(name="dev/console", mode=0o020600, device=(5, 1))
"""Standard input and output of `/init`: the kernel opens it before anything is mounted."""
_NULL = Entry(name="dev/null", mode=0o020666, device=(1, 3))


@dataclass(frozen=True, slots=True)
class Frozen:
    """An interpreter with what one program imports."""

    executable: Path
    folders: tuple[str, ...]
    """Folders that must be there for the interpreter, be they empty."""
    files: dict[str, bytes]
    """Path -> compiled module (sourceless .pyc)."""
    extensions: tuple[str, ...]
    """Native modules of the standard library, at their paths here."""


def interpreter() -> Path:
    """The program behind the running interpreter, outside of any virtual environment."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))


def frozen(executable: Path, root: Path, modules: tuple[str, ...]) -> Frozen:
    """Import `modules` (from the standard library and below `root`) in a bare `executable` and compile all that this loads.

    ImageFailed when they can't be imported, HostShort when there is no such program.
    """
    argv = [str(executable), "-I", "-S", "-B", freeze.__file__, str(root), *modules]
    try:
        # The environment of /init, not ours: what is loaded may depend on it.
        done = subprocess.run(argv, env={"HOME": "/", "TERM": "linux"}, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except OSError as error:
        raise HostShort(f"the interpreter {executable} can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ImageFailed(f"importing the agent did not end within {PROBE_SECONDS} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ImageFailed(f"the agent can't be imported by {executable}: {said.rpartition(chr(10))[2]}", stderr=said)
    found: dict[str, Any] = marshal.loads(done.stdout)  # noqa: S302 - our own child wrote it
    return Frozen(executable, tuple(found["folders"]), found["files"], tuple(found["extensions"]))


def init_script(source: str, executable: Path) -> bytes:
    """`source` as a script of `executable`: isolated, without site-packages, writing no bytecode. ImageFailed when its path is too long."""
    shebang = f"#!{executable} -ISB"
    if len(os.fsencode(shebang)) > MAX_SHEBANG or " " in str(executable):
        raise ImageFailed(
            f"the interpreter's path can't stand in a script's first line: {executable}",
            hint="use an interpreter whose path has no spaces and at most 240 bytes, such as /usr/bin/python3",
        )
    return f"{shebang}\n{source.partition(chr(10))[2]}".encode()


def write_image(writer: Writer, kernel_modules: Path, root: Path, *, workload: Path | None = None) -> None:
    """Add the whole image to `writer`: the agent of the source tree `root`, the modules of the lib/modules/<release> folder
    `kernel_modules`, and the tree of the cpio archive `workload`. ImageFailed, HostShort."""
    python = frozen(interpreter(), root, (AGENT_MODULE,))
    image = _Image(writer)
    for name in _FOLDERS:
        image.folder(name)
    writer.add(_CONSOLE)
    writer.add(_NULL)
    image.file("init", init_script((root / INIT_SOURCE).read_text(), python.executable), 0o755)
    for path in python.folders:
        image.folder(path)
    programs = {str(path): path for path in (python.executable, *map(Path, python.extensions))}
    libraries = library_closure(list(programs.values()))
    for place, source in sorted((programs | libraries).items()):
        image.file(place, loadable(source.read_bytes(), str(source)), 0o755)
    for path, code in python.files.items():
        image.file(path, code)
    modules = load_order(kernel_modules)
    base = f"lib/modules/{release_of(modules, kernel_modules)}"
    for module in modules:
        image.file(f"{base}/{module.path}", module.data)
    image.file(f"{base}/modules.dep", dependency_file(modules))
    if workload is not None:
        write_archive(workload, WORKLOAD, writer)


class _Image:
    """Files by their path in the guest; folders are made on the way, once."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._folders: set[str] = {""}

    def folder(self, path: str) -> None:
        name = path.strip("/")
        if name in self._folders:
            return
        self.folder(name.rpartition("/")[0])
        self._folders.add(name)
        # /tmp is for everybody; the rest is root's.
        self._writer.directory(name, 0o1777 if name == "tmp" else 0o755)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        name = path.strip("/")
        self.folder(name.rpartition("/")[0])
        self._writer.file(name, data, mode)
