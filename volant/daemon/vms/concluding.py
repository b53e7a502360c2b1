"""How a VM ended, for one transaction: its record, the rows of what is gone, and what its restart policy makes of the end."""

from __future__ import annotations

from typing import Any

from volant.daemon.ports import DropObject, VmRecord
from volant.daemon.vms.book import Book, Update
from volant.daemon.vms.lifecycle import Ending
from volant.daemon.vms.restarts import announced, outcome
from volant.daemon.vms.services import Services
from volant.proto.plain import from_plain
from volant.proto.specs.restarts import parse_restart
from volant.proto.specs.vmconfig import VmConfig


def concluded(
    services: Services, book: Book, record: VmRecord, end: Ending, reason: str, ended: dict[str, Any], drops: tuple[DropObject, ...]
) -> Update:
    """`ended`: the record's fields that tell how. The newest config has the policy, which is in force at once."""
    restart = from_plain(VmConfig, book.config.config).restart
    fields, told = outcome(end, record, restart, reason=reason, now=services.clock(), chance=services.chance())
    message = announced(fields["reason"], fields["retries"], parse_restart(restart))
    return Update({**ended, **fields}, end.state, message, drops, told=told)
