"""Named places: nobody is told unless somebody armed them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from volant.daemon.host.faultpoints import FaultPoint, arm, passed, passed_in_thread


class Recorder:
    """Notes what is passed, and raises at one place."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def passed(self, point: FaultPoint, vm_id: str) -> None:
        self.passed_in_thread(point, vm_id)

    def passed_in_thread(self, point: FaultPoint, vm_id: str) -> None:
        self.seen.append((point.id, vm_id))
        if point is FaultPoint.TAP_GONE:
            raise OSError("the disk fails")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    arm(made)
    yield made
    arm(None)


async def test_places_that_nobody_armed_are_passed_in_silence() -> None:
    await passed(FaultPoint.TAP_GONE)
    passed_in_thread(FaultPoint.TAP_MADE, "0a0000000001")


async def test_who_armed_them_is_told_and_may_raise(recorder: Recorder) -> None:
    await passed(FaultPoint.VMM_SPAWNED, "0a0000000001")
    passed_in_thread(FaultPoint.TAP_MADE)
    with pytest.raises(OSError, match="the disk fails"):
        await passed(FaultPoint.TAP_GONE)
    assert recorder.seen == [("F16", "0a0000000001"), ("F11", ""), ("S6", "")]
