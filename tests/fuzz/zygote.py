"""The `volant` command again and again without its start: `python -m tests.fuzz.zygote`, a line of JSON each way.

A line `[arguments, seconds]` in; `[exit code, stdout, stderr]` out, where the code is null when the command had to be killed.
Each command runs in a fork of its own, as a process does that was started for it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from volant.client.cli import commands, main

CRASHED = 70
"""Exit code of a command that raised; EX_SOFTWARE of sysexits.h, which `volant` never uses."""


def run(argv: list[str], patience_s: float) -> list[Any]:
    """One command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            become(argv, out.fileno(), err.fileno())
        pidfd = os.pidfd_open(pid)
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        in_time = bool(poller.poll(patience_s * 1_000))
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        texts = [os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace") for file in (out, err)]
    return [os.waitstatus_to_exitcode(status) if in_time else None, *texts]


def become(argv: list[str], out: int, err: int) -> None:
    """The command, in the fork."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, number)
    sys.argv = ["volant", *argv]
    try:
        main.entry()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(CRASHED)


if __name__ == "__main__":
    for module in sorted(Path(commands.__file__).parent.glob("*.py")):
        import_module(f"volant.client.cli.commands.{module.stem}")
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)
