"""Rows: order, filter and selection are after any changes what they would be if everything were done anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import vm
from volant.tui import columns
from volant.tui.model import Delta, Record
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
