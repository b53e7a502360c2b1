"""`python -m volant.fledge`: boot media from folders, archives and this interpreter."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from volant.fledge import agentimage, kernels
from volant.fledge.cpio import Writer
from volant.fledge.filesystems import Format, make_image
from volant.fledge.output import replacing
from volant.fledge.trees import write_folder
from volant.proto.errors import ExitCode, Fault

SOURCE = Path(__file__).resolve().parents[2]
"""The folder that holds the package `volant`."""


def agent_image(asked: argparse.Namespace) -> None:
    """Build the agent's initramfs."""
    with replacing(asked.output) as draft, draft.open("wb") as file:
        writer = Writer(file)
        agentimage.write_image(writer, asked.kernel_modules, SOURCE, workload=asked.workload)
        writer.close()


def initramfs(asked: argparse.Namespace) -> None:
    """Pack a folder as an initramfs."""
    with replacing(asked.output) as draft, draft.open("wb") as file:
        writer = Writer(file)
        write_folder(asked.root, writer)
        writer.close()


def rootfs(asked: argparse.Namespace) -> None:
    """Pack a folder as a disk image."""
    with replacing(asked.output) as draft:
        make_image(asked.root, draft, asked.format)


def kernel(asked: argparse.Namespace) -> None:
    """Fetch Debian's cloud kernel."""
    folder = kernels.install(asked.state_dir, lambda text: print(text, file=sys.stderr), package=asked.package)
    print(folder)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m volant.fledge", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="VERB")
    add = verbs.add_parser("agent-image", help="the agent's initramfs for one kernel")
    add.add_argument("--kernel-modules", type=Path, required=True, metavar="DIR", help="the kernel's lib/modules/<release>")
    add.add_argument("--output", type=Path, required=True, metavar="FILE")
    add.add_argument("--workload", type=Path, metavar="CPIO", help="an initramfs whose tree goes below /workload")
    add.set_defaults(run=agent_image)
    add = verbs.add_parser("initramfs", help="a folder as a cpio archive")
    add.add_argument("--root", type=Path, required=True, metavar="DIR")
    add.add_argument("--output", type=Path, required=True, metavar="FILE")
    add.set_defaults(run=initramfs)
    add = verbs.add_parser("rootfs", help="a folder as a disk image")
    add.add_argument("--root", type=Path, required=True, metavar="DIR")
    add.add_argument("--output", type=Path, required=True, metavar="FILE")
    add.add_argument("--format", type=Format, choices=list(Format), default=Format.SQUASHFS)
    add.set_defaults(run=rootfs)
    add = verbs.add_parser("kernel", help="fetch Debian's cloud kernel into a state folder")
    add.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    add.add_argument("--package", type=Path, metavar="DEB", help="take it from this file instead of asking apt")
    add.set_defaults(run=kernel)
    return top


def main() -> int:
    """Run the command line; the exit code."""
    asked = parser().parse_args()
    started = time.monotonic()
    try:
        asked.run(asked)
    except Fault as fault:
        print(f"error: {fault.message}", file=sys.stderr)
        if fault.hint:
            print(f"hint: {fault.hint}", file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return 130
    if output := getattr(asked, "output", None):
        print(f"{output}: {os.stat(output).st_size} bytes in {time.monotonic() - started:.2f} s", file=sys.stderr)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
