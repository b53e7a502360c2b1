"""A disk that loses power: what a process did to its files is recorded, then every disk that a power cut could leave is made of it.

A write is on disk for certain only after an `fsync` of its file, a name only after an `fsync` of its folder. Until then the kernel
may have written all of it, nothing, some pages and not others, or some sectors of a page. So a recording is played up to a sync, and
of everything not synced so far a chosen part is kept; the files that result are opened by the real store.

The recording is made by strace. A layer inside SQLite (a VFS, as apsw offers) would be driven by another SQLite than the one
that the daemon runs on, and would not see what Python does beside it: the empty file that is made first, the renaming of a backup,
the `fsync` of the folder. The system calls of an unchanged process are all of what a disk ever hears. What it writes to its standard
output stands in the same recording, in order: so it is known what had been promised to somebody before the cut.

Assumed of the disk: a sector is written whole or not at all, and of names (made, renamed, removed) a later one is never
kept without an earlier one of the same folder, as journaling file systems do it.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from pathlib import Path

SECTOR = 512
"""What a disk writes whole; the least that the makers of disks promise."""

_CALLS = "openat,pwrite64,write,ftruncate,fsync,fdatasync,?rename,?renameat,renameat2,?unlink,unlinkat"
_LONGEST = 4 * 1024 * 1024
"""strace shortens what is longer; SQLite writes pages."""

_LINE = re.compile(rb"(\d+) +(\w+)\((.*)\) += (\d+)")
_BEGUN = re.compile(rb"(\d+) +(\w+\(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(rb"(\d+) +<\.\.\. \w+ resumed>(.*)")
_DESCRIPTOR = re.compile(rb"^(\d+)<([^>]*)>")
_TEXT = re.compile(rb'"([^"]*)"')
_NUMBER = re.compile(rb", (\d+)\Z")


class Call(Enum):
    """What a system call asks of the disk. The names of files are those in the recorded folder."""

    CREATE = "make the file if it is not there"
    EMPTY = "make the file, or cut it to nothing"
    WRITE = "put `data` at `number`"
    TRUNCATE = "make the file `number` bytes long"
    SYNC = "return when all of the file is on disk"
    SYNC_FOLDER = "return when all names are on disk"
    RENAME = "give the file the name in `data`"
    UNLINK = "remove the name"
    SAY = "tell somebody `data`"


@dataclass(frozen=True, slots=True)
class Operation:
    call: Call
    name: str = ""
    number: int = 0
    data: bytes = b""


class Loss(Enum):
    """How much of what was not synced is kept."""

    ALL_KEPT = "as when only the process is killed"
    ALL_LOST = "nothing"
    SOME_WRITES = "each write or not, by chance"
    TORN = "each sector of each write or not, by chance"
    FIRST_WRITES = "of each file the first so many, the last of them torn"


@dataclass(eq=False, slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def sync(self) -> None:
        for operation in self.pending:
            _apply(self.synced, operation)
        self.pending.clear()


class Disk:
    """One folder of files, played from a recording."""

    def __init__(self, files: dict[str, bytes]) -> None:
        """`files` are on disk for certain."""
        self._synced = {name: _File(bytearray(content)) for name, content in files.items()}
        self._live = dict(self._synced)
        self._pending: list[tuple[Operation, _File]] = []
        """Changes of names that are not synced, each with its file."""

    def play(self, operation: Operation) -> None:
        name = operation.name
        match operation.call:
            case Call.CREATE | Call.EMPTY if name not in self._live:
                self._change_name(operation, _File())
            case Call.EMPTY:
                self._live[name].pending.append(Operation(Call.TRUNCATE, name))
            case Call.WRITE | Call.TRUNCATE:
                self._live[name].pending.append(operation)
            case Call.SYNC:
                self._live[name].sync()
            case Call.SYNC_FOLDER:
                self._synced = dict(self._live)
                self._pending.clear()
            case Call.RENAME | Call.UNLINK:
                self._change_name(operation, self._live[name])

    def after_cut(self, loss: Loss, chance: random.Random) -> dict[str, bytes]:
        """What is on disk when the power comes back."""
        names = dict(self._synced)
        for operation, file in self._pending[: _kept_names(loss, len(self._pending), chance)]:
            _apply_name(names, operation, file)
        return {name: _after_loss(file, loss, chance) for name, file in names.items()}

    def _change_name(self, operation: Operation, file: _File) -> None:
        self._pending.append((operation, file))
        _apply_name(self._live, operation, file)


def _apply_name(names: dict[str, _File], operation: Operation, file: _File) -> None:
    if operation.call in (Call.RENAME, Call.UNLINK):
        del names[operation.name]
    if operation.call is not Call.UNLINK:
        names[operation.data.decode() or operation.name] = file


def _kept_names(loss: Loss, pending: int, chance: random.Random) -> int:
    if loss is Loss.ALL_KEPT:
        return pending
    return 0 if loss is Loss.ALL_LOST else chance.randint(0, pending)


def _after_loss(file: _File, loss: Loss, chance: random.Random) -> bytes:
    content = bytearray(file.synced)
    kept, pending = file.pending, len(file.pending)
    if loss is Loss.ALL_LOST:
        kept = []
    elif loss is Loss.SOME_WRITES:
        kept = [operation for operation in kept if chance.random() < 0.5]
    elif loss is Loss.TORN:
        kept = [piece for operation in kept for piece in _torn(operation, chance)]
    elif loss is Loss.FIRST_WRITES and pending:
        whole = chance.randrange(pending)
        kept = [*kept[:whole], *_torn(kept[whole], chance)]
    for operation in kept:
        _apply(content, operation)
    return bytes(content)


def _torn(operation: Operation, chance: random.Random) -> list[Operation]:
    """The sectors of a write that the disk still took. A new length is taken or not."""
    if operation.call is Call.TRUNCATE:
        return [operation] if chance.random() < 0.5 else []
    start, data = operation.number, operation.data
    edges = [0, *range(SECTOR - start % SECTOR, len(data), SECTOR), len(data)]
    return [Operation(Call.WRITE, operation.name, start + a, data[a:b]) for a, b in pairwise(edges) if chance.random() < 0.5]


def _apply(content: bytearray, operation: Operation) -> None:
    if operation.call is Call.TRUNCATE:
        del content[operation.number :]
        content.extend(bytes(operation.number - len(content)))
    else:
        # Beyond the end: a hole, which reads as zeros.
        content.extend(bytes(max(0, operation.number - len(content))))
        content[operation.number : operation.number + len(operation.data)] = operation.data


@dataclass(frozen=True)
class Recording:
    """What one process did to the files of one folder."""

    before: dict[str, bytes]
    operations: Sequence[Operation]

    def cuts(self) -> Iterator[tuple[int, Operation, Disk, list[str]]]:
        """Just before each sync, and after the end: the operation's place, the operation, the disk, and the lines said so far."""
        disk, said = Disk(self.before), b""
        for place, operation in enumerate(self.operations):
            if operation.call in (Call.SYNC, Call.SYNC_FOLDER):
                yield place, operation, disk, said.decode().splitlines()
            disk.play(operation)
            if operation.call is Call.SAY:
                said += operation.data
        yield len(self.operations), Operation(Call.SYNC_FOLDER), disk, said.decode().splitlines()


