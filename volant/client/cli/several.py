"""One command about several names: all are tried, each failure is told, and the exit code says whether some or all failed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from volant.proto.errors import ExitCode, Fault, NoSuchAction, NoSuchDeployment, NoSuchPlugin, NoSuchVm, ProtocolFault, Unreachable

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from volant.client.blocking import Client

    T = TypeVar("T")

MAX_CHOICES = 1_000
"""Names looked through for a suggestion: one page."""


def for_each(client: Client, args: argparse.Namespace, act: Callable[[str], object]) -> int:
    """`act` on each of `args.names` in their order. One name's fault is the command's; of several, code 8 when only some failed."""
    names = list(dict.fromkeys(args.names))
    if len(names) == 1:
        with_suggestion(client, partial(act, names[0]))
        return ExitCode.OK
    failed: list[Fault] = []
    for name in names:
        try:
            with_suggestion(client, partial(act, name))
        except (Unreachable, ProtocolFault):
            raise  # the rest would fail the same way
        except Fault as fault:
            from volant.client.cli import failures

            failures.report(fault, as_json=getattr(args, "output", None) in ("json", "jsonl"), subject=name)
            failed.append(fault)
    if not failed:
        return ExitCode.OK
    codes = {fault.exit_code for fault in failed}
    if len(failed) < len(names):
        return ExitCode.PARTIAL
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


def with_suggestion(client: Client, act: Callable[[], T]) -> T:
    """The result of `act`; where it finds no such VM, deployment, plugin or action, the hint names those that are spelled much the same."""
    try:
        return act()
    except NoSuchVm as fault:
        raise _suggesting(client, fault, "vm.list", {"limit": MAX_CHOICES}) from None
    except NoSuchDeployment as fault:
        raise _suggesting(client, fault, "deployment.list", {"limit": MAX_CHOICES}) from None
    except NoSuchPlugin as fault:
        raise _suggesting(client, fault, "plugin.list", {}) from None
    except NoSuchAction as fault:
        raise _hinting(fault, str(fault.data.get("action", "")), [str(each) for each in fault.data.get("choices", ())]) from None


def _suggesting(client: Client, fault: Fault, method: str, params: dict[str, Any]) -> Fault:
    try:
        names = [str(item["name"]) for item in client.call_plain(method, params)["items"]]
    except Fault:
        return fault
    return _hinting(fault, str(fault.data.get("name", "")), names)


def _hinting(fault: Fault, word: str, choices: list[str]) -> Fault:
    from volant.client.cli.failures import did_you_mean

    fault.hint = f"{did_you_mean(word, choices)} {fault.hint}".strip()
    return fault
