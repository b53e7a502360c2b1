"""What a trial host really has, looked at without the daemon: its processes by network namespace, its links, its firewall, its files and
the rows of its database. `complaints` compares one with the other; it is pure.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volant.daemon.host.processes import command_line_of
from volant.selftest.host import TrialHost
from volant.selftest.processes import inside

SETTLED = frozenset({"ready", "stopped", "failed", "crashed"})
"""States in which a VM may rest. A VM that only runs waits for its agent, and the others are on their way."""

_TAP = re.compile(r"vol[0-9a-f]{12}")
_STATE_FILES = re.compile(r"console\.(log|times)|root\.qcow2|disk-[0-9]+\.qcow2|upper\.img")
_RUNTIME_FILES = re.compile(r"(qmp|console|agent)\.sock|console|(qemu|vmm)\.stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One VM as the database has it."""

    id: str
    name: str
    state: str
    tap: str
    ip: str
    pid: int
    """0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One look."""

    rows: tuple[Row, ...]
    owned: frozenset[tuple[str, str, str]]
    """Kind, name and VM id of each row of the ledger."""
    leases: frozenset[tuple[str, str]]
    """Address and VM id of each lease."""
    integrity: str
    """What SQLite says of its file; `ok` when all is well."""
    processes: dict[int, str] = field(default_factory=dict)
    """Pid and command line of whatever runs in the host's network namespace but the daemon."""
    taps: dict[str, str] = field(default_factory=dict)
    """Taps, with the bridge that each is a port of."""
    let_in: frozenset[str] = frozenset()
    """Taps that the firewall names."""
    folders: frozenset[str] = frozenset()
    """VM ids that have a folder of disks."""
    runtime_folders: frozenset[str] = frozenset()
    """VM ids that have a folder of sockets."""
    strange_files: frozenset[str] = frozenset()
    """Drafts, and whatever else nobody has a name for."""


def look(host: TrialHost) -> Evidence:
    """Look at everything. OSError and sqlite3.Error while the daemon is in the middle of something; look again then."""
    rows, owned, leases, integrity = _database(host.state / "volant.db")
    folders, strange = _folders(host.state / "vms", _STATE_FILES)
    runtime, more = _folders(host.runtime / "vms", _RUNTIME_FILES)
    drafts = {str(path) for path in _entries(host.state / "images/drafts")}
    return Evidence(
        rows=rows,
        owned=owned,
        leases=leases,
        integrity=integrity,
        processes=_processes(host.netns.inode, host.daemon.pid if host.daemon else 0),
        taps=_taps(json.loads(host.netns.run("ip", "-j", "link", "show", "type", "tun") or "[]")),
        # Not as JSON: nftables 1.0.6 breaks off there, and says that all is well, at a table that somebody owns.
        let_in=frozenset(_TAP.findall(host.netns.run("nft", "list", "ruleset"))),
        folders=folders,
        runtime_folders=runtime,
        strange_files=frozenset(strange | more | drafts),
    )


def complaints(seen: Evidence) -> Iterator[str]:
    """Everything that should not be, a sentence each."""
    ids = {row.id for row in seen.rows}
    live = {row.id for row in seen.rows if row.state == "ready"}
    if seen.integrity != "ok":
        yield f"the database is damaged: {seen.integrity}"
    for row in seen.rows:
        if row.state not in SETTLED:
            yield f"VM {row.name} is {row.state}"
        if row.state == "ready" and row.pid not in seen.processes:
            yield f"VM {row.name} is ready, and its process {row.pid} is not there"
        if row.ip and (row.ip, row.id) not in seen.leases:
            yield f"VM {row.name} has the address {row.ip}, and no lease of it"
    pids = {row.pid for row in seen.rows if row.id in live}
    yield from (f"nobody owns process {pid}: {words}" for pid, words in seen.processes.items() if pid not in pids)
    taps = {row.tap for row in seen.rows if row.id in live and row.tap}
    yield from _differences("tap", taps, seen.taps.keys())
    yield from _differences("firewall entry", taps, seen.let_in)
    yield from (f"tap {tap} is no port of a bridge" for tap, bridge in seen.taps.items() if not bridge)
    yield from (f"nobody owns the lease of {ip}" for ip, vm_id in seen.leases if vm_id not in ids)
    for kind, name, vm_id in seen.owned:
        if vm_id not in ids:
            yield f"the row of {kind} {name} has no VM"
        elif kind in ("process", "tap", "firewall", "socket") and vm_id not in live:
            yield f"the row of {kind} {name} is left of a VM that does not run"
    yield from (f"nobody owns the folder of disks {name}" for name in seen.folders - ids)
    yield from _differences("folder of sockets", live, seen.runtime_folders)
    yield from (f"nobody knows the file {name}" for name in seen.strange_files)


def _differences(what: str, wanted: set[str], found: Any) -> Iterator[str]:
    yield from (f"{what} {name} is missing" for name in wanted - set(found))
    yield from (f"nobody owns the {what} {name}" for name in set(found) - wanted)


def _database(path: Path) -> tuple[tuple[Row, ...], frozenset[tuple[str, str, str]], frozenset[tuple[str, str]], str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        vms = database.execute("SELECT id, name, state, tap, ip, process FROM vms").fetchall()
        rows = tuple(
            Row(id=id, name=name, state=state, tap=tap, ip=ip, pid=json.loads(process)[0] if process else 0)
            for id, name, state, tap, ip, process in vms
        )
        owned = frozenset(database.execute("SELECT kind, name, vm_id FROM objects").fetchall())
        leases = frozenset(database.execute("SELECT ip, vm_id FROM leases").fetchall())
        (integrity,) = database.execute("PRAGMA quick_check").fetchone()
    return rows, owned, leases, integrity


def _processes(netns: int, daemon: int) -> dict[int, str]:
    found = {pid: " ".join(command_line_of(pid)) for pid in inside(netns) if pid != daemon}
    return {pid: words for pid, words in found.items() if words}


def _taps(links: list[dict[str, Any]]) -> dict[str, str]:
    return {link["ifname"]: link.get("master", "") for link in links if _TAP.fullmatch(link.get("ifname", ""))}


def _folders(parent: Path, known: re.Pattern[str]) -> tuple[frozenset[str], set[str]]:
    """The names of the VMs' folders in `parent`, and the paths of what is in them and has no name that we know."""
    folders = _entries(parent)
    strange = {str(path) for folder in folders for path in _entries(folder) if not known.fullmatch(path.name)}
    return frozenset(folder.name for folder in folders), strange


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
