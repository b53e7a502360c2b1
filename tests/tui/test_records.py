"""Records that are decoded late are in every way what they would be if they had been decoded at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.hello import hello
from tests.rig import rig
from tests.tui.desks import vm
from volant.proto import cbor
from volant.proto.api.vm_watch import VmChanges
from volant.proto.errors import MalformedFrame
from volant.proto.messages import PACKED
from volant.proto.plain import from_plain
from volant.tui.columns import VM
from volant.tui.feed import changed
from volant.tui.glyphs import Glyphs
from volant.tui.model import Changed, Record, Snapshot, reduce
from volant.tui.past.recording import news_line
from volant.tui.records import Alike, PackedRecord, Step, Vms, field

PARTS = st.lists(
    st.dictionaries(st.sampled_from(["status", "name", "cpu_cores", "labels", "exit_code"]), st.sampled_from(["a", "b", "c"]), max_size=3),
    max_size=4,
)
LOOKS = st.lists(st.integers(0, 4), max_size=3)
"""After how many parts somebody looks at all of the record."""


def packed(record: dict[str, Any]) -> PackedRecord:
    return PackedRecord(cbor.dumps(record), {name: record[name] for name in ("id", "name", "status")})


def item(*records: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Of `vm.watch`, with packed records."""
    columns = {
        "ids": [record["id"] for record in records],
        "names": [record["name"] for record in records],
        "statuses": [record["status"] for record in records],
        "records": [cbor.dumps(record) for record in records],
    }
    return {"items": [], "gone": [], "seq": 3, "complete": True, "packed": columns, **others}


@given(PARTS, LOOKS)
def test_it_is_the_same_record_whenever_it_is_looked_at(parts: list[dict[str, Any]], looks: list[int]) -> None:
    late, whole = packed(vm(1)), vm(1)
    for at, part in enumerate(parts):
        if at in looks:
            assert dict(late) == whole
        before = dict(whole)
        later = late.altered(part)
        whole = {**whole, **part}
        assert (later.get("status"), later["name"], later.get("nothing", 7)) == (whole["status"], whole["name"], 7)
        assert late == before, "an older snapshot still has it"
        late = later
    assert late == whole
    assert whole == late
    assert (len(late), set(late), field(late, "ip"), field(late, "nothing")) == (len(whole), set(whole), whole["ip"], None)
    assert late == packed(vm(1)).altered(whole)
    assert late != {**whole, "generation": -1}


IDS = [vm(number)["id"] for number in range(1, 5)]
TOLD = st.tuples(
    st.lists(st.integers(1, 4), max_size=2),
    st.lists(st.sampled_from([*IDS, "unknown"]), max_size=2),
    st.lists(st.tuples(st.sampled_from([*IDS, "unknown"]), st.sampled_from(["status", "pid"]), st.integers(0, 9)), max_size=4),
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["status", "pid", "boot"]), unique=True, min_size=1).map(tuple),
            st.lists(st.tuples(st.sampled_from([*IDS, "unknown"]), st.lists(st.integers(0, 9), min_size=3, max_size=3)), max_size=4),
        ),
        max_size=3,
    ),
    st.sampled_from(["nothing", "one", "all"]),
)


@given(st.lists(TOLD, max_size=8), st.booleans())
def test_what_was_told_is_there_whenever_somebody_looks(steps: list[Any], are_packed: bool) -> None:
    """And what each moment was stays so, however many come after it and whoever looks at them first."""
    vms, model = Vms(), dict[str, Record]()
    moments: list[tuple[Vms, dict[str, Record]]] = []
    for numbers, gone, altered, together, look in steps:
        groups = [
            Alike(fields, tuple(vm_id for vm_id, _ in rows), tuple(tuple(row[: len(fields)]) for _, row in rows))
            for fields, rows in together
        ]
        parts = [{"id": vm_id, name: value} for vm_id, name, value in altered]
        items = [packed(vm(number)) if are_packed else vm(number) for number in numbers]
        vms = vms.told(Step(gone, items, parts, groups))
        model = {vm_id: record for vm_id, record in model.items() if vm_id not in gone} | {
            vm(number)["id"]: vm(number) for number in numbers
        }
        for part in [*parts, *(part for group in groups for part in group.parts)]:
            if part["id"] in model:
                model[part["id"]] = {**model[part["id"]], **part}
        moments.append((vms, model))
        assert (len(vms), set(vms), [vm_id in vms for vm_id in IDS]) == (len(model), set(model), [vm_id in model for vm_id in IDS])
        if look == "one":
            assert vms.get(IDS[0]) == model.get(IDS[0])
        elif look == "all":
            assert dict(vms.items()) == model
    for then, known in reversed(moments):
        assert then == known
        assert list(then.values()) == [known[vm_id] for vm_id in then]


