"""`volantd`: read the settings, take the state folder, serve until told to stop. VMs outlive it."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import trio

from volant import __version__
from volant.daemon.config import Config, load
from volant.daemon.host.nurseries import helpers
from volant.daemon.rpc.listener import MAX_PATH_BYTES
from volant.proto.errors import ExitCode, Failed, Fault, InvalidParams, NotAllowed, SocketPathTooLong

GC_THRESHOLDS = (50_000, 20, 20)
"""Collections are rare: a list of 1,000 VMs decodes twice as fast, and the daemon makes few cycles (measured)."""

_LONGEST_VM_SOCKET = "/vms/0123456789ab/console.sock"
"""The longest path of a socket below the runtime folder."""

_HELP = {
    "state_dir": "folder of disks, images, kernels and the database",
    "runtime_dir": "folder of sockets",
    "socket": "path of the daemon's own socket",
    "socket_group": "group that may use the socket",
    "hypervisor": "qemu, or fake for trying things out without any guest",
    "accel": "auto, kvm or tcg",
    "kernel": "kernel that guests boot",
    "network": "mode of VMs that name none: bridged, user, none or vsock",
    "bridge": "name of the bridge",
    "subnet": "the guests' subnet, such as 192.168.127.0/24",
    "boot_timeout_s": "seconds that a guest may take to become ready",
    "boots": "how many guests boot at once; 0: as many as there are CPUs",
    "vmm_user": "user that VMMs run as when the daemon is root",
    "event_keep": "how many events are kept",
    "log_level": "debug, info, warning or error",
}


def entry() -> None:
    """The `volantd` command."""
    sys.exit(main(sys.argv[1:], os.environ))


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the daemon; the exit code."""
    flags = vars(_parser().parse_args(argv))
    try:
        config = load(environ, flags)
        logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
        check_paths(config)
        prepare_folders(config)
        trio.run(_until_signalled, config)
    except Fault as fault:
        print(f"volantd: error: {fault.message}", file=sys.stderr)
        if fault.hint:
            print(f"volantd: hint: {fault.hint}", file=sys.stderr)
        return fault.exit_code
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="volantd", description="The daemon that owns this host's microVMs. Stopping it stops no VM.")
    parser.add_argument("--version", action="version", version=f"volantd {__version__}")
    for item in fields(Config):
        parser.add_argument("--" + item.name.replace("_", "-"), metavar="VALUE", help=f"{_HELP[item.name]} (VOLANT_{item.name.upper()})")
    return parser


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


def _unusable(folder: Path, why: str) -> Failed:
    return Failed(
        f"the folder {folder} can't be made: {why}", hint="run volantd as root, or choose other folders with --state-dir and --runtime-dir"
    )


async def _until_signalled(config: Config) -> None:
    # Imported here: settings that make no sense are answered before half a second of imports.
    from volant.daemon.wiring import Daemon

    daemon = Daemon(config)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with helpers() as nursery:
            await nursery.start(daemon.run)
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            async for number in signals:
                logging.getLogger("volant").info("%s: stopping; the VMs go on", signal.Signals(number).name)
                daemon.stop()
                break
            await daemon.stopped.wait()
