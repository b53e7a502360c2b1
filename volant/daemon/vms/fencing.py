"""Who may hold a VM, and which requests of former holders are refused. Pure; `specs.leases` says what a lease is."""

from __future__ import annotations

from dataclasses import replace

from volant.daemon.ports import Asker, VmRecord
from volant.proto.api.vm_lease import HoldVm
from volant.proto.errors import Denied, Fenced, InvalidParams
from volant.proto.specs.leases import MAX_CURSOR, MAX_ENGINE_ID, NewLease, OnEnd, VmLease


def check_words(*, engine_id: str = "", cursor: str = "") -> None:
    """InvalidParams for what is too long to be kept, or would do something to a terminal."""
    for name, text, most in (("engine_id", engine_id, MAX_ENGINE_ID), ("cursor", cursor, MAX_CURSOR)):
        if len(text) > most or not text.isprintable():
            raise InvalidParams(f"{name} is at most {most} printable characters", hint="a UUID, or the name of a unit, will do")


def check_token(record: VmRecord, token: int) -> None:
    """Fenced when a request carries the token of another lease than the present one; 0 is nobody's."""
    lease = record.lease
    if token and (lease is None or lease.token != token or not lease.holder):
        raise Fenced(record.name, lease.holder if lease else "", lease.token if lease else 0)


def first(asked: NewLease, by: Asker, now: str) -> VmLease:
    """The lease of a VM that is being made; its maker has yet to say `vm.hold`."""
    check_words(engine_id=asked.engine_id)
    return VmLease(token=1, holder=str(by), engine_id=asked.engine_id, on_end=asked.on_end, since=now)


def claimed(record: VmRecord, asked: HoldVm, by: Asker, now: str, *, cursor: str) -> VmLease:
    """The lease that `asked` gets. Fenced, Denied. `cursor`: how far the present holder has got."""
    check_words(engine_id=asked.engine_id)
    old = record.lease
    if asked.token:
        check_token(record, asked.token)
        assert old is not None  # else its token was refused
        return replace(old, holder=str(by), connected=True, cursor=cursor)
    if record.deployment:
        raise Denied(
            f"VM {record.name!r} belongs to deployment {record.deployment!r}, which looks after it",
            hint="a replica has no other holder; create a VM of its own",
        )
    if old is not None and old.connected and not asked.engine_id:
        raise Denied(
            f"VM {record.name!r} is held by {old.holder}",
            hint="end that program first, or take the VM over by naming yourself with --engine-id",
        )
    token = old.token + 1 if old is not None else 1
    return VmLease(token=token, holder=str(by), engine_id=asked.engine_id, on_end=asked.on_end, connected=True, since=now, cursor=cursor)


def left(lease: VmLease, *, cursor: str) -> VmLease:
    """The holder went away without a word."""
    return replace(lease, connected=False, cursor=cursor)


def released(lease: VmLease, *, cursor: str) -> VmLease:
    """The holder gave it back; the token stays, so that nobody gets it again."""
    return replace(lease, holder="", engine_id="", on_end=OnEnd.KEEP, connected=False, cursor=cursor)
