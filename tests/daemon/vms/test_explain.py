"""What `volant explain` can say: requests, steps, the agent's words and the console, and what led to what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestra import Orchestra
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import Asker
from volant.daemon.vms.timeline import timeline
from volant.proto.api.event import Event
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.api.vm_config import PatchVm
from volant.proto.api.vm_explain import ExplainVm, Source, Timeline, TimelineEntry
from volant.proto.errors import Denied, HostShort, LaunchFailed, NoSuchVm
from volant.proto.specs.states import WaitFor

ANNA = Asker("uid:1000(anna)", "pid 4711 (volant)")


@pytest.fixture
def orchestra(tmp_path: Path) -> Orchestra:
    return Orchestra(tmp_path)


def causes(found: Timeline) -> list[tuple[str, str]]:
    """Each event's kind with that of its cause."""
    kinds = {item.seq: item.kind for item in found.items}
    return [(item.kind, kinds.get(item.caused_by or 0, "")) for item in found.items if item.seq and item.source is not Source.STEP]


def text_of(found: Timeline, kind: str) -> list[str]:
    return [item.text for item in found.items if item.kind == kind]


async def test_a_life_is_told_with_what_led_to_what(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create()
        await app.configs.patch(PatchVm(name="web", memory_mb=256), ANNA)
        await app.vms.stop(StopVm(name="web"), by=ANNA)
        found = await app.explainer.explain(ExplainVm(name="web"))
        assert causes(found) == [
            ("VM_CREATED", ""),
            ("VM_STARTING", "VM_CREATED"),
            ("VM_RUNNING", "VM_STARTING"),
            ("VM_AGENT", "VM_RUNNING"),
            ("VM_AGENT", "VM_RUNNING"),
            ("VM_READY", "VM_AGENT"),
            ("VM_CONFIGURED", ""),
            ("VM_REQUEST", ""),
            ("VM_STOPPING", "VM_REQUEST"),
            ("VM_STOPPED", "VM_STOPPING"),
        ]
        assert (found.name, found.id, found.exists, found.status, found.is_whole) == ("web", vm.id, True, "stopped", True)
        assert text_of(found, "VM_CREATED") == ["created of plugin hello 1.0.0 by test"]
        assert text_of(found, "VM_REQUEST") == ["stop asked by uid:1000(anna), pid 4711 (volant)"]
        assert [item.seq for item in found.items if item.seq] == sorted(item.seq for item in found.items if item.seq)


async def test_a_failed_start_tells_step_code_and_hint(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU says no", hint="ask QEMU"))
        with pytest.raises(LaunchFailed):
            await orchestra.create()
        found = await app.explainer.explain(ExplainVm(name="web"))
        step, hint = (next(item for item in found.items if item.source is source) for source in (Source.STEP, Source.HINT))
        failed = next(item for item in found.items if item.kind == "VM_FAILED")
        assert step.text.startswith("start the VMM failed: QEMU says no [")
        assert failed.caused_by == step.seq
        assert hint.text == "ask QEMU" and (hint.seq, hint.time) == (0, "")
        orchestra.host.behaviour = Behaviour()
        await app.vms.start(StartVm(name="web", wait=WaitFor.READY), by=ANNA)
        again = await app.explainer.explain(ExplainVm(name="web"))
        assert text_of(again, "VM_REQUEST") == ["start asked by uid:1000(anna), pid 4711 (volant)"]
        assert ("VM_STARTING", "VM_REQUEST") in causes(again)


async def test_a_panic_is_explained_also_when_the_vm_is_gone(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create()
        orchestra.guest().crash()
        await app.vms.wait_ended("web")
        await app.vms.delete(DeleteVm(name="web"), by=ANNA)
        for name in ("web", vm.id):
            found = await app.explainer.explain(ExplainVm(name=name))
            assert (found.exists, found.status) == (False, "")
            at = next(number for number, item in enumerate(found.items) if item.kind == "VM_CRASHED")
            assert found.items[at - 1].source is Source.CONSOLE and "Kernel panic" in "".join(item.text for item in found.items[:at])
            assert causes(found)[-2:] == [("VM_REQUEST", ""), ("VM_DELETED", "VM_REQUEST")]
        with pytest.raises(NoSuchVm):
            await app.explainer.explain(ExplainVm(name="never-was"))


async def test_a_name_that_was_used_before_means_the_newest_vm(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        first = await orchestra.create()
        await app.vms.delete(DeleteVm(name="web", force=True))
        second = await orchestra.create()
        found = await app.explainer.explain(ExplainVm(name="web"))
        assert (found.id, found.earlier) == (second.id, (first.id,))
        assert text_of(await app.explainer.explain(ExplainVm(name=first.id)), "VM_DELETED") == ["deleted"]


async def test_only_the_newest_boots_are_told_unless_more_is_asked(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        for _ in range(3):
            await app.vms.restart(RestartVm(name="web", wait=WaitFor.READY), by=ANNA)
        newest = await app.explainer.explain(ExplainVm(name="web", boots=1))
        assert (newest.items[0].kind, text_of(newest, "VM_STARTING")) == ("VM_REQUEST", ["boot 4 starts"])
        assert len(text_of(await app.explainer.explain(ExplainVm(name="web", boots=0)), "VM_STARTING")) == 4


async def test_a_refusal_is_told_once_with_its_reason(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        for _ in range(3):
            with pytest.raises(Denied):
                await app.vms.delete(DeleteVm(name="web"), by=ANNA)
        found = await app.explainer.explain(ExplainVm(name="web"))
        (refused,) = text_of(found, "VM_REQUEST")
        assert "delete asked by uid:1000(anna)" in refused and "denied: VM 'web' is ready" in refused and "[conflict.state]" in refused
        await app.vms.stop(StopVm(name="web"))
        await app.configs.patch(PatchVm(name="web", memory_mb=1_000_000), ANNA)
        with pytest.raises(HostShort):
            await app.vms.start(StartVm(name="web"), by=ANNA)
        assert "MiB are free" in text_of(await app.explainer.explain(ExplainVm(name="web")), "VM_REQUEST")[-1]


async def test_the_next_daemon_says_that_it_has_taken_the_vm_over(orchestra: Orchestra) -> None:
    async with orchestra.killed():
        await orchestra.install()
        await orchestra.create()
    async with orchestra.playing() as app:
        await app.vms.wait(WaitVm(name="web", until=WaitFor.READY))
        answers = text_of(await app.explainer.explain(ExplainVm(name="web")), "VM_AGENT")[::2]
        assert answers == ["the agent answers", "the agent answers the volantd that has taken the VM over"]


async def test_a_boot_is_few_and_small_events(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        events = await app.store.events(after=0, limit=100, vm="web")
        assert len(events) <= 10
        assert all(len(str(event.data)) < 1_000 for event in events)


def test_console_lines_stand_once_and_where_their_boot_is() -> None:
    def event(seq: int, kind: str, **data: object) -> Event:
        return Event(seq=seq, time=f"t{seq}", kind=kind, vm="web", vm_id="a", message="", data={"boot": 1, **data})

    events = [
        event(1, "VM_STARTING", console=100),
        event(2, "VM_RUNNING"),
        event(3, "VM_READY"),
        event(4, "VM_READY"),
        event(5, "VM_STARTING", boot=2, console=900),
        event(6, "VM_STARTING", boot=3, console=1_500),
        event(7, "VM_READY", boot=3),
    ]
    asked: list[tuple[int, int | None]] = []

    def console(start: int, end: int | None) -> list[str]:
        asked.append((start, end))
        return ["[    0.1] Linux", "kestrel: ready", "something else"]

    found = timeline(events, console, boots=0)
    assert asked == [(100, 900), (1_500, None)]
    line = TimelineEntry(time="", seq=0, source=Source.CONSOLE, kind="", text="kestrel: ready", boot=1)
    assert [item.seq for item in found] == [1, 2, 0, 3, 4, 5, 6, 0, 7] and found[2] == line
