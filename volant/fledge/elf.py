"""What the builder reads from ELF files: a program's loader and libraries, and a kernel module's description.

Format: System V gABI chapters 4 and 5, 64-bit little endian (amd64, arm64). Nothing is executed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volant.proto.errors import HostShort, ImageFailed

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_TAG = struct.Struct("<QQ")
_IDENT = b"\x7fELF\x02\x01"
"""Magic, 64 bits, little endian."""
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 15, 29
_LD_SO_CONF = Path("/etc/ld.so.conf")
_DEFAULT_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
"""Where loaders look whatever is configured."""


_DAMAGE = (struct.error, ValueError, IndexError, OverflowError, StopIteration)
"""What the functions below run into when offsets or numbers in a file lead nowhere."""


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What a program or library needs at run time."""

    interpreter: str
    """Path of the loader; empty for a library and a static program."""
    needed: tuple[str, ...]
    """Names of libraries, as written: mostly without a folder."""
    search: tuple[str, ...]
    """Folders that the file itself names for its libraries (RPATH and RUNPATH); may hold `$ORIGIN`."""


def dynamic(data: bytes, label: str) -> Dynamic:
    """Read the dynamic section of the ELF file `data`; `label` names it in errors. ImageFailed when it is no ELF file we know."""
    try:
        return _dynamic(data, _header(data, label))
    except _DAMAGE as error:
        raise ImageFailed(f"{label} is a damaged ELF file: {error}") from error


def section(data: bytes, wanted: str, label: str) -> bytes:
    """The content of a section; empty when there is none. ImageFailed when `data` is no ELF file we know."""
    header = _header(data, label)
    offset, size, count, names_at = header[6], header[11], header[12], header[13]
    try:
        table = [_SECTION.unpack_from(data, offset + index * size) for index in range(count)]
        if not table:
            return b""
        names = table[names_at]
        for found in table:
            if _string(data, names[4] + found[0]) == wanted:
                return data[found[4] : found[4] + found[5]]
    except _DAMAGE as error:
        raise ImageFailed(f"{label} is a damaged ELF file: {error}") from error
    return b""


def loadable(data: bytes, label: str) -> bytes:
    """The program or library `data` without what is never loaded: debug information, symbol tables and the section headers.

    Loaders go by the segments alone. Interpreters that were built from source carry some 25 MB of debug information.
    """
    header = list(_header(data, label))
    offset, size, count = header[5], header[9], header[10]
    try:
        segments = [_SEGMENT.unpack_from(data, offset + index * size) for index in range(count)]
    except _DAMAGE as error:
        raise ImageFailed(f"{label} is a damaged ELF file: {error}") from error
    end = max([offset + count * size, *(at + length for _kind, _flags, at, _address, _phys, length, _memory, _align in segments)])
    header[6] = header[12] = header[13] = 0
    return _HEADER.pack(*header) + data[_HEADER.size : end]


def library_closure(programs: list[Path]) -> dict[str, Path]:
    """Loader and libraries that `programs` need, and those that these need: where the guest finds each -> the file here.

    A guest has no ld.so.cache: a library that only the cache knows is given a second place beside libc, where every
    loader looks. HostShort when a library is missing.
    """
    found: dict[str, Path] = {}
    configured: dict[str, Path] = {}
    folders = _configured_folders(_LD_SO_CONF)
    seen: set[Path] = set()
    loaders: set[str] = set()
    pending: list[tuple[Path, tuple[str, ...]]] = [(program, ()) for program in programs]
    while pending:
        path, inherited = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        facts = dynamic(path.read_bytes(), str(path))
        own = tuple(folder.replace("$ORIGIN", str(path.parent)).replace("${ORIGIN}", str(path.parent)) for folder in facts.search)
        if facts.interpreter:
            found[facts.interpreter] = Path(facts.interpreter).resolve()
            loaders.add(Path(facts.interpreter).name)
        for name in facts.needed:
            if name in loaders:
                continue
            library = _locate(name, path, (*own, *inherited), folders)
            found[str(library)] = library.resolve()
            if str(library.parent) in folders:
                configured[name] = library
            pending.append((library, (*own, *inherited)))
    libc = next((library for name, library in configured.items() if name.startswith("libc.")), None)
    for name, library in configured.items():
        if libc is not None and library.parent != libc.parent:
            found.setdefault(str(libc.parent / name), library.resolve())
    return found


def _header(data: bytes, label: str) -> tuple[Any, ...]:
    if len(data) < _HEADER.size or not data.startswith(_IDENT):
        raise ImageFailed(f"{label} is no 64-bit little-endian ELF file", hint="only amd64 and arm64 are supported")
    return _HEADER.unpack_from(data)


def _dynamic(data: bytes, header: tuple[Any, ...]) -> Dynamic:
    offset, size, count = header[5], header[9], header[10]
    segments = [_SEGMENT.unpack_from(data, offset + index * size) for index in range(count)]
    loads = [(address, at, length) for kind, _flags, at, address, _phys, length, _memory, _align in segments if kind == _PT_LOAD]
    interpreter = ""
    tags: list[tuple[int, int]] = []
    for kind, _flags, at, _address, _phys, length, _memory, _align in segments:
        if kind == _PT_INTERP:
            interpreter = _string(data, at)
        elif kind == _PT_DYNAMIC:
            tags = [(tag, value) for tag, value in _TAG.iter_unpack(data[at : at + length])]
    if (_DT_NULL, 0) in tags:
        tags = tags[: tags.index((_DT_NULL, 0))]
    strings = next((value for tag, value in tags if tag == _DT_STRTAB), None)
    if strings is None:
        return Dynamic(interpreter, (), ())
    base = next(at + strings - address for address, at, length in loads if address <= strings < address + length)
    texts = {kind: [_string(data, base + value) for tag, value in tags if tag == kind] for kind in (_DT_NEEDED, _DT_RPATH, _DT_RUNPATH)}
    search = ":".join([*texts[_DT_RUNPATH], *texts[_DT_RPATH]])
    return Dynamic(interpreter, tuple(texts[_DT_NEEDED]), tuple(folder for folder in search.split(":") if folder))


def _string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode(errors="surrogateescape")


def _locate(name: str, wanted_by: Path, own: tuple[str, ...], folders: tuple[str, ...]) -> Path:
    """The file of a library, in the order in which loaders look."""
    if "/" in name:
        return Path(name)
    for folder in (*own, *folders):
        candidate = Path(folder) / name
        if candidate.is_file():
            return candidate
    raise HostShort(f"{wanted_by} needs the library {name}, which is not on this machine", hint="reinstall the package of that program")


def _configured_folders(conf: Path) -> tuple[str, ...]:
    """The folders of ld.so.conf and what it includes, then the fixed ones."""
    found: list[str] = []
    pending = [conf]
    while pending:
        path = pending.pop(0)
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.partition("#")[0].split()
            if len(words) == 2 and words[0] == "include":
                pending += sorted(Path("/").glob(words[1].lstrip("/")))
            elif words:
                found.append(words[0])
    return tuple(dict.fromkeys([*found, *_DEFAULT_FOLDERS]))
