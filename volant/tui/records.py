"""Records of VMs, decoded when somebody looks: of thousands a screen shows a few tens, and decoding all takes longer than all else.

What every list is about (id, name, state) comes beside the encoded record, so that sorting by name and counting decode nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from sys import intern
from typing import Any

from volant.proto import cbor
from volant.proto.errors import MalformedFrame

Record = Mapping[str, Any]
"""A plain record of the API."""


class PackedRecord(Mapping[str, Any]):
    """An encoded record and what is known of it without decoding. Equal to any record with the same fields; never changed."""

    __slots__ = ("_known", "_packed")

    def __init__(self, packed: bytes, known: dict[str, Any]) -> None:
        """`known` counts where it differs from what is encoded."""
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
        if self._packed:
            self._packed, self._known = b"", {**_decoded(self._packed), **self._known}
        return self._known


def _decoded(packed: bytes) -> Record:
    """A VM's record. What is none is shown as one of which nothing is known: it is too late to refuse it, and the UI goes on."""
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


def alter(records: dict[str, Record], parts: Iterable[Record]) -> None:
    """Put what is different of known records into `records`, which are by id. Each becomes another object."""
    for part in parts:
        vm_id = part["id"]
        record = records[vm_id]
        records[vm_id] = record.altered(part) if type(record) is PackedRecord else {**record, **part}
