"""A desk without a terminal: a clock that tests turn, VMs that they invent, and keys typed as people write them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from volant.proto.errors import Fault
from volant.tui import effects
from volant.tui.desk import Desk
from volant.tui.glyphs import Glyphs
from volant.tui.keys.router import Remaps, Router
from volant.tui.lines import columns_of, text_of
from volant.tui.model import Changed, Connected, Connecting, Lost

WALL = 1_769_860_800.0  # 2026-01-31T12:00:00Z

_UP, _ENDED = ("starting", "running", "ready", "paused", "stopping"), ("stopped", "crashed", "failed")


def vm(number: int, name: str = "", *, status: str = "ready", **fields: Any) -> dict[str, Any]:
    """A record as `vm.watch` sends it. What follows from its state and its age is as the daemon would tell it."""
    made = fields.get("created_at", "2026-01-31T11:00:00.000Z")
    begun, ready = fields.get("started_at", made), status in ("ready", "paused")
    return {
        "id": sha256(b"%d" % number).hexdigest()[:12], "name": name or f"web-{number}",
        "plugin": "hello", "plugin_version": "1.0.0", "runtime": "hello",
        "status": status, "wanted": "stopped" if status == "stopped" else "running", "generation": 1, "wanted_generation": 1, "boot": 1,
        "cpu_cores": 1, "memory_mb": 256,
        "network": "bridged", "ip": f"192.168.127.{number + 1}", "mac": "", "forwards": [], "hypervisor": "qemu", "accel": "kvm",
        "pid": 4000 + number if status in _UP else 0, "health": "healthy" if ready else "unknown", "reason": "", "error": None,
        "labels": {}, "created_at": made, "started_at": begun, "ready_at": begun if ready else "",
        "stopped_at": "2026-01-31T11:30:00.000Z" if status in _ENDED else "", "ready_ms": 812 if ready else 0,
        "config_version": 1, "pending_changes": [], "deployment": "", "revision": 0, "restarts": 0, **fields,
    }  # fmt: skip


def event(seq: int, kind: str, about: dict[str, Any], message: str = "") -> dict[str, Any]:
    return {
        "seq": seq, "time": f"2026-01-31T11:59:{seq % 60:02}.000Z", "kind": kind, "vm": about["name"], "vm_id": about["id"],
        "message": message, "data": {}, "deployment": "",
    }  # fmt: skip


Kind = type[Any]  # inside Seat the word is a method


class Seat:
    """A desk, and the person at it."""

    def __init__(self, *vms: dict[str, Any], remaps: Remaps | None = None, live: bool = True, ascii: bool = False) -> None:
        self.now = 1_000.0
        self.follows: list[effects.Follow] = []
        """Streams that were opened, for tests that feed them."""
        self.glance = 0
        """The call of a console, for tests that feed it."""
        self.desk = Desk(
            place="/run/volant/volantd.sock",
            context="local",
            router=Router(remaps),
            glyphs=Glyphs(ascii=ascii),
            clock=lambda: self.now,
            wall=lambda: WALL + self.now - 1_000,
        )
        self.desk.heard(Connecting(self.now))
        if live:
            self.connect(*vms)

    def connect(self, *vms: dict[str, Any], seq: int = 7) -> None:
        """The daemon answers, and has these VMs."""
        self.desk.heard(Connected(self.now, "0.1.0"))
        self.desk.heard(Changed(vms, (), seq, complete=True))
        (follow,) = [each for each in self.desk.effects if isinstance(each, effects.Follow) and each.method == "system.watch"]
        self.desk.effects.remove(follow)
        self.figures = follow.tag

    def busy(self, percent: int, *, used_mib: int = 12_700, **deployments: int) -> None:
        """The daemon tells how busy the host is."""
        told = {"cpu_percent": percent, "memory_mib": 65_536, "memory_available_mib": 65_536 - used_mib, "deployments": deployments}
        self.desk.streamed(self.figures, [told])

    def change(self, *vms: dict[str, Any], gone: Iterable[str] = ()) -> None:
        self.desk.heard(Changed(vms, tuple(gone), 8, complete=True))

    def lose(self, reason: str = "the daemon closed the connection") -> None:
        self.desk.heard(Lost(self.now, reason, "start volantd", self.now + 3))

    def type(self, keys: str) -> None:
        """Keys apart by blanks; a word in quotes is typed letter by letter."""
        for word in keys.split(" "):
            if word.startswith("'"):
                for char in word.strip("'"):
                    self.desk.key("space" if char == "_" else char)
            elif word:
                self.desk.key(word)

    def screen(self, width: int = 80, height: int = 24) -> str:
        """What is seen, as text; each line is as wide as it has to be."""
        lines = self.desk.frame(width, height)
        assert [columns_of(line) for line in lines] == [width] * height
        return "\n".join(text_of(line).rstrip() for line in lines)

    def asked(self) -> list[tuple[str, Any]]:
        """Calls that were asked for since the last time: method and name or parameters."""
        found: list[tuple[str, Any]] = []
        for effect in self.desk.effects:
            if isinstance(effect, effects.Call):
                found.append((effect.method, effect.params.get("name", effect.params)))
        self.calls = [effect for effect in self.desk.effects if isinstance(effect, effects.Call)]
        self.desk.effects.clear()
        return found

    def answer(self, *results: Any) -> None:
        """Answer the calls that `asked` told, in their order."""
        for call, result in zip(self.calls, results, strict=True):
            self.desk.answered(call.tag, result)

    def effects(self, kind: Kind) -> list[Any]:
        """Effects of one kind that wait, taken out."""
        found = [effect for effect in self.desk.effects if isinstance(effect, kind)]
        self.desk.effects[:] = [effect for effect in self.desk.effects if not isinstance(effect, kind)]
        return found


def fault(message: str, hint: str = "") -> Fault:
    return Fault(message, hint=hint)
