"""A daemon under test: volantd with a saboteur in it, which takes its orders from a descriptor that the process inherits.

    python -m volant.selftest.saboteur --orders FD --boot-id FILE --hypervisor NAME [flags of volantd]

Orders and reports are JSON objects, one a packet:

    -> {"point": "F3", "harm": "enospc", "seconds": 5.0, "vm_id": ""}    strike once there; the next order replaces it
    -> {"watch": true}                                                   report every place that is passed
    <- {"ready": true} | {"armed": "F3"} | {"struck": "F3"} | {"over": "F3"} | {"passed": "F3"}

`over` comes behind the `struck` of a hang, before anything else goes on that the hang held up.

When the other end goes away, everything that this daemon started is killed, and the daemon too.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import trio

from volant.daemon import logs
from volant.daemon import main as volantd
from volant.daemon.config import Config
from volant.daemon.host.faultpoints import FaultPoint, arm
from volant.daemon.host.nurseries import helpers
from volant.daemon.host.processes import BOOT_ID
from volant.daemon.settings import load
from volant.daemon.wiring import Daemon
from volant.selftest.cases import Harm
from volant.selftest.processes import kill_and_wait, kill_inside, vmms

MAX_PACKET = 4_096
"""Longer than any order."""

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
"""From <linux/sched.h> and <linux/mount.h>."""


class Defect(Exception):
    """What the harm `exception` raises: of no class that anybody expects."""


@dataclass(frozen=True, slots=True)
class Order:
    """One harm, to be done once."""

    point: str
    harm: Harm
    seconds: float
    vm_id: str
    """Whose VMM to kill where the place itself does not tell."""


class Saboteur:
    """See `faultpoints.Saboteur`. Strikes in the thread that passes the place."""

    def __init__(self, config: Config, orders: socket.socket) -> None:
        self._config, self._orders = config, orders
        self._order: Order | None = None
        self._watches = False

    async def passed(self, point: FaultPoint, vm_id: str) -> None:
        order = self._due(point)
        if order is None:
            return
        if order.harm is Harm.HANG:
            await trio.sleep(order.seconds)
            self.report("over", point.id)
        else:
            self._strike(order, vm_id)

    def passed_in_thread(self, point: FaultPoint, vm_id: str) -> None:
        order = self._due(point)
        if order is None:
            return
        if order.harm is Harm.HANG:
            time.sleep(order.seconds)
            self.report("over", point.id)
        else:
            self._strike(order, vm_id)

    async def take_orders(self) -> None:
        """Until the other end goes away."""
        while True:
            await trio.lowlevel.wait_readable(self._orders)
            packet = self._orders.recv(MAX_PACKET)
            if not packet:
                kill_inside(os.stat("/proc/self/ns/net").st_ino)
                die()
            order = json.loads(packet)
            if "watch" in order:
                self._watches = order["watch"]
            else:
                harm = next(harm for harm in Harm if harm.id == order["harm"])
                self._order = Order(order["point"], harm, order["seconds"], order["vm_id"])
                self.report("armed", order["point"])

    def report(self, what: str, value: Any) -> None:
        # Of one who reads no more nothing is expected; what matters then comes through the end of the connection.
        with suppress(OSError):
            self._orders.send(json.dumps({what: value}).encode())

    def _due(self, point: FaultPoint) -> Order | None:
        """The order for this place, taken."""
        if self._watches:
            self.report("passed", point.id)
        order = self._order
        if order is None or order.point != point.id:
            return None
        self._order = None
        self.report("struck", point.id)
        return order

    def _strike(self, order: Order, vm_id: str) -> None:
        match order.harm:
            case Harm.KILL_DAEMON | Harm.REBOOT:
                die()
            case Harm.KILL_VMM:
                for pid in vmms(self._config.runtime_dir, vm_id or order.vm_id):
                    kill_and_wait(pid)
            case Harm.EXCEPTION:
                raise Defect(f"made for the fault matrix, at {order.point}")
            case Harm.ENOSPC:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case Harm.EIO:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            case Harm.HANG:
                raise AssertionError("a hang is waited for where it happens")


def die() -> NoReturn:
    """SIGKILL ourselves; nothing that comes after it is done."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(1)


def pretend_boot(file: Path) -> None:
    """Let this process, and nobody else, read the host's boot id from `file`."""
    libc = ctypes.CDLL(None, use_errno=True)
    target = str(BOOT_ID).encode()
    done = (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        or libc.mount(str(file).encode(), target, None, MS_BIND, None)
    )
    if done:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


async def serve(config: Config, orders: socket.socket) -> None:
    """volantd, with the saboteur in it."""
    saboteur = Saboteur(config, orders)
    arm(saboteur)
    daemon = Daemon(config)
    async with helpers() as nursery:
        nursery.start_soon(saboteur.take_orders)
        await nursery.start(daemon.run)
        saboteur.report("ready", True)
        await daemon.stopped.wait()


def main(argv: Sequence[str]) -> None:
    own = argparse.ArgumentParser(allow_abbrev=False)
    own.add_argument("--orders", type=int, required=True)
    own.add_argument("--boot-id", type=Path, required=True)
    own.add_argument("--hypervisor", required=True)
    known, rest = own.parse_known_args(argv)
    pretend_boot(known.boot_id)
    # The host's own config file is for the host's own daemon: its socket, for one, is not ours to take.
    flags = vars(volantd.parser().parse_args(rest)) | {"config": os.devnull}
    config = replace(load({}, flags).config, hypervisor=known.hypervisor)
    logs.set_up(level=config.log_level, format=config.log_format, environ={}, stream=sys.stderr)
    volantd.prepare_folders(config)
    trio.run(serve, config, socket.socket(fileno=known.orders))


if __name__ == "__main__":
    main(sys.argv[1:])