def record(folder: Path, module: str, *words: str, leave_out: str) -> Recording:
    """Run `python -m module words` to its end. Files whose names end in `leave_out` are not recorded: they are mapped into memory."""
    before = read_files(folder, leave_out=leave_out)
    trace = folder.with_name(f"{folder.name}.trace")
    command = [
        "strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", str(_LONGEST), "-e", "signal=none", "-e", f"trace={_CALLS}",
        "-o", str(trace), sys.executable, "-m", module, *words,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    operations = [operation for operation in _parse(trace, folder) if not operation.name.endswith(leave_out)]
    trace.unlink()
    recording = Recording(before, operations)
    *_, (_, _, disk, _) = recording.cuts()
    # A call that the recording misses would make every finding worthless.
    assert disk.after_cut(Loss.ALL_KEPT, random.Random(0)) == read_files(folder, leave_out=leave_out)
    return recording


def read_files(folder: Path, *, leave_out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.name.endswith(leave_out)}


def _parse(trace: Path, folder: Path) -> Iterator[Operation]:
    begun: dict[bytes, bytes] = {}
    speaker = b""
    with trace.open("rb") as lines:
        for line in lines:
            if match := _BEGUN.match(line):
                begun[match[1]] = match[2]
                continue
            if match := _RESUMED.match(line):
                line = match[1] + b" " + begun.pop(match[1]) + match[2]
            if match := _LINE.match(line):
                speaker = speaker or match[1]
                operation = _operation(match[2].decode(), match[3], folder)
                # Helpers that it runs have a standard output too.
                if operation is not None and (operation.call is not Call.SAY or match[1] == speaker):
                    yield operation


def _operation(call: str, arguments: bytes, folder: Path) -> Operation | None:
    """The operation, or None for what concerns no file of the folder."""
    texts = _TEXT.findall(arguments)
    if call.startswith(("rename", "unlink")):
        names = [_name(text, folder) for text in texts]
        if None in names or not names[0]:
            return None
        return Operation(Call.RENAME if len(names) == 2 else Call.UNLINK, names[0], 0, (names[-1] or "").encode())
    if call == "openat":
        flags = arguments.rsplit(b'"', 1)[1]
        name = _name(texts[0], folder)
        if not name or b"O_CREAT" not in flags:
            return None
        return Operation(Call.EMPTY if b"O_TRUNC" in flags else Call.CREATE, name)
    descriptor = _DESCRIPTOR.match(arguments)
    if descriptor is None:
        return None
    if call == "write" and descriptor[1] == b"1":
        return Operation(Call.SAY, "", 0, _bytes(texts[0]))
    name = _name(descriptor[2], folder)
    if name is None:
        return None
    if call in ("fsync", "fdatasync"):
        return Operation(Call.SYNC, name) if name else Operation(Call.SYNC_FOLDER)
    assert call in ("pwrite64", "ftruncate"), f"{call} of {name}: where it writes is not in its arguments"
    number = int(_last_number(arguments))
    return Operation(Call.TRUNCATE, name, number) if call == "ftruncate" else Operation(Call.WRITE, name, number, _bytes(texts[0]))


def _last_number(arguments: bytes) -> bytes:
    match = _NUMBER.search(arguments)
    assert match is not None, arguments[-80:]
    return match[1]


def _name(shown: bytes, folder: Path) -> str | None:
    """The name in the folder, "" for the folder itself, None for what is elsewhere."""
    path = _bytes(shown).decode(errors="replace")
    if path == str(folder):
        return ""
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None


def _bytes(shown: bytes) -> bytes:
    return bytes.fromhex(shown.replace(b"\\x", b"").decode())