def test_what_does_not_change_stays_the_same_object() -> None:
    before = Vms({vm(number)["id"]: vm(number) for number in (1, 2)}).told(Step(altered=[{"id": vm(1)["id"], "pid": 5}]))
    seen = before[vm(1)["id"]]
    after = before.told(Step(altered=[{"id": vm(2)["id"], "pid": 6}]))
    assert after[vm(1)["id"]] is seen
    assert after[vm(2)["id"]] is not before[vm(2)["id"]]


def test_a_packed_list_is_the_list() -> None:
    records = [vm(number) for number in range(1, 5)]
    news = changed(item(*records))
    assert news == Changed(tuple(records), (), 3, True)
    plain = {"items": records, "gone": [], "seq": 3, "complete": True}
    assert changed(plain) == news, "an older daemon sends it so"
    snapshot, delta = reduce(Snapshot(), news)
    assert snapshot.vms == {record["id"]: record for record in records}
    assert delta.added == 4
    later, delta = reduce(snapshot, changed(item(altered=[{"id": vm(2)["id"], "status": "crashed", "pid": 0}])))
    assert later.vms[vm(2)["id"]] == {**vm(2), "status": "crashed", "pid": 0}
    assert sorted(delta.fields or ()) == ["pid", "status"]
    assert snapshot.vms[vm(2)["id"]] == vm(2)


def alike(fields: list[str], ids: list[str], *columns: list[Any]) -> dict[str, Any]:
    return {"fields": fields, "ids": ids, "columns": list(columns)}


def test_what_is_different_of_several_together_is_different_of_each() -> None:
    ids = [vm(1)["id"], vm(3)["id"]]
    snapshot, _ = reduce(Snapshot(), changed(item(vm(1), vm(2), vm(3))))
    news = changed(item(alike=[alike(["status", "pid"], ids, ["crashed", "failed"], [0, 1]), alike(["boot"], ids[:1], [9])]))
    later, delta = reduce(snapshot, news)
    assert (delta.changed, sorted(delta.fields or ()), delta.words) == (frozenset(ids), ["boot", "pid", "status"], "~2")
    assert dict(later.vms) == {
        vm(1)["id"]: {**vm(1), "status": "crashed", "pid": 0, "boot": 9},
        vm(2)["id"]: vm(2),
        vm(3)["id"]: {**vm(3), "status": "failed", "pid": 1},
    }


def test_records_are_recorded_as_they_were_told() -> None:
    told = json.loads(news_line(1.0, changed(item(vm(1), alike=[alike(["pid"], [vm(2)["id"]], [7])]))))[2]
    assert (told["items"], told["altered"]) == ([vm(1)], [{"id": vm(2)["id"], "pid": 7}])


def test_columns_that_do_not_fit_together_are_refused() -> None:
    broken = item(vm(1))
    broken["packed"]["names"] = []
    too_few = alike(["pid", "boot"], ["1"], [2])
    too_many = alike(["pid"], ["1"], [2, 3])
    for told in (broken, item(alike=[too_few]), item(alike=[too_many])):
        with pytest.raises(MalformedFrame, match="more of one thing"):
            changed(told)


@pytest.mark.parametrize("junk", [b"", b"\xff", b"\x03", cbor.dumps(["a list"])])
def test_what_is_no_record_is_a_line_with_nothing_in_it_but_what_stood_beside(junk: bytes) -> None:
    """Of a daemon that is broken. The screen goes on."""
    record: Record = PackedRecord(junk, {"id": "1", "name": "web", "status": "ready"})
    shown = [column.show(record, Glyphs(ascii=True), 0.0)[0] for column in VM]
    assert shown[:3] == ["web", "* ready", "-"]
    assert all(column.key(record) is not None for column in VM)


def test_a_real_daemon_packs_what_it_lists() -> None:
    with rig(hypervisor="fake", network="none") as host:
        host.start()
        host.volant("plugin", "install", hello(host.root))
        for name in ("web", "db"):
            host.volant("vm", "create", name, "--plugin", "hello", "--no-start")
        with host.client() as client:
            assert PACKED in client.daemon.features
            listed = client.call_plain("vm.list", {})["items"]
            with client.stream_plain("vm.watch", {"packed": True, "deltas": True}) as items:
                first = next(iter(items))
                snapshot, _ = reduce(Snapshot(), changed(first))
                assert dict(snapshot.vms) == {record["id"]: record for record in listed}
                host.volant("vm", "create", "cache", "--plugin", "hello", "--wait")
                host.volant("vm", "start", "web", "db", "--wait")
                listed = client.call_plain("vm.list", {})["items"]
                wanted = {record["id"]: record["generation"] for record in listed}
                later = []
                while {vm_id: record["generation"] for vm_id, record in snapshot.vms.items()} != wanted:
                    later.append(next(iter(items)))
                    snapshot, _ = reduce(snapshot, changed(later[-1]))
    assert all(from_plain(VmChanges, told).packed is not None and not told["items"] for told in (first, *later))
    assert any(told["alike"] for told in later)
    assert not any(told["altered"] for told in later)
    assert dict(snapshot.vms) == {record["id"]: record for record in listed}
