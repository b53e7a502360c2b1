"""`volant system info|watch|contexts|ping`."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from volant.client.cli import human, output
from volant.client.cli.connect import open_client, open_following
from volant.client.cli.parsing import Parser, add_output, add_reconnect, style_of
from volant.client.cli.table import Column
from volant.proto.errors import ExitCode

FIGURES = [
    Column("CPU%", "cpu_percent", right=True),
    Column("AVAILABLE", "memory_available_mib", right=True),
    Column("MEMORY", "memory_mib", right=True),
    Column("DEPLOYMENTS", "deployments"),
]
"""What a script gets of each item of `system.watch`: percent of all CPUs, memory in MiB."""


def configure_info(parser: Parser) -> None:
    add_output(parser)
    parser.give_examples("volant system info", "volant system info -o json")


def run_info(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        record = client.call_plain("system.info", {})
    output.write_facts(style_of(args), record, facts(record))
    return ExitCode.OK


def facts(record: dict[str, Any], *, now: float | None = None) -> list[tuple[str, str]]:
    """What the daemon is and has, as lines for a person. `now` is in seconds since 1970, and the clock's without it."""
    network = record["network"]
    low, high = record["protocol"]
    states = ", ".join(f"{number} {state}" for state, number in record["vms"].items() if number)
    return [
        ("version", f"{record['version']} (protocol {low}{f' to {high}' if high != low else ''})"),
        ("daemon", f"pid {record['pid']}, up {human.age(record['started_at'], now=now)}"),
        ("socket", record["socket"]),
        ("state", record["state_dir"]),
        ("runtime", record["runtime_dir"]),
        ("host", f"{record['hostname']}, {human.cpus(record['host_cpus'])}"),
        ("memory", f"{human.mebibytes(record['host_memory_available_mib'])} of {human.mebibytes(record['host_memory_mib'])} available"),
        ("kernel", record["kernel"] or "none set up"),
        *((f"hypervisor {one['name']}", _hypervisor(one)) for one in record["hypervisors"]),
        (
            "network",
            f"{network['default_mode']} by default; bridge {network['bridge']}, subnet {network['subnet']}, gateway {network['gateway']}",
        ),
        ("addresses", f"{network['leases']} of {network['capacity']} taken"),
        ("vms", states or "none"),
        ("plugins", str(record["plugins"])),
        ("events", f"newest is {record['event_seq']}"),
    ]


def _hypervisor(one: dict[str, Any]) -> str:
    accel = one["accel"] or "acceleration not probed yet"
    reason = f" ({one['accel_reason']})" if one["accel_reason"] else ""
    return ", ".join(part for part in (one["version"], f"{accel}{reason}", one["binary"]) if part)


def configure_watch(parser: Parser) -> None:
    add_output(parser)
    add_reconnect(parser)
    parser.give_examples("volant system watch", "volant system watch -o jsonl | jq .cpu_percent")


def run_watch(args: argparse.Namespace) -> int:
    from volant.client.resuming import HostProgress

    style = style_of(args)
    output.begin_stream(style, FIGURES)
    with open_following(args, HostProgress()) as figures:
        for each in figures:
            output.write_next(style, FIGURES, each, _busy)
    return ExitCode.OK


def _busy(figures: dict[str, Any]) -> str:
    """How busy the host is, in one line."""
    used = figures["memory_mib"] - figures["memory_available_mib"]
    states = ", ".join(f"{number} {state}" for state, number in figures["deployments"].items()) or "none"
    memory = f"{human.mebibytes(used)} of {human.mebibytes(figures['memory_mib'])}"
    return f"CPU {figures['cpu_percent']:>3}%  memory {memory} taken  deployments: {states}"


CONTEXTS = [
    Column("NAME", "name"),
    Column("CURRENT", "current", show=lambda row: "yes" if row["current"] else ""),
    Column("SOCKET", "socket"),
]


def configure_contexts(parser: Parser) -> None:
    add_output(parser)
    parser.give_examples("volant system contexts", "volant --context staging vm list", "VOLANT_CONTEXT=staging volant tui")


def run_contexts(args: argparse.Namespace) -> int:
    from volant.client.contexts import load
    from volant.client.paths import default_socket

    meant = args.socket or default_socket()
    items = [{"name": name, "current": path == meant, "socket": path} for name, path in load(os.environ).items()]
    output.write_list(style_of(args), CONTEXTS, {"items": items})
    return ExitCode.OK


def configure_ping(parser: Parser) -> None:
    add_output(parser)
    parser.give_examples("volant system ping", "volant system ping --socket /run/volant/volantd.sock")


def run_ping(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        started = time.perf_counter()
        record = client.call_plain("system.ping", {})
        took = time.perf_counter() - started
    style = style_of(args)
    if style.format in ("json", "jsonl", "yaml", "tsv"):
        output.write_facts(style, record | {"milliseconds": round(took * 1000, 3)}, [])
    else:
        output.write_line(f"the daemon answers after {took * 1000:.1f} ms")
    return ExitCode.OK
