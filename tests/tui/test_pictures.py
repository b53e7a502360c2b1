"""The pictures of README and docs show the screens as they are."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.tui.pictures import COMMAND, FOLDER, PICTURES, drawn

MAX_BYTES = 40_000
"""Of one picture: a README with all of them stays light."""


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_is_fresh_small_and_well_formed(name: str) -> None:
    picture = drawn(name)
    assert (FOLDER / f"tui-{name}.svg").read_text() == picture, f"if it is meant to look so: {COMMAND}"
    assert len(picture) < MAX_BYTES
    ElementTree.fromstring(picture)


def test_no_picture_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("tui-*.svg")} == {f"tui-{name}.svg" for name in PICTURES}
