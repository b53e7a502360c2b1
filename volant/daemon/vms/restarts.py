"""When a VM that has ended is started again by itself: a pure judgement of its policy, what it went through, and the time.

docs/restarts.md shows it as a table. The owner waits for the time that is named here; nothing else starts anything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from volant.daemon.host.clock import rfc3339
from volant.daemon.ports import Retries, VmRecord
from volant.daemon.vms.lifecycle import HOST_RESTARTED, Ending
from volant.proto.specs.restarts import RestartPolicy, When, parse_restart
from volant.proto.specs.states import VmState, Wanted

FIRST_S = 1.0
"""Before the first restart: long enough that a VM which falls over at once does not keep a CPU busy, too short for anybody to wait for."""

CAP_S = 300.0
"""The longest pause. A VM that can't start costs one boot in five minutes; whoever has mended it says `vm start` and waits for nothing."""

JITTER = 0.2
"""By how much of itself a pause may be longer, so that VMs that one mishap took don't come back all at the same moment."""

RAN_WELL_S = 300.0
"""A VM that was up for so long had got over its earlier failures: the pauses begin anew."""

WINDOW_S = 3_600.0
"""In which `on-failure` counts restarts."""

LONGEST_S = CAP_S * (1 + JITTER)
"""Nobody waits longer, whatever has been done to the host's clock meanwhile."""

DOWN = frozenset({VmState.STOPPED, VmState.CRASHED, VmState.FAILED})
"""States from which a policy starts a VM again."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an end."""

    retries: Retries
    gave_up: str = ""
    """Why the policy does not start it any more; empty when it does, or never would have."""


def judge(policy: RestartPolicy, before: Retries, *, is_failure: bool, now: float, ran_s: float, chance: float) -> Verdict:
    """`now`: seconds since 1970. `ran_s`: for how long it had been ready. `chance`: at random, from 0 to 1."""
    if not policy.restarts(is_failure=is_failure):
        return Verdict(Retries())
    count = 0 if ran_s >= RAN_WELL_S else before.count
    began, tried = before.window_began, before.window_count
    if not 0 <= now - began < WINDOW_S:
        began, tried = now, 0
    if policy.tries and tried >= policy.tries:
        times = "1 restart" if tried == 1 else f"{tried} restarts"
        return Verdict(Retries(count=count), f"given up, for {times} within an hour did not help")
    due = now + pause_s(count) * (1 + JITTER * chance)
    return Verdict(Retries(count=count + 1, window_began=began, window_count=tried + 1, next_at=due))


def pause_s(count: int) -> float:
    """Before the restart that follows after `count` others in a row."""
    return float(min(CAP_S, FIRST_S * 2.0 ** min(count, 32)))


def remaining_s(retries: Retries, now: float) -> float:
    """How long to wait until the next try."""
    return min(max(retries.next_at - now, 0.0), LONGEST_S)


def clock(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339; empty for none."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC)) if seconds else ""


def ran_for(record: VmRecord, now: float) -> float:
    """For how long it has been ready in its latest boot, in seconds; 0 when it never was."""
    try:
        return now - datetime.fromisoformat(record.ready_at).timestamp()
    except ValueError:
        return 0.0


def announced(reason: str, retries: Retries, policy: RestartPolicy) -> str:
    """The reason of a VM that waits for its next try, with when that is."""
    if not retries.next_at:
        return reason
    coming = f"restart {_counted(retries, policy)} at {clock(retries.next_at)}"
    return f"{reason}; {coming}" if reason else coming


def outcome(
    end: Ending, record: VmRecord, restart: str, *, reason: str, now: float, chance: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What becomes of the record by its policy after `end`, and what the event says of it besides."""
    wanted = end.wanted
    verdict = Verdict(Retries())
    if end.is_unasked and record.wanted is Wanted.RUNNING and end.state in DOWN:
        policy = parse_restart(restart)
        ran_s = ran_for(record, now)
        verdict = judge(policy, record.retries, is_failure=end.is_failure, now=now, ran_s=ran_s, chance=chance)
        if verdict.retries.next_at:
            wanted = Wanted.RUNNING
    elif end.is_unasked and end.state is VmState.PENDING:
        verdict = Verdict(record.retries)
    reason = f"{reason}; {verdict.gave_up}" if verdict.gave_up else reason
    fields = {
        "wanted": wanted,
        "wanted_generation": record.wanted_generation + (wanted is not record.wanted),
        "retries": verdict.retries,
        "reason": reason,
    }
    told: dict[str, Any] = {"gave_up": True} if verdict.gave_up else {}
    if verdict.retries.next_at:
        told = {"restarts": verdict.retries.count, "next_try_at": clock(verdict.retries.next_at)}
    return fields, told


def tried_again(record: VmRecord, policy: RestartPolicy) -> dict[str, Any]:
    """The record of a VM whose time has come."""
    retries = replace(record.retries, next_at=0.0)
    return {"retries": retries, "reason": f"restart {_counted(retries, policy)} by its policy, after: {record.reason}"}


def waits(record: VmRecord) -> bool:
    """Whether the VM is down and its policy starts it again."""
    return bool(record.retries.next_at) and record.wanted is Wanted.RUNNING and record.state in DOWN


def starts_with_host(restart: str, *, autostart: bool) -> bool:
    """Whether a VM that was wanted running is started after the host was."""
    return autostart or parse_restart(restart).when is When.ALWAYS


def host_restarted(record: VmRecord, host_boot: str) -> bool:
    """Whether the host's boot is another one than at the VM's last start."""
    known = record.host_boot or (record.process.boot_id if record.process else "")
    return known not in ("", host_boot)


def after_reboot(record: VmRecord, *, host_boot: str, starts: bool) -> tuple[VmState, dict[str, Any]] | None:
    """What becomes of a VM that is down and was wanted running when its host went down; None when that did not happen."""
    if record.wanted is not Wanted.RUNNING or record.state not in DOWN or not host_restarted(record, host_boot):
        return None
    fields: dict[str, Any] = {"retries": Retries(), "reason": HOST_RESTARTED, "error": None}
    if starts:
        return VmState.PENDING, fields
    if not record.retries.next_at:
        return None
    return VmState.STOPPED, {**fields, "wanted": Wanted.STOPPED, "wanted_generation": record.wanted_generation + 1}


def _counted(retries: Retries, policy: RestartPolicy) -> str:
    return f"{retries.window_count} of {policy.tries}" if policy.tries else str(retries.count)
