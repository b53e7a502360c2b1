"""Watching the list of VMs: the whole list first, then each change once, as it is when it is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.orchestra import Orchestra
from volant.daemon.rpc.app import App, Changes, Watch
from volant.proto import cbor
from volant.proto.api.vm import DeleteVm, ListVms, StopVm
from volant.proto.api.vm_watch import WatchVms
from volant.proto.errors import InvalidParams


@pytest.fixture
def orchestra(tmp_path: Path) -> Orchestra:
    return Orchestra(tmp_path)


def told(changes: Changes) -> dict[str, str]:
    """Names and states."""
    views = [(view["id"], view["name"], view["status"]) for view in map(cbor.loads, changes.encoded)]
    assert [(view.id, view.name, view.status) for view in changes.views] == views
    return {name: status for _, name, status in views}


async def until(watch: Watch, name: str, status: str) -> list[str]:
    """The states of one VM that are told until it is in `status`."""
    seen: list[str] = []
    with trio.fail_after(30):
        while status not in seen:
            await watch.wait_news()
            seen += [state for which, state in told(watch.take(100)).items() if which == name]
    return seen


async def test_the_whole_list_comes_first_and_an_empty_one_too(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        with app.vms.watch(WatchVms()) as watch:
            await watch.wait_news()
            empty = watch.take(10)
            assert (empty.encoded, empty.gone, empty.complete) == ((), (), True)
        await orchestra.install()
        for number in range(3):
            await orchestra.create(f"web-{number}", wait=None, start=False)
        with app.vms.watch(WatchVms()) as watch:
            first, second = watch.take(2), watch.take(2)
            assert (len(first.encoded), first.complete) == (2, False)
            assert (len(second.encoded), second.complete) == (1, True)


async def test_what_changes_is_told_and_what_goes_is_told_by_its_id(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        with app.vms.watch(WatchVms()) as watch:
            watch.take(10)
            vm = await orchestra.create("web")
            assert "ready" in await until(watch, "web", "ready")
            await app.vms.stop(StopVm(name="web"))
            await until(watch, "web", "stopped")
            await app.vms.delete(DeleteVm(name="web"))
            assert vm.id in await _gone(watch)


async def _gone(watch: Watch) -> tuple[str, ...]:
    with trio.fail_after(30):
        while True:
            await watch.wait_news()
            if gone := watch.take(100).gone:
                return gone


async def test_a_watcher_that_does_not_read_is_told_once_and_of_the_latest(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        with app.vms.watch(WatchVms()) as watch:
            watch.take(10)
            await orchestra.create("web")
            await app.vms.stop(StopVm(name="web"))
            await orchestra.create("short-lived", start=False, wait=None)
            await app.vms.delete(DeleteVm(name="short-lived"))
            changes = watch.take(10)
            assert told(changes) == {"web": "stopped"}
            assert changes.gone == ()
            assert changes.complete


async def test_of_what_was_told_before_only_the_differences_are_told_to_who_asks_so(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create("web")
        with app.vms.watch(WatchVms(deltas=True)) as watch:
            (whole,) = map(cbor.loads, watch.take(10).encoded)
            await app.vms.stop(StopVm(name="web"))
            changes = watch.take(10)
            assert changes.encoded == ()
            (altered,) = changes.altered
            assert next(iter(altered)) == "id"
            assert (altered["id"], altered["status"], altered["wanted"]) == (vm.id, "stopped", "stopped")
            assert "name" not in altered
            assert cbor.loads(app.vms.find(ListVms()).encoded[0]) == whole | altered


async def test_a_filter_makes_vms_come_and_go(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create("web")
        with app.vms.watch(WatchVms(filter="state:ready")) as watch:
            assert told(watch.take(10)) == {"web": "ready"}
            await app.vms.stop(StopVm(name="web"))
            assert await _gone(watch) == (vm.id,)
            assert _unknown_filter(app)


def _unknown_filter(app: App) -> bool:
    with pytest.raises(InvalidParams, match="no field 'colour'"):
        app.vms.watch(WatchVms(filter="colour:red"))
    return True
