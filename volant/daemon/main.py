"""`volantd`: read the settings, take the state folder, serve until told to stop. VMs outlive it."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from volant import __version__
from volant.daemon import logs
from volant.daemon.config import SETTINGS, Config
from volant.daemon.host.nurseries import helpers
from volant.daemon.host.service_manager import ServiceManager
from volant.daemon.rpc.listener import MAX_PATH_BYTES, passed_socket
from volant.daemon.settings import CONFIG_VARIABLE, Settings, as_toml, load
from volant.proto.errors import ExitCode, Failed, Fault, InvalidParams, NotAllowed, SocketPathTooLong

if TYPE_CHECKING:
    from volant.daemon.wiring import Daemon

GC_THRESHOLDS = (50_000, 20, 20)
"""Collections are rare: a list of 1,000 VMs decodes twice as fast, and the daemon makes few cycles (measured)."""

_LONGEST_VM_SOCKET = "/vms/0123456789ab/console.sock"
"""The longest path of a socket below the runtime folder."""

MAX_DESCRIPTORS = 65_536
"""Descriptors to ask for where the host allows them, as the systemd unit does: some ten for each VM, one for each client. Many hosts
give 1,024 unasked, which a thousand followers of events use up."""

STATUS_EVERY_S = 5.0
"""How often the service manager is told a new status: `systemctl status` is read by people."""


def entry() -> None:
    """The `volantd` command."""
    sys.exit(main(sys.argv[1:], os.environ))


def main(argv: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Run the daemon; the exit code. What a service manager left in `environ` is taken out of it."""
    flags = vars(parser().parse_args(argv))
    try:
        settings = load(environ, flags)
        if flags["print_config"]:
            print(as_toml(settings), end="")
            for warning in settings.warnings:
                print(f"volantd: warning: {warning}", file=sys.stderr)
            return ExitCode.OK
        _serve(settings, environ)
    except Fault as fault:
        print(f"volantd: error: {fault.message}", file=sys.stderr)
        if fault.hint:
            print(f"volantd: hint: {fault.hint}", file=sys.stderr)
        return fault.exit_code
    return ExitCode.OK


def _serve(settings: Settings, environ: MutableMapping[str, str]) -> None:
    config = settings.config
    logs.set_up(level=config.log_level, format=config.log_format, environ=environ, stream=sys.stderr)
    for warning in settings.warnings:
        logging.getLogger("volant").warning("%s", warning)
    manager = ServiceManager.take_over(environ)
    passed = passed_socket(environ)
    if passed is not None:
        config = replace(config, socket=Path(passed.getsockname()))
    check_paths(config)
    prepare_folders(config)
    allow_descriptors()
    trio.run(_until_signalled, config, passed, manager)


def parser() -> argparse.ArgumentParser:
    """The command line; flags are None where not given, so that `load` can tell."""
    made = argparse.ArgumentParser(
        prog="volantd",
        description="The daemon that owns this host's microVMs. Stopping it stops no VM.",
        epilog="Each setting may stand in the config file too. Flags outrank variables, and those the file.",
    )
    made.add_argument("--version", action="version", version=f"volantd {__version__}")
    made.add_argument("--print-config", action="store_true", help="show the settings in force, and where each comes from; then exit")
    made.add_argument("--config", metavar="PATH", help=f"the config file, in TOML ({CONFIG_VARIABLE})")
    for setting in SETTINGS.values():
        metavar = setting.kind.shown.upper() if " " not in setting.kind.shown else "VALUE"
        choices = f"; {setting.kind.shown}" if metavar == "VALUE" else ""
        made.add_argument(setting.flag, metavar=metavar, help=f"{setting.help}{choices} ({setting.variable})")
    return made


def check_paths(config: Config) -> None:
    """Refuse paths whose sockets could not be made, before anything is."""
    if len(os.fsencode(config.socket)) > MAX_PATH_BYTES:
        raise SocketPathTooLong(str(config.socket))
    length, most = len(os.fsencode(config.runtime_dir)), MAX_PATH_BYTES - len(_LONGEST_VM_SOCKET)
    if length > most:
        raise InvalidParams(
            f"the runtime folder {config.runtime_dir} has {length} bytes; more than {most} leave no room for the VMs' sockets in it",
            hint="choose a shorter --runtime-dir",
        )


def prepare_folders(config: Config) -> None:
    """Make state and runtime folder; refuse a runtime folder that somebody else could have laid there."""
    for folder, mode in ((config.state_dir, 0o711), (config.runtime_dir, 0o755 if os.geteuid() == 0 else 0o700)):
        try:
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(folder, error.strerror or str(error)) from None
    found = config.runtime_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise NotAllowed(
            f"{config.runtime_dir} is not a folder of uid {os.geteuid()} that nobody else can write",
            hint="remove it, or choose another with --runtime-dir",
        )


def allow_descriptors() -> None:
    """Raise this process's limit of open files as far as it may, up to MAX_DESCRIPTORS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(MAX_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _unusable(folder: Path, why: str) -> Failed:
    return Failed(
        f"the folder {folder} can't be made: {why}", hint="run volantd as root, or choose other folders with --state-dir and --runtime-dir"
    )


def load_daemon() -> type[Daemon]:
    """Import the daemon, which settings that make no sense need not wait for. What was loaded by then is left out of every collection of
    garbage, and these are rare from now on: taking hundreds of VMs over makes much that stays and nothing to collect."""
    gc.set_threshold(*GC_THRESHOLDS)
    from volant.daemon.wiring import Daemon

    gc.freeze()
    return Daemon


async def _until_signalled(config: Config, passed: socket.socket | None, manager: ServiceManager) -> None:
    daemon = load_daemon()(config, passed=passed)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with helpers() as nursery:
            nursery.start_soon(manager.feed_watchdog)
            await nursery.start(daemon.run)
            manager.tell(READY="1", STATUS=daemon.status())
            nursery.start_soon(_tell_status, manager, daemon)
            nursery.start_soon(_stop_when_told, signals, manager, daemon)
            await daemon.stopped.wait()


async def _stop_when_told(signals: AsyncIterator[int], manager: ServiceManager, daemon: Daemon) -> None:
    """Until cancelled: a second signal is taken too, for left over it would kill the daemon at its very end."""
    async for number in signals:
        logging.getLogger("volant").info("%s: stopping; the VMs go on", signal.Signals(number).name)
        manager.tell(STOPPING="1", STATUS="stopping; the VMs go on")
        daemon.stop()


async def _tell_status(manager: ServiceManager, daemon: Daemon) -> None:
    told = ""
    while manager.listens and not daemon.stopping:
        if (status := daemon.status()) != told:
            manager.tell(STATUS=status)
            told = status
        await trio.sleep(STATUS_EVERY_S)
