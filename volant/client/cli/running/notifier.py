"""Telling the service manager that started us (sd_notify(3)) how the VM is."""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from contextlib import suppress


class Notifier:
    """The manager behind NOTIFY_SOCKET, or none: then nothing is said."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, **fields: str) -> None:
        """Send assignments, as in `tell(READY="1")`. A manager that can't be reached, or is busy, is no reason to end."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(self._address)
            sender.send("\n".join(f"{name}={value}" for name, value in fields.items()).encode())
