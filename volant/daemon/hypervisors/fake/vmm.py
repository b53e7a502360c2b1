"""A VMM without a guest, as a process of its own: for tests that kill daemon and VMM apart.

    python -m volant.daemon.hypervisors.fake.vmm VM_ID CONTROL CONSOLE AGENT LOG

It holds what a real one holds (the tap, by inheriting it; listening sockets; the console's log) and answers as one: the control socket
in lines, the serial line with an echo, the agent's channel with the agent's protocol. The four numbers are descriptors. One thread, and
no loop but this one: it has to start in milliseconds.

    control, each word a line:  `up` when connected; `pause` and `resume` are answered with themselves; `ended CAUSE` comes last
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from signal import SIGTERM

from volant.daemon.host.clock import utc_now
from volant.daemon.hypervisors.fake.agent import FakeAgent
from volant.daemon.hypervisors.fake.shell import Shell
from volant.proto.api.guest import GuestStatus
from volant.proto.api.vm import LogLine
from volant.proto.messages import PROTOCOL

READ_BYTES = 65_536

GREETING = "fake kernel: guest is up"


@dataclass
class Port:
    """A listening socket and the one connection that counts: a newer one replaces it."""

    listener: socket.socket
    heed: Callable[[bytes], None]
    greet: Callable[[], None] = lambda: None
    stands_still: bool = True
    """Not read while the guest is paused."""
    connection: socket.socket | None = field(default=None, init=False)

    def say(self, data: bytes) -> None:
        """To whoever is connected; it waits for a slow reader, as a serial line does."""
        if self.connection is not None:
            try:
                self.connection.sendall(data)
            except OSError:
                pass  # they hung up, which reading will find out

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Machine:
    """The guest and its VMM. `run` returns when it has powered off."""

    protocol = PROTOCOL

    def __init__(self, vm_id: str, control: int, console: int, agent: int, log: int) -> None:
        self.status = GuestStatus(phase="ready", health="healthy", boot_id=f"{vm_id}-{os.getpid()}")
        self.logs = [LogLine(1, utc_now(), "stdout", "workload started")]
        self._log = log
        self._ordered = b""
        self._ending = ""
        self._paused = False
        self._selector = selectors.DefaultSelector()
        self._control = Port(_listening(control), self._order, lambda: self._control.say(b"up\n"), stands_still=False)
        self._console = Port(_listening(console), Shell(self.power_off, self.print).type)
        self._agent = Port(_listening(agent), lambda data: self._speaker.take(data), self._new_agent)
        self._speaker = FakeAgent(self, self._agent.say)
        self._ports = (self._control, self._console, self._agent)

    def run(self) -> None:
        for port in self._ports:
            self._selector.register(port.listener, selectors.EVENT_READ, port)
        self.print(GREETING)
        self.print("kestrel: ready")
        while not self._ending:
            for key, _ in self._selector.select():
                self._attend(key.data, key.fileobj)
        self._control.say(f"ended {self._ending}\n".encode())
        for port in self._ports:
            port.close()

    def end_workload(self) -> None:
        """The workload is asked to end, and does."""
        self.status = replace(self.status, phase="exited", health="unknown", exit_code=128 + SIGTERM, signal=SIGTERM)
        self._speaker.tell_status()

    def power_off(self, *, reboot: bool = False) -> None:
        """The guest ends itself."""
        self.print("reboot: " + ("Restarting system" if reboot else "Power down"))
        self._ending = "guest-reset" if reboot else "guest-shutdown"

    def print(self, line: str) -> None:
        """On the serial line: into the log first, then to whoever is connected."""
        data = line.encode() + b"\r\n"
        os.write(self._log, data)
        self._console.say(data)

    def _attend(self, port: Port, ready: object) -> None:
        if ready is port.listener:
            self._accept(port)
        elif port.connection is not None and ready is port.connection:  # not one that was replaced a moment ago
            self._read(port, port.connection)

    def _accept(self, port: Port) -> None:
        if port.connection is not None:
            self._hang_up(port)
        port.connection, _ = port.listener.accept()
        if not (self._paused and port.stands_still):
            self._watch(port)
        port.greet()

    def _read(self, port: Port, connection: socket.socket) -> None:
        try:
            data = connection.recv(READ_BYTES)
        except OSError:
            data = b""
        if data:
            port.heed(data)
        else:
            self._hang_up(port)

    def _watch(self, port: Port) -> None:
        if port.connection is not None:
            self._selector.register(port.connection, selectors.EVENT_READ, port)

    def _unwatch(self, port: Port) -> None:
        if port.connection is not None and port.connection in self._selector.get_map():
            self._selector.unregister(port.connection)

    def _hang_up(self, port: Port) -> None:
        self._unwatch(port)
        port.close()

    def _new_agent(self) -> None:
        self._speaker = FakeAgent(self, self._agent.say)

    def _order(self, data: bytes) -> None:
        *words, self._ordered = (self._ordered + data).split(b"\n")
        for word in words:
            if word in (b"pause", b"resume"):
                self._pause(word == b"pause")
                self._control.say(word + b"\n")

    def _pause(self, paused: bool) -> None:
        if self._paused is not paused:
            self._paused = paused
            for port in self._ports:
                if port.stands_still:
                    (self._unwatch if paused else self._watch)(port)


def _listening(descriptor: int) -> socket.socket:
    return socket.socket(fileno=descriptor)


if __name__ == "__main__":
    vm, *descriptors = sys.argv[1:]
    Machine(vm, *map(int, descriptors)).run()
