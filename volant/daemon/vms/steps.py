"""Telling of a start's steps: those that took long and those that failed, so that `volant explain` can say where the time went."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

import trio

from volant.daemon.vms.book import Book
from volant.daemon.vms.diagnosis import said
from volant.proto.errors import Fault

LONG_MS = 250
"""A step that takes longer is told. On an idle host none does but the first look at the hypervisor and building an image."""


class LaunchStep(StrEnum):
    """What a start is made of, in this order."""

    TURN = "wait for a place among the VMs that boot"
    HYPERVISOR = "look at the hypervisor"
    FILES = "prepare kernel, initramfs and disks"
    NETWORK = "plug into the network"
    VMM = "start the VMM"


@asynccontextmanager
async def told(book: Book, step: LaunchStep) -> AsyncIterator[None]:
    """The body is `step` of the VM's start."""
    began = trio.current_time()
    try:
        yield
    except (Fault, OSError) as error:
        code = error.code if isinstance(error, Fault) else "os"
        await _tell(book, step, began, f"{step} failed: {said(str(error))}", code=code)
        raise
    if (trio.current_time() - began) * 1000 >= LONG_MS:
        await _tell(book, step, began, step.value)


async def _tell(book: Book, step: LaunchStep, began: float, message: str, *, code: str = "") -> None:
    took = {"step": step.name.lower(), "ms": int((trio.current_time() - began) * 1000)}
    await book.tell("VM_STEP", message, **took, **({"code": code} if code else {}))
