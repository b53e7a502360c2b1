"""The daemon's log on stderr: lines for people or JSON lines for programs, and the journal's priorities where the journal reads.

Whoever knows it says `extra={"vm": name}` or `extra={"event": kind}`; both stand as fields in JSON lines.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from volant.daemon.host.clock import rfc3339
from volant.daemon.ports import EventHub
from volant.proto.errors import Lagged

FIELDS = ("vm", "event")
"""What a record may carry besides its message."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that could end a line or drive a terminal; a name or a peer's text in a message must not forge lines."""

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog's numbers (sd-daemon(3)): err, warning, info; everything below is debug, 7."""

_FAILURES = ("VM_CRASHED", "VM_FAILED")


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z info volant.rpc: message`, then an exception's trace. The journal has times of its own."""

    def __init__(self, *, with_time: bool) -> None:
        super().__init__()
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        time = f"{_time(record)} " if self._with_time else ""
        line = f"{time}{record.levelname.lower()} {record.name}: {_CONTROL.sub(_escaped, record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One object a line: time (RFC 3339, UTC), level, logger, message; vm, event and trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        found = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        found.update((name, str(getattr(record, name))) for name in FIELDS if getattr(record, name, ""))
        if record.exc_info:
            found["trace"] = self.formatException(record.exc_info)
        return json.dumps(found)


class JournalFormatter(logging.Formatter):
    """Another formatter's lines, each with the priority that journald takes off again: it makes an entry of every line."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in self._inner.format(record).split("\n"))


def set_up(*, level: str, format: str, environ: Mapping[str, str], stream: TextIO) -> None:
    """Log to `stream` from now on, `format` being text or json."""
    in_journal = is_journal(environ, stream)
    formatter = JsonFormatter() if format == "json" else TextFormatter(with_time=not in_journal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JournalFormatter(formatter) if in_journal else formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


async def tell_events(hub: EventHub) -> None:
    """Log what happens to VMs and plugins from now on; a guest's own output is not repeated."""
    log = logging.getLogger("volant.events")
    while True:
        try:
            async with hub.subscribe() as events:
                async for event in events:
                    if event.kind != "VM_LOG":
                        level = logging.WARNING if event.kind in _FAILURES else logging.INFO
                        told = ": ".join(part for part in (event.kind, event.message) if part)
                        log.log(level, "%s", f"VM {event.vm}: {told}" if event.vm else told, extra={"vm": event.vm, "event": event.kind})
        except Lagged as lagged:
            log.warning("%s", lagged.message)


def is_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` is the very socket of the journal that JOURNAL_STREAM names (systemd.exec(5)), and not some redirection."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _time(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
