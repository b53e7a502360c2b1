"""What the matrix is made of, and how it judges what it finds: by value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from volant.daemon.host.faultpoints import FaultPoint, Request
from volant.selftest.__main__ import as_document, grid, summary
from volant.selftest.cases import Case, Harm, matrix
from volant.selftest.evidence import Evidence, Row, complaints
from volant.selftest.trial import Outcome

TAP = "vol0123456789ab"
READY = Row(id="0a0000000001", name="web", state="ready", tap=TAP, ip="192.168.127.2", pid=42)
STOPPED = replace(READY, id="0a0000000002", name="db", state="stopped", tap="vol0123456789cd", ip="192.168.127.3", pid=0)

CLEAN = Evidence(
    rows=(READY, STOPPED),
    owned=frozenset({("process", READY.id, READY.id), ("tap", TAP, READY.id), ("folder", "/s/vms/db", STOPPED.id)}),
    leases=frozenset({(READY.ip, READY.id), (STOPPED.ip, STOPPED.id)}),
    integrity="ok",
    processes={42: "vmm"},
    taps={TAP: "vbr0"},
    let_in=frozenset({TAP}),
    folders=frozenset({READY.id, STOPPED.id}),
    runtime_folders=frozenset({READY.id}),
)


def test_every_point_has_every_harm_that_can_happen_there() -> None:
    cases = matrix()
    assert len({case.id for case in cases}) == len(cases) >= 224
    assert len(FaultPoint) >= 32
    for point in FaultPoint:
        harms = {case.harm for case in cases if case.point is point}
        assert harms == (set(Harm) if point.has_vmm else set(Harm) - {Harm.KILL_VMM})


def test_the_matrix_is_cut_to_what_is_asked_for() -> None:
    assert [case.id for case in matrix(["F3", "S1"], ["kill-vmm", "eio"])] == ["F3-eio", "S1-kill-vmm", "S1-eio"]
    assert {case.point for case in matrix(harms=["hang"])} == set(FaultPoint)


def test_ids_follow_the_life_of_a_vm() -> None:
    letters = {Request.CREATE: "F", Request.START: "F", Request.STOP: "S", Request.DELETE: "D"}
    for letter in "FSD":
        points = [point for point in FaultPoint if point.id.startswith(letter)]
        assert [point.id for point in points] == [f"{letter}{number}" for number in range(1, len(points) + 1)]
        assert all(letters[point.request] == letter for point in points)


def test_a_clean_host_has_nothing_to_complain_of() -> None:
    assert list(complaints(CLEAN)) == []


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (replace(CLEAN, processes={42: "vmm", 43: "another vmm"}), "nobody owns process 43: another vmm"),
        (replace(CLEAN, processes={}), "VM web is ready, and its process 42 is not there"),
        (replace(CLEAN, taps={TAP: "vbr0", STOPPED.tap: "vbr0"}), f"nobody owns the tap {STOPPED.tap}"),
        (replace(CLEAN, taps={}), f"tap {TAP} is missing"),
        (replace(CLEAN, taps={TAP: ""}), f"tap {TAP} is no port of a bridge"),
        (replace(CLEAN, let_in=frozenset()), f"firewall entry {TAP} is missing"),
        (replace(CLEAN, let_in=frozenset({TAP, STOPPED.tap})), f"nobody owns the firewall entry {STOPPED.tap}"),
        (replace(CLEAN, leases=CLEAN.leases | {("192.168.127.9", "gone")}), "nobody owns the lease of 192.168.127.9"),
        (replace(CLEAN, leases=frozenset({(READY.ip, READY.id)})), "VM db has the address 192.168.127.3, and no lease of it"),
        (replace(CLEAN, owned=frozenset({("disk", "/d", "gone")})), "the row of disk /d has no VM"),
        (replace(CLEAN, owned=frozenset({("tap", "t", STOPPED.id)})), "the row of tap t is left of a VM that does not run"),
        (replace(CLEAN, folders=CLEAN.folders | {"gone"}), "nobody owns the folder of disks gone"),
        (replace(CLEAN, runtime_folders=CLEAN.folders), f"nobody owns the folder of sockets {STOPPED.id}"),
        (replace(CLEAN, strange_files=frozenset({"/s/.x.tmp"})), "nobody knows the file /s/.x.tmp"),
        (replace(CLEAN, rows=(READY, replace(STOPPED, state="stopping"))), "VM db is stopping"),
        (replace(CLEAN, integrity="row 3 missing from index"), "the database is damaged: row 3 missing from index"),
    ],
)
def test_each_kind_of_leftover_is_told(seen: Evidence, says: str) -> None:
    assert list(complaints(seen)) == [says]


def test_the_outcomes_become_a_table_and_a_document() -> None:
    fine = Outcome(Case(FaultPoint.TAP_MADE, Harm.EIO), "", 0.25, 0.5)
    bad = Outcome(Case(FaultPoint.TAP_MADE, Harm.HANG), "a tap is left", 5.1, 6.0)
    (row,) = grid([bad, fine])
    assert (row["point"], row["eio"], row["hang"]) == ("F11", "ok", "WRONG")
    document = as_document([bad, fine], 7.0)
    assert [case["id"] for case in document["cases"]] == ["F11-hang", "F11-eio"]
    assert (document["total"], document["wrong"], document["slowest_settled_ms"]) == (2, 1, 5100)
    assert summary([fine], 7.0) == "1 cases in 7.0s, none went wrong; all was clean at most 250ms after the harm"
    assert "1 went wrong" in summary([bad, fine], 7.0)
