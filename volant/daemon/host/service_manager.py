"""Talking to the service manager that started us (sd_notify(3)): ready, status, stopping, and the watchdog."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

import trio

_SEND_SECONDS = 1.0
"""How long a message may take: the manager's queue is rarely full, and the loop stands still meanwhile."""

_log = logging.getLogger("volant")


class ServiceManager:
    """The manager behind one datagram socket, or none: then nothing is said."""

    def __init__(self, address: str = "", *, watchdog_s: float = 0.0) -> None:
        """`address`: a path, or `@` and an abstract name. `watchdog_s`: how long it waits for a sign of life; 0 for ever."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def take_over(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """The manager that the environment names. Its variables are removed, so that children don't speak for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        usec, meant_for = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(os.getpid()))
        watched = usec.isdecimal() and meant_for == str(os.getpid())
        return cls(address if address.startswith(("/", "@")) else "", watchdog_s=int(usec) / 1_000_000 if watched else 0.0)

    @property
    def listens(self) -> bool:
        return bool(self._address)

    def tell(self, **fields: str) -> None:
        """Send assignments: `tell(READY="1", STATUS="...")`. A manager that can't be reached is no reason to end."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.connect(self._address)
                sender.send(message.encode())
        except OSError as error:
            _log.warning("the service manager was not told %s: %s", "+".join(fields), error)

    async def feed_watchdog(self) -> None:
        """A sign of life twice in each of its periods, for as long as the loop gets to run tasks; returns when there is no watchdog."""
        while self.listens and self.watchdog_s > 0:
            self.tell(WATCHDOG="1")
            await trio.sleep(self.watchdog_s / 2)
