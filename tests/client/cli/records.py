"""Plain records as the daemon sends them."""

from __future__ import annotations

from typing import Any

SINCE = "2026-01-31T12:00:00Z"


def vm(name: str = "web-1", **changes: Any) -> dict[str, Any]:
    """A VM's record."""
    return {
        "id": "0123456789ab",
        "name": name,
        "plugin": "hello",
        "plugin_version": "1.0.0",
        "runtime": "hello",
        "status": "ready",
        "wanted": "running",
        "generation": 5,
        "wanted_generation": 1,
        "boot": 1,
        "cpu_cores": 1,
        "memory_mb": 256,
        "network": "bridged",
        "ip": "192.168.127.10",
        "mac": "02:00:00:00:00:01",
        "forwards": [],
        "hypervisor": "qemu",
        "accel": "tcg",
        "pid": 4121,
        "health": "healthy",
        "reason": "",
        "error": None,
        "labels": {"volant.plugin": "hello"},
        "created_at": SINCE,
        "started_at": SINCE,
        "ready_at": SINCE,
        "stopped_at": "",
        "ready_ms": 812,
    } | changes


def plugin(name: str = "hello", **changes: Any) -> dict[str, Any]:
    """A plugin's record."""
    return {
        "name": name,
        "version": "1.0.0",
        "runtime": name,
        "enabled": True,
        "installed_at": SINCE,
        "manifest": {"name": name, "version": "1.0.0", "resources": {"cpu_cores": 1, "memory_mb": 256}, "actions": {"status": {}}},
        "artifacts": {"initramfs": "ab" * 32},
        "warnings": [],
    } | changes


def event(seq: int, **changes: Any) -> dict[str, Any]:
    """An event's record."""
    return {"seq": seq, "time": SINCE, "kind": "VM_READY", "vm": "web-1", "vm_id": "0123456789ab", "message": "ready", "data": {}} | changes
