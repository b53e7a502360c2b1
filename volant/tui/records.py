"""Records of VMs, decoded when somebody looks: of thousands a screen shows a few tens, and decoding all takes longer than all else.

What every list is about (id, name, state) comes beside the encoded record, so that sorting by name and counting decode nothing.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from itertools import repeat
from sys import intern
from typing import Any, NamedTuple

from volant.proto.errors import MalformedFrame

Record = Mapping[str, Any]
"""A plain record of the API."""


class Alike(NamedTuple):
    """Of several VMs the same fields are different now."""

    fields: tuple[str, ...]
    ids: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    """For each VM the values of the fields."""

    @property
    def parts(self) -> list[Record]:
        """The same for each VM by itself."""
        return [{"id": vm_id, **dict(zip(self.fields, row, strict=True))} for vm_id, row in zip(self.ids, self.rows, strict=True)]


class Step(NamedTuple):
    """What is new of VMs, in the order in which it counts. Known VMs that are different are told one by one, or together."""

    gone: Iterable[str] = ()
    items: Iterable[Record] = ()
    altered: Iterable[Record] = ()
    alike: Iterable[Alike] = ()


class PackedRecord(Mapping[str, Any]):
    """An encoded record and what is known of it without decoding. Equal to any record with the same fields; never changed."""

    __slots__ = ("_known", "_packed")

    def __init__(self, packed: bytes | None, known: dict[str, Any]) -> None:
        """`known` counts where it differs from what is encoded. None: it is all there is."""
        self._packed, self._known = packed, known

    def altered(self, part: Record) -> PackedRecord:
        """The record with what is different now, still not decoded when this one is not."""
        return PackedRecord(self._packed, {**self._known, **part})

    def __getitem__(self, key: str) -> Any:
        known = self._known
        return known[key] if key in known else self._whole()[key]

    def get(self, key: str, default: Any = None) -> Any:
        known = self._known
        return known[key] if key in known else self._whole().get(key, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedRecord):
            return (self._packed == other._packed and self._known == other._known) or self._whole() == other._whole()
        return self._whole() == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a dict's

    def __repr__(self) -> str:
        return f"PackedRecord({self._whole()!r})"

    def _whole(self) -> dict[str, Any]:
        if self._packed is not None:
            self._known = {**_decoded(self._packed), **self._known}
            self._packed = None
        return self._known


def _decoded(packed: bytes) -> Record:
    """A VM's record. What is none is shown as one of which nothing is known: it is too late to refuse it, and the UI goes on."""
    from volant.proto import cbor  # not needed for the first screen, and cbor2 takes some milliseconds

    try:
        record = cbor.loads(packed)
    except MalformedFrame:
        record = None
    if isinstance(record, dict):
        return shared(record)
    from volant.tui.past.rebuilding import BLANK

    return BLANK


def shared(record: Record) -> dict[str, Any]:
    """The record with its words kept once for all records: thousands of VMs have the same keys, and mostly the same values."""
    return {intern(key): intern(value) if type(value) is str else value for key, value in record.items()}


def field(record: Record, name: str) -> Any:
    """How filters read records of any kind; None where there is no such field."""
    return record.get(name)


class Vms(Mapping[str, Record]):
    """The VMs of one moment, by id. What is different of a known one is put into its record when somebody looks at it: where thousands
    change ten times a second, the records of few are ever made. Never changed, but for that; `told` gives those of the next moment."""

    __slots__ = ("_fields", "_parts", "_records", "_rows")

    def __init__(self, records: Mapping[str, Record] | None = None) -> None:
        self._records = dict(records or {})
        self._parts: dict[str, Record] = {}
        """By id, what is not in the records yet."""
        self._rows: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {}
        """By id, fields and their values that are not in the parts yet."""
        self._fields: frozenset[str] = frozenset()
        """All that the rows are about."""

    def told(self, *steps: Step) -> Vms:
        """Those after these steps. What is different of unknown ones is passed over."""
        later = Vms(self._records)
        later._parts, later._rows, later._fields = dict(self._parts), dict(self._rows), self._fields
        for step in steps:
            later._take(step)
        return later

    def _take(self, step: Step) -> None:
        records = self._records
        for vm_id in step.gone:
            if records.pop(vm_id, None) is not None:
                self._forget(vm_id)
        for record in step.items:
            vm_id = record["id"]
            self._forget(vm_id)
            records[vm_id] = record
        for part in step.altered:
            vm_id = part["id"]
            if vm_id in records:
                self._parts[vm_id] = {**self._unread(vm_id), **part}
        for alike in step.alike:
            self._take_alike(alike)

    def _take_alike(self, alike: Alike) -> None:
        fields, ids, rows = alike
        if not self._records.keys() >= set(ids):
            known = [(vm_id, row) for vm_id, row in zip(ids, rows, strict=True) if vm_id in self._records]
            ids, rows = tuple(vm_id for vm_id, _ in known), tuple(row for _, row in known)
        if self._fields.issubset(fields):
            self._fields = frozenset(fields)
        else:
            # What is overwritten below holds more than these fields.
            self._parts.update((vm_id, self._unread(vm_id)) for vm_id in ids if vm_id in self._rows)
            self._fields = self._fields.union(fields)
        self._rows.update(zip(ids, zip(repeat(fields), rows), strict=False))

    def _unread(self, vm_id: str) -> dict[str, Any]:
        """What is not in a record yet; from now on it counts as read."""
        part = dict(self._parts.pop(vm_id, ()))
        if vm_id in self._rows:
            part.update(zip(*self._rows.pop(vm_id), strict=True))
        return part

    def _forget(self, vm_id: str) -> None:
        self._parts.pop(vm_id, None)
        self._rows.pop(vm_id, None)

    def known(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of `ids` that there are."""
        return frozenset(self._records.keys() & ids)

    def __getitem__(self, vm_id: str) -> Record:
        record = self._records[vm_id]
        if vm_id in self._rows or vm_id in self._parts:
            part = self._unread(vm_id)
            record = self._records[vm_id] = record.altered(part) if isinstance(record, PackedRecord) else {**record, **part}
        return record

    def __contains__(self, vm_id: object) -> bool:
        return vm_id in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def values(self) -> ValuesView[Record]:
        return self._whole().values()

    def items(self) -> ItemsView[str, Record]:
        return self._whole().items()

    def _whole(self) -> dict[str, Record]:
        for vm_id in self._parts.keys() | self._rows.keys():
            self[vm_id]
        return self._records
