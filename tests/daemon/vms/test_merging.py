"""Lines of many VMs that wait for one reader: nothing is lost within the bound, and beyond it whoever prints most loses most."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.vms.merging import LINE_BYTES, LINES_AT_ONCE, Merged, Start

WEB, DB = Start("w" * 12, "web", 1), Start("d" * 12, "db", 1)


def line(seq: int, text: str = "x") -> dict[str, Any]:
    return {"seq": seq, "time": "2026-01-31T12:00:00.000Z", "stream": "stdout", "text": text}


def drained(merged: Merged) -> dict[Start, list[int]]:
    """The numbers of the lines that each still has to say."""
    found: dict[Start, list[int]] = {}
    while pieces := merged.take():
        for start, lines, _ in pieces:
            found.setdefault(start, []).extend(each["seq"] for each in lines)
    return found


def test_everyone_gets_a_turn_and_an_end_comes_last() -> None:
    merged = Merged()
    for seq in range(1, 2 * LINES_AT_ONCE + 2):
        merged.add(WEB, line(seq))
    merged.add(DB, line(1))
    merged.end(WEB, "stopped")
    told = []
    while pieces := merged.take():
        told.append([(start.name, len(lines), ended) for start, lines, ended in pieces])
    assert told == [[("web", LINES_AT_ONCE, ""), ("db", 1, "")], [("web", LINES_AT_ONCE, "")], [("web", 1, "stopped")]]
    assert merged.size == 0


def test_a_flood_drowns_nobody_else() -> None:
    merged = Merged(most=100 * LINE_BYTES)
    for seq in range(1, 11):
        merged.add(DB, line(seq))
    for seq in range(1, 10_001):
        merged.add(WEB, line(seq))
    assert merged.size <= 100 * LINE_BYTES
    found = drained(merged)
    assert found[DB] == list(range(1, 11))
    assert found[WEB] == list(range(found[WEB][0], 10_001)) and len(found[WEB]) > 30


@given(st.lists(st.tuples(st.sampled_from([WEB, DB]), st.integers(0, 3_000)) | st.none(), max_size=80))
def test_order_is_kept_and_the_bound_too(steps: list[tuple[Start, int] | None]) -> None:
    """None: the reader takes a piece of each."""
    merged = Merged(most=10_000)
    seen: dict[Start, list[int]] = {WEB: [], DB: []}
    for seq, step in enumerate(steps, 1):
        if step is None:
            for start, lines, _ in merged.take():
                seen[start] += [each["seq"] for each in lines]
        else:
            merged.add(step[0], line(seq, "x" * step[1]))
            assert 0 <= merged.size <= 10_000
    for start, rest in drained(merged).items():
        seen[start] += rest
    assert merged.size == 0
    for start, told in seen.items():
        said = [seq for seq, step in enumerate(steps, 1) if step is not None and step[0] == start]
        assert told == sorted(told) and set(told) <= set(said)
