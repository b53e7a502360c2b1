"""A text in the person's own editor."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping

from volant.proto.errors import Failed, Usage
from volant.tui.processes import foreground

MAX_BYTES = 1 << 20
"""Of what comes back: more than anybody writes by hand."""


def command(environ: Mapping[str, str]) -> list[str]:
    """The editor's words: VISUAL, EDITOR, else vi. Usage when they can't be read."""
    chosen = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(chosen)
    except ValueError as error:
        raise Usage(f"the editor {chosen!r} can't be run: {error}", hint="set EDITOR to a program, such as: nano") from None
    if not words:
        raise Usage("EDITOR is blank", hint="set EDITOR to a program, such as: nano")
    return words


async def edited(text: str, environ: Mapping[str, str]) -> str:
    """What `text` is when the editor has ended. Usage when there is no such editor, Failed when it says that it failed."""
    words = command(environ)
    # Configurations hold secrets: nobody else may read the file, and it goes with the block.
    with tempfile.TemporaryDirectory(prefix="volant-") as folder:
        path = os.path.join(folder, "config.yaml")
        _write(path, text)
        try:
            code = await foreground((*words, path))
        except OSError as error:
            raise Usage(f"the editor {words[0]!r} can't be run: {error.strerror}", hint="set EDITOR to a program, such as: nano") from None
        if code:
            raise Failed(f"the editor ended with {code}, so nothing was changed", hint="leave it without an error to go on")
        return _read(path)


def _write(path: str, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _read(path: str) -> str:
    try:
        with open(path, "rb") as written:
            found = written.read(MAX_BYTES + 1)
    except OSError as error:
        raise Failed(f"what was written can't be read: {error.strerror}", hint="nothing was changed") from None
    if len(found) > MAX_BYTES:
        raise Failed("what was written is longer than a MiB", hint="nothing was changed")
    return found.decode(errors="replace")
