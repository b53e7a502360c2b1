"""A daemon's socket with one VM whose guest echoes, and prints as fast as it is read: python -m benchmarks._console_host SOCKET

A typed `F` prints FLOOD bytes of a boot's messages, then a line with END.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

from benchmarks._tui_host import vm
from tests.fakes.rpc_server import Served, serving
from volant.proto.connection import MAX_DATA

FLOOD = 24_000_000
END = b"end of the flood"
_BOOT = Path(__file__).parents[1] / "tests/tui/vt/sessions/boot.gz"


def main(socket: str) -> None:
    boot = gzip.decompress(_BOOT.read_bytes())
    flood = boot * (MAX_DATA // len(boot))

    def watch(call: Served) -> Any:
        call.item({"items": [vm(0)], "gone": [], "seq": 1, "complete": True})
        call.wait_over()
        return {}

    def follow(call: Served) -> Any:
        call.wait_over()
        return {}

    def console(call: Served) -> Any:
        if call.params.get("from_offset") is not None:
            call.item({"offset": 0, "writer": "you" if call.params.get("write") else ""})
        call.write(b"ready\r\n$ ")
        while typed := call.read():
            before, wanted, _ = typed.partition(b"F")
            call.write(before.replace(b"\r", b"\r\n$ "))
            if wanted:
                for _ in range(FLOOD // len(flood)):
                    call.write(flood)
                call.write(b"\r\n" + END + b"\r\n$ ")
        return {}

    answers = {"vm.watch": watch, "event.follow": follow, "vm.console": console, "vm.console_resize": lambda call: {"name": ""}}
    with serving(Path(socket), answers):
        print("listening", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
