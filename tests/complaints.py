"""What the tests of bad input have in common: what a good complaint looks like, and that nothing stays behind.

A complaint is one line of what happened, one of what to do, then at most the indented excerpts of a boot that failed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig import Rig
from volant.selftest.processes import vmms

MAX_SENTENCE = 500
"""Characters of a line that still reads as one sentence."""

Done = subprocess.CompletedProcess[str]


def complaint(done: Done, code: int, *says: str) -> str:
    """Check the manners of a failed command; its two lines, which must hold all of `says`."""
    shown = f"{done.args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    assert done.returncode == code, shown
    assert len(lines) >= 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: "), shown
    assert all(line.startswith("  ") for line in lines[2:]), shown
    assert len(lines[0]) < MAX_SENTENCE and len(lines[1]) < MAX_SENTENCE, shown
    assert "Traceback" not in done.stderr and "defect" not in done.stderr, shown
    sentences = "\n".join(lines[:2])
    for text in says:
        assert text in sentences, shown
    return sentences


@dataclass(frozen=True)
class Holdings:
    """What a daemon holds on its host; two that are equal say that nothing came or went between them."""

    vms: frozenset[str]
    folders: frozenset[str]
    objects: frozenset[tuple[str, str]]
    leases: frozenset[str]
    plugins: frozenset[str]
    images: frozenset[str]
    processes: frozenset[int]
    taps: frozenset[str]


def holdings(host: Rig) -> Holdings:
    """Rows of its database, its folders, its VMMs and its taps."""
    with closing(sqlite3.connect(f"file:{host.state / 'volant.db'}?mode=ro", uri=True)) as database:

        def column(query: str) -> frozenset[Any]:
            return frozenset(row[0] if len(row) == 1 else tuple(row) for row in database.execute(query))

        vms, objects, leases, plugins = (
            column(query)
            for query in (
                "SELECT name FROM vms",
                "SELECT kind, name FROM objects",
                "SELECT ip FROM leases",
                "SELECT name || ' ' || version FROM plugins",
            )
        )
    return Holdings(
        vms=vms,
        folders=frozenset(str(path) for parent in (host.state, host.runtime) for path in _listed(parent / "vms")),
        objects=objects,
        leases=leases,
        plugins=plugins,
        images=frozenset(path.name for folder in ("sha256", "drafts") for path in _listed(host.state / "images" / folder)),
        processes=frozenset({*host.vmms(), *vmms(host.runtime)}),
        taps=host.taps(),
    )


@contextmanager
def nothing_left(host: Rig) -> Iterator[None]:
    """Whatever the block makes, it is gone at its end."""
    before = holdings(host)
    yield
    assert holdings(host) == before


@contextmanager
def undisturbed(host: Rig, neighbour: str) -> Iterator[None]:
    """The VM called `neighbour` is ready before and after, in one and the same boot, and was nothing but ready in between."""
    before = host.json("vm", "get", neighbour)
    assert before["status"] == "ready"
    yield
    after = host.json("vm", "get", neighbour)
    assert (after["status"], after["boot"], after["pid"], after["generation"]) == (
        "ready",
        before["boot"],
        before["pid"],
        before["generation"],
    )


def manifest(path: Path, base: Path, **changes: Any) -> str:
    """Write the manifest `base` with `changes` (None: left out) to `path`; the path as a word for the command line."""
    fields = json.loads(base.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not None}))
    return str(path)


def without_programs(folder: Path, *missing: str) -> str:
    """A PATH on which all programs are but those whose names begin with one of `missing`."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in _listed(Path(place)):
            if not program.name.startswith(missing) and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return str(folder)


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
