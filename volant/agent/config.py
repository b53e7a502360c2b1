"""What the agent is told before anybody can call it: kernel command line words, and the fw_cfg blob beside them."""

from __future__ import annotations

import json
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any, NamedTuple

FW_CFG_BLOB = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.volant/config/raw"

MAX_MANIFEST = 1 << 20
"""Bytes of manifest after unpacking. The kernel's command line holds 2 KiB, which gzip could blow up a thousandfold."""

DEFAULT_HEALTH_MS = 60_000
"""How long the workload may take to get healthy when the manifest doesn't say; `specs.manifest` documents the same number."""


class ConfigError(Exception):
    """The configuration can't be used; the text is one sentence."""


class Network(NamedTuple):
    """The address to give the first NIC."""

    ip: str
    prefix: int
    gateway: str = ""
    dns: tuple[str, ...] = ()
    mac: str = ""


class Disk(NamedTuple):
    """A data disk and where the workload wants it."""

    serial: str
    target: str
    readonly: bool = False


class Workload(NamedTuple):
    """The program this guest exists for."""

    entrypoint: tuple[str, ...]
    env: dict[str, str]
    workdir: str
    base_url: str
    health_path: str = ""
    """Path probed below `base_url`; empty: no probe, running is healthy."""
    health_timeout_ms: int = DEFAULT_HEALTH_MS
    """From the start until the first healthy answer."""


class Action(NamedTuple):
    method: str
    path: str
    timeout_ms: int = 0


class Config(NamedTuple):
    vm_id: str
    boot: str
    hostname: str
    network: Network | None
    workload: Workload | None
    actions: dict[str, Action]
    disks: tuple[Disk, ...]


def command_line_words(line: str) -> dict[str, str]:
    """The `volant.*` words of a kernel command line, without that prefix; the last of a name counts."""
    words: dict[str, str] = {}
    for word in line.split():
        name, separator, value = word.partition("=")
        if separator and name.startswith("volant."):
            words[name.removeprefix("volant.")] = value
    return words


def read_config(words: dict[str, str], blob: bytes) -> Config:
    """The configuration from words and blob (empty: none); the blob's keys win. ConfigError says what is wrong."""
    try:
        told = json.loads(blob) if blob else {}
        if not isinstance(told, dict):
            raise ConfigError("the config blob is not a JSON object")
        manifest = told.get("manifest") or (decode_manifest(words["manifest"]) if words.get("manifest") else {})
        return Config(
            vm_id=words.get("id", ""),
            boot=str(told.get("boot") or words.get("boot") or "auto"),
            hostname=str(told.get("hostname") or words.get("name", "")),
            network=_network(told.get("net") or {}, words),
            workload=_workload(manifest),
            actions=_actions(manifest),
            disks=_disks(told, manifest),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"the guest's configuration can't be read: {type(error).__name__}: {error}") from error


def decode_manifest(word: str) -> dict[str, Any]:
    """`volant.manifest`: base64url without padding, of gzip of JSON or of plain JSON."""
    try:
        packed = a2b_base64(word.translate(str.maketrans("-_", "+/")) + "=" * (-len(word) % 4))
        if packed[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            packed = unpacker.decompress(packed, MAX_MANIFEST)
            if unpacker.unconsumed_tail:
                raise ConfigError(f"the manifest on the command line unpacks to more than {MAX_MANIFEST} bytes")
        manifest = json.loads(packed)
    except (Base64Error, zlib.error, ValueError) as error:
        raise ConfigError(f"the manifest on the command line can't be decoded: {error}") from error
    if not isinstance(manifest, dict):
        raise ConfigError("the manifest on the command line is not a JSON object")
    return manifest


def _network(told: dict[str, Any], words: dict[str, str]) -> Network | None:
    text = str(told.get("ip") or words.get("ip", ""))
    if not text:
        return None
    address, _, prefix = text.partition("/")
    dns = told.get("dns") or words.get("dns", "")
    servers = dns.split(",") if isinstance(dns, str) else dns
    return Network(
        ip=address,
        prefix=int(prefix or told.get("prefix") or 24),
        gateway=str(told.get("gateway") or told.get("gw") or words.get("gw", "")),
        dns=tuple(str(server) for server in servers if server),
        mac=str(told.get("mac") or words.get("mac", "")),
    )


def _workload(manifest: dict[str, Any]) -> Workload | None:
    told = manifest.get("workload")
    if not told:
        return None
    entrypoint = told.get("entrypoint") or ()
    if isinstance(entrypoint, str):
        entrypoint = ("/bin/sh", "-c", entrypoint)
    if not entrypoint:
        raise ConfigError("the manifest's workload has no entrypoint")
    health = manifest.get("health_check") or {}
    return Workload(
        entrypoint=tuple(str(word) for word in entrypoint),
        env={str(name): str(value) for name, value in (told.get("env") or {}).items()},
        workdir=str(told.get("workdir") or "/"),
        base_url=str(told.get("base_url") or ""),
        health_path=str(health.get("endpoint") or ""),
        health_timeout_ms=int(health.get("timeout_ms") or DEFAULT_HEALTH_MS),
    )


def _actions(manifest: dict[str, Any]) -> dict[str, Action]:
    return {
        str(name): Action(str(told["method"]).upper(), str(told["path"]), int(told.get("timeout_ms") or 0))
        for name, told in (manifest.get("actions") or {}).items()
    }


def _disks(told: dict[str, Any], manifest: dict[str, Any]) -> tuple[Disk, ...]:
    """The blob's list, else the manifest's disks, which the host numbers in order; without a folder as its target, one isn't mounted."""
    rows = told.get("disks")
    if rows is None:
        rows = [{**disk, "serial": f"disk-{number}"} for number, disk in enumerate(manifest.get("disks") or ())]
    found = [Disk(str(row["serial"]), str(row.get("target") or ""), bool(row.get("readonly"))) for row in rows]
    return tuple(disk for disk in found if disk.target.startswith("/"))
