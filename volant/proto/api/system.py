"""Calls about the daemon and its host."""

from __future__ import annotations

from dataclasses import dataclass

from volant.proto.method import Http, Method, Noun

NOUN = Noun("system")


@dataclass(frozen=True, slots=True)
class Nothing:
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The daemon's clock, RFC 3339 in UTC."""

    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorInfo:
    name: str
    version: str
    binary: str
    accel: str
    """`kvm`, `tcg`, `none` for the fake; empty while the probe is under way."""
    accel_reason: str
    """How that was found, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInfo:
    default_mode: str
    bridge: str
    subnet: str
    gateway: str
    leases: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInfo:
    version: str
    protocol: tuple[int, int]
    pid: int
    started_at: str
    hostname: str
    host_cpus: int
    host_memory_mib: int
    host_memory_available_mib: int
    state_dir: str
    runtime_dir: str
    socket: str
    kernel: str
    hypervisors: tuple[HypervisorInfo, ...]
    network: NetworkInfo
    vms: dict[str, int]
    """How many VMs are in each state."""
    plugins: int
    event_seq: int


PING = NOUN.add(Method("system.ping", Nothing, Pong, "see whether the daemon answers", http=Http("GET", "/system/ping")))
INFO = NOUN.add(Method("system.info", Nothing, SystemInfo, "what the daemon is and has", http=Http("GET", "/system/info")))
