"""Screens about the host as a whole: deployments, plugins, the host itself, operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.tui.desks import Seat, fault, vm
from volant.tui.effects import Call, Follow

TEMPLATE: dict[str, Any] = {
    "plugin": "hello", "plugin_version": "1.0.0", "cpu_cores": None, "memory_mb": 256, "network": None, "env": {"COLOUR": "blue"},
    "labels": {"env": "prod"}, "kernel": "", "cmdline": "", "boot": "auto", "forwards": [],
}  # fmt: skip


def deployment(name: str, **fields: Any) -> dict[str, Any]:
    """A view as `deployment.list` gives it."""
    return {
        "name": name, "status": "ready", "reason": "", "template": TEMPLATE,
        "replicas": 3, "current": 3, "updated": 3, "ready": 3, "available": 3,
        "revision": 1, "rolling_revision": 1, "paused": False, "max_unavailable": 1, "min_ready_ms": 0, "generation": 1,
        "observed_generation": 1, "created_at": "2026-01-31T10:00:00.000Z", **fields,
    }  # fmt: skip


def revision(number: int, note: str, **template: Any) -> dict[str, Any]:
    """A revision as `deployment.history` gives it."""
    return {
        "revision": number, "template": TEMPLATE | template, "note": note, "created_at": f"2026-01-31T11:{number:02}:00.000Z",
        "author": "uid:0(root)", "origin": "pid 4711 (volant)",
    }  # fmt: skip


ROLLING = deployment(
    "web", status="progressing", reason="2 of 6 replicas are being replaced",
    replicas=6, current=6, ready=4, available=4, updated=4, max_unavailable=2, revision=3, rolling_revision=3,
    template=TEMPLATE | {"plugin_version": "1.1.0"},
)  # fmt: skip
STUCK = deployment(
    "build", status="degraded", reason="build-1 is failed: the kernel panicked; the next try is in 14 s", ready=1, available=1
)
HELD = deployment("api", status="paused", paused=True, revision=8, rolling_revision=7)
REVISIONS = [
    revision(3, "updated", plugin_version="1.1.0"),
    revision(2, "updated", env={"COLOUR": "green"}),
    revision(1, "created"),
]
REPLICAS = [vm(number, f"web-{number}", deployment="web", revision=3 if number < 5 else 2) for number in range(1, 5)] + [
    vm(5, "web-5", deployment="web", status="starting"),
    vm(9, "lone"),
]


def give(seat: Seat, method: str, result: Any) -> None:
    """Answer the calls of this method that wait."""
    waiting = [effect for effect in seat.desk.effects if isinstance(effect, Call) and effect.method == method]
    seat.desk.effects[:] = [effect for effect in seat.desk.effects if effect not in waiting]
    assert waiting, f"{method} was not asked"
    for effect in waiting:
        seat.desk.answered(effect.tag, result)


def tell(seat: Seat, name: str, *items: Any) -> None:
    """Items for the watch of one deployment, which stays open."""
    (watch,) = (each for each in seat.effects(Follow) if each.params.get("name") == name)
    seat.desk.streamed(watch.tag, list(items))
    seat.desk.effects.append(watch)


def deployments(keys: str = "", *views: dict[str, Any]) -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = Seat(*REPLICAS)
        seat.type(": 'deployments' enter")
        listed = list(views) or [ROLLING, STUCK, HELD, deployment("db", template=TEMPLATE | {"plugin": "postgres"})]
        give(seat, "deployment.list", {"items": listed, "total": len(listed), "seq": 7})
        seat.type(keys) if keys else None
        return seat

    return scene


def one(keys: str = "") -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = deployments("G enter")()
        give(seat, "deployment.history", {"items": REVISIONS})
        seat.type(keys) if keys else None
        return seat

    return scene


def undoing() -> Seat:
    seat = deployments("G u")()
    give(seat, "deployment.history", {"items": REVISIONS})
    seat.type("2")
    return seat


def beside() -> Seat:
    """A large terminal: what the newest revision changed has come."""
    seat = deployments("G")()
    seat.screen(140, 30)
    give(seat, "deployment.history", {"items": REVISIONS})
    return seat


def no_deployments() -> Seat:
    seat = Seat()
    seat.type(", d")
    give(seat, "deployment.list", {"items": [], "total": 0, "seq": 7})
    return seat


def plugin(name: str, version: str = "1.0.0", **fields: Any) -> dict[str, Any]:
    """A view as `plugin.list` gives it."""
    manifest = {
        "schema_version": "1", "name": name, "version": version, "rootfs": {"url": f"https://example.org/{name}.img", "format": "squashfs"},
        "resources": {"cpu_cores": 1, "memory_mb": 256},
        "workload": {"type": "http", "entrypoint": ["/bin/serve", "--port", "8000"], "base_url": "http://127.0.0.1:8000"},
        "actions": {"greet": {"method": "GET", "path": "/greet"}},
    }  # fmt: skip
    return {
        "name": name, "version": version, "runtime": name, "enabled": True, "installed_at": "2026-01-29T12:00:00.000Z",
        "manifest": manifest, "artifacts": {"rootfs": "9c1e" * 16}, "warnings": [], **fields,
    }  # fmt: skip


PLUGINS = [plugin("hello"), plugin("hello", "1.1.0"), plugin("postgres", "16.2.0", enabled=False, warnings=["resources.swap is unknown"])]


def plugins(keys: str = "", listed: list[dict[str, Any]] | None = None) -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = Seat(*REPLICAS)
        seat.type(", p")
        give(seat, "plugin.list", {"items": PLUGINS if listed is None else listed, "seq": 7})
        seat.type(keys) if keys else None
        return seat

    return scene


INFO: dict[str, Any] = {
    "version": "0.1.0", "protocol": [1, 1], "pid": 812, "started_at": "2026-01-31T02:00:00.000Z", "hostname": "kestrel", "host_cpus": 4,
    "host_memory_mib": 64_000, "host_memory_available_mib": 51_600, "state_dir": "/var/lib/volant", "runtime_dir": "/run/volant",
    "socket": "/run/volant/volantd.sock", "kernel": "/var/lib/volant/kernels/6.1.0/vmlinuz",
    "hypervisors": [{"name": "qemu", "version": "7.2.22", "binary": "/usr/bin/qemu-system-x86_64", "accel": "kvm",
                     "accel_reason": "the daemon's own kernel booted with it in 0.8 s"}],
    "network": {"default_mode": "bridged", "bridge": "vbr0", "subnet": "192.168.127.0/24", "gateway": "192.168.127.1",
                "leases": 6, "capacity": 253},
    "vms": {"ready": 5, "starting": 1}, "plugins": 3, "event_seq": 7,
}  # fmt: skip


def stats(second: int, *percents: float) -> dict[str, Any]:
    """A reading of `vm.stats_watch`: each of the first VMs of REPLICAS has used this share of a CPU all the time."""
    items = [
        {"id": vm["id"], "name": vm["name"], "boot": 1, "cpu_ns": int(second * percent * 1e7), "memory_bytes": (180 + second) << 20}
        for vm, percent in zip(REPLICAS, percents, strict=False)
    ]
    return {"at_ns": second * 1_000_000_000, "items": items}


def ledger(*wrong: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(wrong), "total": 61, "wrong": len(wrong), "checked": True}


LEFT_OVER = {"kind": "tap", "name": "vol3f2a1c", "vm": "", "vm_id": "", "standing": "unowned", "detail": "ip link delete vol3f2a1c"}


def host(*wrong: dict[str, Any]) -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = Seat(*REPLICAS)
        seat.type(", h")
        give(seat, "system.info", INFO)
        give(seat, "system.ledger", ledger(*wrong))
        (watch,) = seat.effects(Follow)
        for second in range(0, 60, 2):
            seat.desk.streamed(watch.tag, [stats(second, 30 + second, 95, 0.5)])
        seat.now += 5
        return seat

    return scene


def operations() -> Seat:
    seat = Seat(*REPLICAS)
    seat.type("* x S '6' enter")
    stops = [effect for effect in seat.desk.effects if isinstance(effect, Call)]
    for call in stops[:2]:
        seat.desk.answered(call.tag, {})
    seat.type("escape G x R y")
    restart = seat.desk.effects[-1]
    assert isinstance(restart, Call)
    seat.now += 3
    seat.desk.answered(restart.tag, fault("it is being deleted", "wait"))
    seat.now += 9
    seat.type(", o")
    return seat


def measured() -> Seat:
    seat = Seat(*REPLICAS)
    seat.type("j m")
    (watch,) = seat.effects(Follow)
    for second in range(0, 80, 2):
        seat.desk.streamed(watch.tag, [stats(second, 10 + second / 4)])
    return seat


SCENES: dict[str, tuple[Callable[[], Seat], int, int]] = {
    "deployments-80x24": (deployments(), 80, 24),
    "deployments-140x30": (beside, 140, 30),
    "deployments-60x15": (deployments("x"), 60, 15),
    "deployments-empty": (no_deployments, 80, 12),
    "deployment-80x24": (one(), 80, 24),
    "deployment-60x15": (one(), 60, 15),
    "deployment-history": (one("tab"), 80, 24),
    "deployment-scale": (deployments("G s '5x' enter"), 80, 20),
    "deployment-undo": (undoing, 80, 20),
    "host-80x24": (host(), 80, 24),
    "host-140x40": (host(LEFT_OVER), 140, 40),
    "host-60x15": (host(LEFT_OVER), 60, 15),
    "operations-80x24": (operations, 80, 24),
    "vm-metrics": (measured, 80, 24),
    "plugins-80x24": (plugins(), 80, 24),
    "plugins-60x15": (plugins("G x"), 60, 15),
    "plugins-empty": (plugins("", []), 80, 12),
    "plugin-80x24": (plugins("G enter"), 80, 24),
    "plugin-install": (plugins("i './plugin.json'"), 80, 20),
}
