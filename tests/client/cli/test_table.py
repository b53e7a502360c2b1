"""Tables at the widths people have."""

from __future__ import annotations

import pytest

from tests.client.cli.records import vm
from volant.client.cli.columns import VM
from volant.client.cli.table import Column, fit, render
from volant.client.cli.text import width_of

TABLE = [column for column in VM if not column.wide]
RECORDS = [
    vm("web-1"),
    vm(
        "a-name-as-long-as-names-may-get-which-is-sixty-three-characters",
        status="failed",
        reason="the guest's kernel panicked: no init found",
    ),
    vm("世界", plugin="\x1b[31mred\x1b]0;title\x07", status="stopped", ip=""),
]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_every_line_fits(width: int) -> None:
    lines = render(TABLE, RECORDS, width=width, header=True, colour=False)
    assert len(lines) == 4
    assert max(width_of(line) for line in lines) <= max(width, 22)  # NAME and STATUS stay, whatever happens
    assert lines[0].startswith("NAME") and "STATUS" in lines[0]


def test_what_goes_first_when_room_is_short() -> None:
    def titles(width: int) -> list[str]:
        return render(TABLE, [vm("web-1", reason="why")], width=width, header=True, colour=False)[0].split()

    assert titles(200) == ["NAME", "STATUS", "PLUGIN", "CPUS", "MEMORY", "IP", "AGE", "REASON"]
    assert "REASON" not in titles(55)
    assert titles(40) == ["NAME", "STATUS", "PLUGIN", "IP"]


def test_a_name_is_cut_with_an_ellipsis_only_where_it_must_be() -> None:
    narrow = render(TABLE, RECORDS, width=80, header=False, colour=False)
    assert "…" in narrow[1]
    assert RECORDS[1]["name"] in render(TABLE, RECORDS, width=None, header=False, colour=False)[1]


def test_hostile_text_stays_text() -> None:
    lines = render(TABLE, RECORDS, width=200, header=True, colour=False)
    assert not any("\x1b" in line or "\x07" in line for line in lines)
    assert r"\x1b[31mred" in lines[3]


def test_colour_marks_the_state_and_changes_no_width() -> None:
    plain = render(TABLE, RECORDS, width=80, header=True, colour=False)
    coloured = render(TABLE, RECORDS, width=80, header=True, colour=True)
    import re

    assert [re.sub(r"\x1b\[[0-9]*m", "", line).rstrip() for line in coloured] == plain
    assert "\x1b[31mfailed" in coloured[2]


def test_columns_line_up_with_wide_characters() -> None:
    lines = render(
        [Column("A", "a"), Column("B", "b")], [{"a": "世界", "b": "x"}, {"a": "abc", "b": "x"}], width=None, header=False, colour=False
    )
    assert [width_of(line.partition("x")[0]) for line in lines] == [6, 6]


def test_fit_keeps_what_never_goes() -> None:
    shown, widths = fit([Column("A", "a"), Column("B", "b", keep=1)], [30, 5], 10)
    assert shown == [0] and widths[0] == 30
