"""`volant selftest --faults`: the fault matrix on this host, in network namespaces and folders of its own. Run by the `volant` command."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections import Counter
from typing import Any

from volant.client.cli import human, output, terminal
from volant.client.cli.commands.selftest import configure_selftest
from volant.client.cli.failures import report
from volant.client.cli.main import INTERRUPTED, wants_json
from volant.client.cli.narrate import StatusLine
from volant.client.cli.parsing import Parser, style_of
from volant.client.cli.table import Column
from volant.daemon.host.faultpoints import FaultPoint
from volant.proto.errors import ExitCode, Failed, Fault, HostShort, NotAllowed, Usage
from volant.selftest.cases import Case, Harm, matrix
from volant.selftest.leftovers import remove_leftovers
from volant.selftest.matrix import Matrix
from volant.selftest.trial import Outcome, Trials

PROGRAMS = {"ip": "iproute2", "nft": "nftables", "qemu-img": "qemu-utils"}
"""What the matrix and its daemon call, and the Debian packages that have them."""

MOST_HANG_MS = 30_000
"""Half of what whoever asks waits for an answer."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

MOST_HOSTS = 4
"""Trial hosts at once: each keeps one CPU busy, and more would make the five seconds a measure of this machine."""


def main(argv: list[str]) -> int:
    """Run what the flags ask for; the exit code."""
    for number in INTERRUPTS:
        signal.signal(number, _interrupted)
    try:
        return _run(argv)
    except Fault as fault:
        report(fault, as_json=wants_json(argv))
        return int(fault.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(argv: list[str]) -> int:
    parser = Parser("volant selftest", "try faults on a daemon of its own")
    parser.add_argument("-q", "--quiet", action="store_true")
    configure_selftest(parser)
    args = parser.read(argv)
    if not args.faults:
        raise Usage("say what is to be tested", hint="`volant selftest --faults` tries every fault at every step of a VM's life")
    if not 0 < args.hang <= MOST_HANG_MS:
        raise Usage("--hang is more than nothing and at most 30s", hint="leave it out for 5s")
    cases = _chosen(args.point, args.harm)
    _check_host()
    _remove_leftovers(quiet=args.quiet)
    line, began = StatusLine(quiet=args.quiet), time.monotonic()
    counts: Counter[bool] = Counter()

    def tell(outcome: Outcome) -> None:
        counts[not outcome.wrong] += 1
        line.draw(f"{counts.total()} of {len(cases)} cases, {counts[False]} went wrong; latest {outcome.case.id}")

    try:
        outcomes = Matrix(cases, tell=tell, new_trials=lambda host: Trials(host, hang_s=args.hang / 1000)).run(_hosts())
    finally:
        line.clear()
    took = time.monotonic() - began
    style = style_of(args)
    if style.format in ("json", "jsonl", "yaml"):
        output.write_document(style, as_document(outcomes, took))
    else:
        output.write_rows(style, grid_columns(), grid(outcomes))
    for outcome in outcomes:
        if outcome.wrong:
            terminal.say(f"{outcome.case.id}: {outcome.case.harm.text}, when {outcome.case.point.done}: {outcome.wrong}")
    if not args.quiet:
        terminal.say(summary(outcomes, took))
    return ExitCode.FAILED if counts[False] else ExitCode.OK


def _chosen(points: list[str], harms: list[str]) -> tuple[Case, ...]:
    known_points, known_harms = [point.id for point in FaultPoint], [harm.id for harm in Harm]
    for given, known, what in ((points, known_points, "point"), (harms, known_harms, "harm")):
        for word in given:
            if word not in known:
                raise Usage(f"there is no {what} {word!r}", hint=f"choose of {', '.join(known)}")
    cases = matrix(points, harms)
    if not cases:
        raise Usage("no VMM runs at these points, so that none can be killed", hint="choose another --point or --harm")
    return cases


def _check_host() -> None:
    """Refuse what can't work, before anything is made."""
    if os.geteuid() != 0:
        raise NotAllowed(
            "the fault matrix makes network namespaces, taps and firewall rules of its own, and only root may do that",
            hint="run it as root; it touches neither the running daemon nor its VMs",
        )
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise HostShort(f"the program {program} is not installed", hint=f"install it: `apt-get install {package}`")


def _remove_leftovers(*, quiet: bool) -> None:
    try:
        removed = remove_leftovers()
    except (OSError, TimeoutError) as error:
        raise Failed(f"what an earlier selftest left can't be removed: {error}", hint="remove it, and try again") from None
    if removed and not quiet:
        terminal.say(f"removed what a selftest that was killed had left: {', '.join(map(str, removed))}")


def _hosts() -> int:
    return min(os.cpu_count() or 1, MOST_HOSTS)


def _interrupted(number: int, frame: object) -> None:
    """The first one ends the matrix; from then on everything is cleaned away, which takes a moment and no further word."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def as_document(outcomes: list[Outcome], took_s: float) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "cases": [
            {
                "id": one.case.id,
                "point": one.case.point.id,
                "request": one.case.point.request.value,
                "after": one.case.point.done,
                "harm": one.case.harm.id,
                "ok": not one.wrong,
                "wrong": one.wrong,
                "settled_ms": round(one.settled_s * 1000),
                "took_ms": round(one.took_s * 1000),
            }
            for one in sorted(outcomes, key=_order)
        ],
        "total": len(outcomes),
        "wrong": sum(bool(one.wrong) for one in outcomes),
        "slowest_settled_ms": round(max((one.settled_s for one in outcomes), default=0) * 1000),
        "took_ms": round(took_s * 1000),
    }


def grid(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """A row for each point, with a word for each harm."""
    found: dict[FaultPoint, dict[str, Any]] = {}
    for one in sorted(outcomes, key=_order):
        point = one.case.point
        row = found.setdefault(point, {"point": point.id, "request": point.request.value, "after": point.done})
        row[one.case.harm.id] = "WRONG" if one.wrong else "ok"
    return list(found.values())


def grid_columns() -> list[Column]:
    """The columns of `grid`."""
    harms = [Column(harm.id.upper(), harm.id, paint=lambda word: {"ok": "32", "WRONG": "31"}.get(word, "")) for harm in Harm]
    return [Column("POINT", "point"), Column("REQUEST", "request", keep=1), Column("WHEN", "after", flexible=True, keep=0), *harms]


def summary(outcomes: list[Outcome], took_s: float) -> str:
    """The result in one line."""
    wrong = sum(bool(one.wrong) for one in outcomes)
    slowest = max((one.settled_s for one in outcomes), default=0.0)
    found = f"{wrong} went wrong" if wrong else "none went wrong"
    return f"{len(outcomes)} cases in {human.duration(took_s)}, {found}; all was clean at most {human.duration(slowest)} after the harm"


def _order(outcome: Outcome) -> tuple[int, int]:
    return list(FaultPoint).index(outcome.case.point), list(Harm).index(outcome.case.harm)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
