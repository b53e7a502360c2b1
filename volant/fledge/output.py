"""Results that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from volant.proto.errors import HostShort


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; it becomes `target` when the body succeeds, and is gone when it doesn't.

    HostShort when the folder can't be written or the disk is full.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise HostShort(f"{target.parent} can't be written: {error.strerror}", hint="choose another folder for the output") from error
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)
        draft.replace(target)
    except OSError as error:
        raise HostShort(f"{target} can't be written: {error.strerror}", hint="free some space, or choose another place") from error
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
