"""Rows: order, filter and selection are after any changes what they would be if everything were done anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import vm
from volant.tui import columns
from volant.tui.model import Changed, Delta, Record, Snapshot, reduce
from volant.tui.rows import Rows

KEYS = {column.id: column.key for column in columns.VM}


def rows_of(*vms: dict[str, Any], by: str = "name") -> Rows:
    rows = Rows(KEYS[by])
    rows.update({one["id"]: one for one in vms}, Delta(frozenset(one["id"] for one in vms)))
    return rows


def names(rows: Rows) -> list[str]:
    return [str(record["name"]) for record in rows.records(rows.order)]


@pytest.mark.parametrize(
    ("by", "reverse", "expected"),
    [
        ("name", False, ["a", "b", "c"]),
        ("name", True, ["a", "b", "c"]),
        ("memory_mb", False, ["b", "a", "c"]),
        ("memory_mb", True, ["a", "c", "b"]),
        ("status", False, ["c", "b", "a"]),
        ("ip", False, ["b", "c", "a"]),
        ("created_at", False, ["c", "a", "b"]),
    ],
)
def test_orders(by: str, reverse: bool, expected: list[str]) -> None:
    """Names go up within what is equal, whichever way the column goes."""
    rows = rows_of(
        vm(1, "a", memory_mb=512, ip="10.0.0.10", created_at="2026-01-02T00:00:00Z"),
        vm(2, "b", memory_mb=256, status="starting", ip="10.0.0.2", created_at="2026-01-01T00:00:00Z"),
        vm(3, "c", memory_mb=512, status="failed", ip="10.0.0.9", created_at="2026-01-03T00:00:00Z"),
    )
    rows.sort(KEYS[by], reverse=reverse)
    assert names(rows) == (expected if by != "name" or not reverse else ["a", "b", "c"])


def test_the_selected_row_stays_selected_where_it_moves_and_gives_its_place_when_it_goes() -> None:
    vms = [vm(number, name) for number, name in enumerate("abcd", 1)]
    rows = rows_of(*vms)
    rows.go(1)
    renamed = {**{one["id"]: one for one in vms}, vms[1]["id"]: vm(2, "z")}
    rows.update(renamed, Delta(frozenset({vms[1]["id"]})))
    assert (rows.record or {})["name"] == "z"
    assert rows.position == 3
    del renamed[vms[1]["id"]]
    rows.update(renamed, Delta(gone=frozenset({vms[1]["id"]})))
    assert (rows.record or {})["name"] == "d"


def test_nothing_is_selected_among_none() -> None:
    rows = rows_of()
    rows.move(1)
    assert (rows.selected, rows.record, rows.position) == ("", None, 0)


CHANGES = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), max_size=4), st.lists(st.integers(1, 8), max_size=3)), max_size=10
)


@given(CHANGES, st.booleans())
def test_change_by_change_is_the_same_as_all_at_once(changes: list[Any], reverse: bool) -> None:
    rows, records = rows_of(by="cpu_cores"), dict[str, Record]()
    takes = lambda record: record["cpu_cores"] != 2  # noqa: E731
    rows.filter(takes)
    rows.sort(KEYS["cpu_cores"], reverse=reverse)
    for altered, gone in changes:
        came = {vm(number)["id"]: vm(number, cpu_cores=cores) for number, cores in altered}
        went = {vm(number)["id"] for number in gone} & records.keys() - came.keys()
        records = {vm_id: one for vm_id, one in (records | came).items() if vm_id not in went}
        rows.update(records, Delta(frozenset(came), frozenset(went)))
    anew = Rows(KEYS["cpu_cores"])
    anew.filter(takes)
    anew.sort(KEYS["cpu_cores"], reverse=reverse)
    anew.update(records, Delta(whole=True))
    assert rows.order == anew.order
    assert (rows.selected in rows.order) is bool(rows.order)
    assert rows.total == len(records)


class Watching(dict[str, Any]):
    """A record that notes which of its fields are read."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("column", columns.VM_WITH_USAGE, ids=lambda column: str(column.id))
def test_a_column_of_vms_is_sorted_by_its_own_field_alone(column: columns.Column) -> None:
    record = Watching({**vm(1), "cpu_percent": 1.0, "resident_mb": 2.0})
    column.key(record)
    assert record.read <= {column.id}


FIELDS = ("cpu_cores", "memory_mb", "name")
PARTS = st.lists(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(FIELDS), st.integers(0, 3)), max_size=4), max_size=8)


@given(PARTS, st.sampled_from(FIELDS), st.booleans(), st.booleans())
def test_what_is_told_by_its_fields_orders_as_all_at_once(told: list[Any], by: str, reverse: bool, filtered: bool) -> None:
    """Whichever fields change, and whether or not the rows were looked at anew for them."""
    rows = Rows(KEYS[by], field=by)
    rows.sort(KEYS[by], reverse=reverse, field=by)
    rows.filter((lambda record: record["memory_mb"] != 2) if filtered else None)
    snapshot = Snapshot()
    snapshot, delta = reduce(snapshot, Changed(tuple(vm(number) for number in range(1, 7)), (), 1, True))
    rows.update(snapshot.vms, delta)
    for parts in told:
        altered = tuple(
            {"id": vm(number)["id"], field: f"{value}-{number}" if field == "name" else value} for number, field, value in parts
        )
        snapshot, delta = reduce(snapshot, Changed((), (), 1, True, altered))
        rows.update(snapshot.vms, delta)
    anew = Rows(KEYS[by])
    anew.sort(KEYS[by], reverse=reverse)
    anew.filter((lambda record: record["memory_mb"] != 2) if filtered else None)
    anew.update(snapshot.vms, Delta(whole=True))
    assert rows.order == anew.order
    assert rows.records(rows.order) == anew.records(anew.order)


def test_what_a_filter_does_to_the_cursor_does_not_depend_on_who_looked_meanwhile() -> None:
    for looks in (True, False):
        rows = rows_of(vm(1, "a"), vm(2, "b"), vm(3, "c"))
        assert rows.record is not None
        rows.filter(lambda record: record["name"] == "c")
        if looks:
            assert names(rows) == ["c"]
        rows.filter(None)
        assert rows.record["name"] == "c"
