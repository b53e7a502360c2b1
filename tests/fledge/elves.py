"""Small ELF files made by hand: a kernel module with a `.modinfo`."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

RELEASE = "6.1.0-test"


def module_bytes(*, depends: str = "", release: str = RELEASE, extra: bytes = b"") -> bytes:
    """A relocatable file with the sections `.modinfo` and `.shstrtab`, and no code."""
    info = (
        b"".join(text.encode() + b"\0" for text in (f"depends={depends}", "license=GPL", f"vermagic={release} SMP preempt mod_unload"))
        + extra
    )
    names = b"\0.modinfo\0.shstrtab\0"
    body = info + names
    sections = [
        bytes(64),
        struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, 64, len(info), 0, 0, 1, 0),
        struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, 64 + len(info), len(names), 0, 0, 1, 0),
    ]
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 3, 2)
    return header + body + b"".join(sections)


def module_tree(folder: Path, modules: dict[str, str], *, builtin: tuple[str, ...] = (), packed: bool = False) -> Path:
    """A lib/modules/<release> with these modules (path -> what it depends on); `packed`: gzipped."""
    for path, depends in modules.items():
        data = module_bytes(depends=depends)
        place = folder / "kernel" / (f"{path}.ko.gz" if packed else f"{path}.ko")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(gzip.compress(data) if packed else data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modules.builtin").write_text("".join(f"kernel/{path}.ko\n" for path in builtin))
    return folder
