"""`volant run` as a process, above a daemon of the test."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.orchestra import Orchestra
from tests.patience import wait_until
from tests.rig import VOLANT
from volant.proto.api.vm import VmView
from volant.proto.errors import NoSuchVm
from volant.proto.specs.states import VmState


class Running:
    """One `volant run` with its output in files."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        await wait_until(lambda: self.process.poll() is not None)
        return self.process.returncode


@asynccontextmanager
async def run(house: Orchestra, *words: str, stdout: Any = None, **environ: str) -> AsyncIterator[Running]:
    """`volant run` while the block runs, then killed."""
    with tempfile.TemporaryDirectory(dir=house.root) as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [*VOLANT, "run", *words],
                stdin=subprocess.DEVNULL,
                stdout=out_file if stdout is None else stdout,
                stderr=err_file,
                env={**os.environ, "VOLANT_SOCKET": str(house.config.socket), **environ},
            )
        try:
            yield Running(process, out, err)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def vm(house: Orchestra, name: str = "web") -> VmView | None:
    try:
        return house.app.vms.get(name)
    except NoSuchVm:
        return None


async def ready(house: Orchestra, *, boot: int = 1, token: int = 1) -> None:
    """The VM is ready, and held under this token."""

    def holds() -> bool:
        found = vm(house)
        held = found.lease if found else None
        return bool(found and found.status is VmState.READY and found.boot == boot and held and held.connected and held.token == token)

    await wait_until(holds)
