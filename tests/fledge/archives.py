"""Archives in memory."""

from __future__ import annotations

import io
from collections.abc import Callable

from volant.fledge.cpio import Entry, Writer


def written(write: Callable[[Writer], object]) -> bytes:
    """The archive into which `write` writes."""
    out = io.BytesIO()
    writer = Writer(out)
    write(writer)
    writer.close()
    return out.getvalue()


def packed(*content: tuple[Entry, bytes]) -> bytes:
    """An archive of these members."""

    def write(writer: Writer) -> None:
        for entry, data in content:
            writer.add(entry, data)

    return written(write)
