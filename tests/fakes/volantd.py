"""volantd with VMMs that are fakes and yet processes, which outlive it: `python -m tests.fakes.volantd [flags of volantd]`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from volant.daemon import logs
from volant.daemon import main as volantd
from volant.daemon.config import Config
from volant.daemon.host.nurseries import helpers
from volant.daemon.hypervisors.fake.processes import FakeProcessHypervisor
from volant.daemon.settings import load

if TYPE_CHECKING:
    from volant.daemon.wiring import Daemon


async def serve(config: Config) -> None:
    """Until SIGTERM."""
    daemon = volantd.load_daemon()(config)
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with helpers() as nursery:
            await nursery.start(daemon.run)
            nursery.start_soon(stop_when_told, signals, daemon)
            await daemon.stopped.wait()


async def stop_when_told(signals: AsyncIterator[int], daemon: Daemon) -> None:
    async for _ in signals:
        daemon.stop()


def main(argv: list[str]) -> None:
    settings = load(os.environ, vars(volantd.parser().parse_args(argv)))
    config = replace(settings.config, hypervisor=FakeProcessHypervisor.name)
    logs.set_up(level=config.log_level, format=config.log_format, environ={}, stream=sys.stderr)
    volantd.prepare_folders(config)
    volantd.allow_descriptors()
    trio.run(serve, config)


if __name__ == "__main__":
    main(sys.argv[1:])
