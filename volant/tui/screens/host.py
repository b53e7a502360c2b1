"""The host: what the daemon is and has, what the VMs cost, and whether the ledger agrees with the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.figures import bar, sparkline
from volant.tui.lines import Line, clipped, wrapped
from volant.tui.model import Delta
from volant.tui.readings import EVERY_MS, Readings
from volant.tui.screens.base import Screen
from volant.tui.screens.reader import Reader

if TYPE_CHECKING:
    from volant.tui.desk import Desk

LABEL = 14
"""Columns of a fact's name."""
WORDS = 32
"""Columns of a figure's words, where its history stands behind them."""
MIB = 1 << 20
SHOWN_ENTRIES = 200
"""Entries of the ledger that are wrong and listed here; `volant ledger --check --wrong` has all."""


class HostScreen(Screen):
    """What is asked once is asked again when the connection came back; the figures are pushed while one looks."""

    contexts = ("host", "text")
    hints = ("host.check", "last")
    title = "host"

    def __init__(self) -> None:
        self._info: Any = None
        self._ledger: Any = None
        self._checked_at = 0.0
        self._readings = Readings()
        self._tag = 0
        self._live = False
        self._reader: Reader[Line] = Reader(follow=False)

    # ---------------------------------------------------------------------------------------------------------------- news

    def shown(self, desk: Desk) -> None:
        self._live = False
        self.refreshed(desk, Delta())

    def hidden(self, desk: Desk) -> None:
        if self._tag:
            desk.pending.forget(self._tag)
        self._tag = 0

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        came_back = desk.screen is self and desk.snapshot.is_live and not self._live
        self._live = desk.snapshot.is_live
        if not came_back:
            return
        self._ask(desk)
        if not self._tag:
            self._readings = Readings()
            self._tag = desk.pending.follow("vm.stats_watch", {"every_ms": EVERY_MS}, lambda items: self._read(desk, items), self._over)

    def _ask(self, desk: Desk) -> None:
        def informed(result: Any) -> None:
            self._info = result

        def compared(result: Any) -> None:
            self._ledger, self._checked_at = result, desk.clock()

        self._ledger = None
        desk.pending.call("system.info", {}, informed)
        desk.pending.call("system.ledger", {"check": True}, compared)

    def _read(self, desk: Desk, items: list[Any]) -> None:
        for item in items:
            self._readings.take(item)

    def _over(self, result: Any) -> None:
        self._tag = 0

    # --------------------------------------------------------------------------------------------------------------- looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        if isinstance(self._info, Fault):
            return [((f"  {harmless(self._info.message)}", "bad"),), ((f"  {harmless(self._info.hint)}", "dim"),)]
        if self._info is None:
            return [(("  asking ..." if desk.snapshot.is_live else "  not connected", "dim"),)]
        lines = [*self._resources(desk, width), (), *self._checks(desk, width), (), *self._facts(desk, width)]
        self._reader.replace(lines)
        return self._reader.view(height)

    def _resources(self, desk: Desk, width: int) -> list[Line]:
        info, total = self._info, self._readings.total
        now = total[-1] if total else None
        cpus = info["host_cpus"]
        taken = info["host_memory_mib"] - info["host_memory_available_mib"]
        asked = sum(int(vm.get("memory_mb") or 0) for vm in desk.snapshot.vms.values() if vm["status"] in ("running", "ready", "paused"))
        history = max(0, width - LABEL - _bar_width(width) - WORDS - 2)
        lines: list[Line] = [(("resources", "header"),)]
        percent = now.cpu_percent if now is not None else 0.0
        cpu = f"{percent:.0f}% of {cpus * 100}% by VMs" if now is not None else "measuring ..."
        spark = sparkline([each.cpu_percent for each in total], history, cpus * 100, desk.glyphs)
        lines.append(self._figure(desk, width, "CPU", (percent, cpus * 100), cpu, spark))
        resident = now.memory_bytes / MIB if now is not None else 0.0
        words = f"{human.mebibytes(round(resident))} resident, {human.mebibytes(asked)} promised"
        used = [each.memory_bytes / MIB for each in total]
        spark = sparkline(used, history, max(used, default=0.0) * 1.25, desk.glyphs)
        lines.append(self._figure(desk, width, "VMs' memory", (resident, info["host_memory_mib"]), words, spark))
        words = f"{human.mebibytes(taken)} of {human.mebibytes(info['host_memory_mib'])} taken"
        lines.append(self._figure(desk, width, "host memory", (taken, info["host_memory_mib"]), words))
        network = info["network"]
        if network["capacity"]:
            words = f"{network['leases']} of {network['capacity']} taken"
            lines.append(self._figure(desk, width, "addresses", (network["leases"], network["capacity"]), words))
        return [clipped(line, width) for line in lines]

    def _figure(self, desk: Desk, width: int, name: str, share: tuple[float, float], words: str, history: str = "") -> Line:
        part, whole = share
        line: Line = (
            (f"{name:<{LABEL}}", "label"),
            (bar(part, whole, _bar_width(width), desk.glyphs), "warm" if whole and part / whole > 0.9 else "good"),
        )
        return (*line, (f" {words:<{WORDS}} ", ""), (history, "cool")) if history else (*line, (f" {words}", ""))

    def _checks(self, desk: Desk, width: int) -> list[Line]:
        """What `ledger --check` tells, and what keeps VMs from running."""
        from volant.client.cli.commands.ledger import summary

        lines: list[Line] = [(("checks", "header"),)]
        for one in self._info["hypervisors"]:
            style = "good" if one["accel"] == "kvm" else "bad" if not one["version"] else "warm"
            told = f"{one['accel'] or 'unknown'}: {one['accel_reason']}" if one["accel_reason"] else one["accel"] or "not probed yet"
            lines += _told("acceleration", told, style, width)
        kernel = self._info["kernel"]
        lines += _told("kernel", kernel or "none set up", "" if kernel else "bad", width)
        ledger = self._ledger
        if ledger is None:
            return [*lines, *_told("ledger", "comparing with the host ...", "dim", width)]
        if isinstance(ledger, Fault):
            return [*lines, *_told("ledger", harmless(ledger.message), "bad", width)]
        age = human.duration(max(0, round(desk.clock() - self._checked_at)))
        said = summary(ledger["total"], ledger["wrong"], checked=ledger["checked"])
        lines += _told("ledger", f"{said} ({age} ago)", "bad" if ledger["wrong"] else "good", width)
        wrong = [entry for entry in ledger["items"] if entry["standing"] not in (None, "ok")]
        for entry in wrong[:SHOWN_ENTRIES]:
            words = f"{entry['standing']}: {entry['kind']} {entry['name']}" + (f" of {entry['vm']}" if entry["vm"] else "")
            lines += _told("", f"{words}; {entry['detail']}" if entry["detail"] else words, "bad", width)
        return lines

    def _facts(self, desk: Desk, width: int) -> list[Line]:
        from volant.client.cli.commands.system import facts

        lines: list[Line] = [(("daemon", "header"),)]
        for name, value in facts(self._info, now=desk.wall()):
            lines += _told(name.removeprefix("hypervisor "), value, "", width)
        return lines

    def status(self, desk: Desk) -> list[str]:
        return [self._reader.place]

    def command(self, desk: Desk) -> str:
        return "volant system info; volant ledger --check"

    def next_change_s(self, desk: Desk) -> float | None:
        """When the age of the last check gets another figure."""
        age = desk.clock() - self._checked_at
        return None if self._ledger is None else 1.0 if age < 120 else 60 - age % 60

    # ---------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        if action == "host.check":
            if desk.snapshot.is_live:
                self._ask(desk)
            else:
                desk.say("not connected")
            return True
        return self._reader.act(action)


def _bar_width(width: int) -> int:
    return 20 if width >= 80 else 8


def _told(name: str, value: str, style: str, width: int) -> list[Line]:
    """A fact, over several lines where it is long."""
    pieces = wrapped(harmless(value), max(8, width - LABEL))
    first: Line = ((f"{name[: LABEL - 1]:<{LABEL}}", "label"), (pieces[0], style))
    return [clipped(line, width) for line in (first, *(((" " * LABEL, ""), (piece, style)) for piece in pieces[1:]))]
