"""A daemon's socket with many VMs that all change, for measuring the terminal UI.

python -m benchmarks._tui_host SOCKET VMS SHARE HERTZ [LINES]

Says on stdout `listening`, then for each round of changes its number and when it was sent (CLOCK_MONOTONIC). A VM's `deployment` is the
round in which it last changed, as `r00042`, so that it can be recognised on the screen. Whoever follows a VM's output gets LINES a second,
each with the time at which it was written.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from tests.fakes.rpc_server import Served, serving
from volant.proto import cbor
from volant.proto.errors import Cancelled
from volant.proto.messages import PACKED, READ_ONLY, Hello

PER_ITEM = 200
"""As the daemon does."""
CHANGING = ("generation", "deployment", "cpu_cores")
"""What is different of a VM after each round: three cells of its line."""
HEADS = {"ids": "id", "names": "name", "statuses": "status"}
"""What stands beside packed records."""
OLD = "2020-01-01T00:00:00.000Z"


def vm(number: int) -> dict[str, Any]:
    """A record as the daemon sends it."""
    return {
        "id": f"{number:012x}", "name": f"web-{number:04}",
        "plugin": "hello", "plugin_version": "1.0.0", "runtime": "hello", "status": "ready",
        "wanted": "running", "generation": 1, "wanted_generation": 1, "boot": 1, "cpu_cores": 1, "memory_mb": 256, "network": "bridged",
        "ip": f"10.77.{number // 250}.{number % 250}", "mac": "02:00:00:00:00:01", "forwards": [], "hypervisor": "qemu", "accel": "kvm",
        "pid": 1000 + number, "health": "healthy", "reason": "", "error": None, "labels": {"env": "prod"},
        "created_at": OLD, "started_at": OLD,
        "ready_at": OLD, "stopped_at": "", "ready_ms": 812, "config_version": 1, "pending_changes": [], "deployment": "r00000",
        "revision": 0, "restart": "no", "autostart": False, "restarts": 0, "next_try_at": "",
    }  # fmt: skip


BURSTS_PER_S = 50
"""How often lines are written, some together, as a pipe from a busy program gives them."""


def flood(call: Served, lines: int, vms: list[dict[str, Any]]) -> Any:
    """So many lines a second, of a hundred characters each, from all VMs in turns. Who reads too slowly holds the writing up, and sees old
    times."""
    begun, written = time.monotonic(), 0
    seqs = [0] * len(vms)
    for burst in range(1, 1_000_000):
        time.sleep(max(0.0, begun + burst / BURSTS_PER_S - time.monotonic()))
        text = f"t={time.monotonic():014.3f} " + "x" * 84
        each = lines // BURSTS_PER_S
        share = min(PER_ITEM, -(-each // len(vms)))
        items = []
        for start in range(written, written + each, share):
            at = start // share % len(vms)
            fresh = [{"seq": seqs[at] + more, "time": OLD, "stream": "stdout", "text": text} for more in range(1, share + 1)]
            seqs[at] += share
            items.append({"id": vms[at]["id"], "name": vms[at]["name"], "boot": 1, "lines": fresh, "ended": ""})
        written += each
        call.items(items)
        if call.over:
            raise Cancelled("the call was cancelled")


def main(socket: str, count: int, share: float, hertz: float, lines: int = 0) -> None:
    vms = [vm(number) for number in range(count)]
    encoded = [cbor.dumps(one) for one in vms]
    """As a daemon has them."""

    def watch(call: Served) -> Any:
        send(call, vms)
        changing = int(count * share)
        for tick in range(1, 100_000):
            if not hertz or not changing:
                call.wait_over()
                return {}
            due = begun + tick / hertz
            time.sleep(max(0.0, due - time.monotonic()))
            # Every tenth VM when a tenth changes, so that some are always on the screen.
            changed = vms[:: max(1, count // changing)]
            for one in changed:
                one["generation"] += 1
                one["deployment"] = f"r{tick:05}"
                one["cpu_cores"] = 1 + (one["cpu_cores"] + 1) % 9
            print(tick, time.monotonic(), flush=True)
            tell(call, changed)
            if call.over:
                raise Cancelled("the call was cancelled")
        return {}

    def send(call: Served, records: list[dict[str, Any]]) -> None:
        for start in range(0, len(records), PER_ITEM):
            page = slice(start, start + PER_ITEM)
            told = {"gone": [], "seq": 1, "complete": start + PER_ITEM >= len(records)}
            if not call.params.get("packed"):
                call.item({"items": records[page], **told})
                continue
            heads = {plural: [one[name] for one in records[page]] for plural, name in HEADS.items()}
            call.item({"items": [], "packed": {**heads, "records": encoded[page]}, **told})

    def tell(call: Served, records: list[dict[str, Any]]) -> None:
        for start in range(0, len(records), PER_ITEM):
            page = records[start : start + PER_ITEM]
            columns = [[one[name] for one in page] for name in CHANGING]
            alike = {"fields": CHANGING, "ids": [one["id"] for one in page], "columns": columns}
            call.item({"items": [], "alike": [alike], "gone": [], "seq": 1, "complete": start + PER_ITEM >= len(records)})

    def follow(call: Served) -> Any:
        call.wait_over()
        return {}

    def figures(call: Served) -> Any:
        call.item({"cpu_percent": 31, "memory_mib": 65_536, "memory_available_mib": 52_000, "deployments": {}})
        return follow(call)

    begun = time.monotonic()
    handlers = {
        "vm.watch": watch, "event.follow": follow, "system.watch": figures, "vm.logs_watch": lambda call: flood(call, lines, vms),
    }  # fmt: skip
    with serving(Path(socket), handlers) as server:
        server.hello = Hello("daemon", "0.0.0-benchmark", features=(READ_ONLY, PACKED))
        print("listening", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), *map(int, sys.argv[5:]))
