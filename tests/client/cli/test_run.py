"""`volant run` as a supervisor meets it: a process with output, signals and an exit code, above a daemon that may come and go."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.client.cli.runs import ready, run, vm
from tests.orchestra import Orchestra
from tests.patience import wait_until
from volant.client.cli.running.outcome import CRASHED, FENCED, KILLED
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.proto.specs.states import VmState

# -------------------------------------------------------------------------------------------------------------------- the whole way


async def test_the_workloads_output_and_exit_code_are_ours_and_the_vm_stays(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as runner:
            await ready(house)
            house.guest().log("to stdout")
            house.guest().log("to stderr", "stderr")
            house.guest().log("the agent's own word", "agent")
            house.guest().turn("exited", message="it exited with code 7", exit_code=7)
            assert await runner.ended() == 7
            assert runner.out == "workload started\nto stdout\n" and runner.err == "to stderr\n"
        found = vm(house)
        assert found and (found.status, found.exit_code, found.restart) == (VmState.STOPPED, 7, "no")
        assert found.lease and not found.lease.holder


async def test_rm_removes_the_vm(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "--rm", "hello", "web") as runner:
            await ready(house)
            house.guest().turn("exited", exit_code=0)
            assert await runner.ended() == 0
        assert vm(house) is None


async def test_a_crash_has_a_code_and_a_sentence_of_its_own(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as runner:
            await ready(house)
            house.guest().crash()
            assert await runner.ended() == CRASHED
            assert runner.err.startswith("error: VM 'web' crashed: the guest's kernel panicked")


async def test_a_guest_that_powers_off_by_itself_has_ended_well(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as runner:
            await ready(house)
            house.guest().power_off()
            assert await runner.ended() == 0


async def test_what_is_asked_for_the_vm_goes_into_it(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "--name", "web", "--memory", "192M", "--restart", "on-failure:1", "--engine-id", "unit-7", "hello") as runner:
            await ready(house)
            found = vm(house)
            assert found and (found.memory_mb, found.restart) == (192, "on-failure:1")
            assert found.lease and found.lease.engine_id == "unit-7"
            await wait_until(lambda: runner.out == "workload started\n")
            house.guest().crash()
            await wait_until(lambda: (view := vm(house)) is not None and view.boot == 2 and view.status is VmState.READY)
            assert runner.process.poll() is None  # the policy's second start is ours too
            house.guest().log("once more")
            await wait_until(lambda: runner.out == "workload started\n" * 2 + "once more\n")
            runner.signal()
            assert await runner.ended() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nope", "web"), "no plugin 'nope' is installed"),
        (("--reattach", "--name", "web"), "there is no VM named 'web'"),
    ],
)
async def test_our_own_failures_are_125(house: Orchestra, words: tuple[str, ...], says: str) -> None:
    async with house.playing(), run(house, *words) as runner:
        assert await runner.ended() == 125
        assert says in runner.err


async def test_a_workload_that_cannot_be_started_ends_as_in_a_shell(house: Orchestra) -> None:
    house.host.behaviour = Behaviour(ready_s=float("inf"))
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as runner:
            await wait_until(lambda: (view := vm(house)) is not None and view.status is VmState.RUNNING)
            house.guest().turn("failed", message="the workload could not be started: 'serve' was not found", exit_code=127)
            assert await runner.ended() == 127
            assert "'serve' was not found" in runner.err


async def test_a_vm_that_is_deleted_below_us_ends_us_with_a_sentence(house: Orchestra) -> None:
    from volant.proto.api.vm import DeleteVm

    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as runner:
            await ready(house)
            await house.app.vms.delete(DeleteVm(name="web", force=True))
            assert await runner.ended() == KILLED


# -------------------------------------------------------------------------------------------------------------- signals and manager


async def test_a_manager_hears_ready_and_stopping_and_a_term_stops_the_vm_gracefully(house: Orchestra) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(house.root / "notify"))
        manager.setblocking(False)
        heard: list[str] = []

        def told(line: str) -> bool:
            try:
                while True:
                    heard.extend(manager.recv(4_096).decode().split("\n"))
            except BlockingIOError:
                return line in heard

        async with house.playing():
            await house.install()
            async with run(house, "hello", "web", NOTIFY_SOCKET=str(house.root / "notify")) as runner:
                await wait_until(lambda: told("READY=1"))
                assert vm(house).status is VmState.READY  # type: ignore[union-attr]
                runner.signal()
                await wait_until(lambda: told("STOPPING=1"))
                assert await runner.ended() == 128 + signal.SIGTERM
            found = vm(house)
            assert found and (found.status, found.exit_signal) == (VmState.STOPPED, signal.SIGTERM)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_does_not_wait_for_the_grace(house: Orchestra, second: int) -> None:
    house.host.behaviour = Behaviour(ignores_shutdown=True)
    async with house.playing():
        await house.install()
        async with run(house, "--grace", "1h", "hello", "web") as runner:
            await ready(house)
            runner.signal(signal.SIGINT)
            await wait_until(lambda: vm(house).status is VmState.STOPPING)  # type: ignore[union-attr]
            assert runner.process.poll() is None
            runner.signal(second)
            await runner.ended()
            assert vm(house).status is VmState.STOPPED  # type: ignore[union-attr]


async def test_the_grace_ends_a_guest_that_does_not_heed(house: Orchestra) -> None:
    house.host.behaviour = Behaviour(mute=True)
    async with house.playing():
        await house.install()
        async with run(house, "--grace", "200ms", "hello", "web") as runner:
            await wait_until(lambda: (view := vm(house)) is not None and view.status is VmState.RUNNING)
            runner.signal()
            assert await runner.ended() == KILLED


# ------------------------------------------------------------------------------------------------------------ kill and come back


async def test_a_killed_runner_leaves_the_vm_and_the_next_goes_on_without_a_gap(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as first:
            await ready(house)
            house.guest().log("one")
            await wait_until(lambda: first.out == "workload started\none\n")
            await wait_until(lambda: house.app.leases._cursor(house.app.vms.owner("web").book.record) == "logs 1 2")  # type: ignore[attr-defined]
            first.signal(signal.SIGKILL)
            await first.ended()
        house.guest().log("two")
        await wait_until(lambda: not vm(house).lease.connected)  # type: ignore[union-attr]
        assert vm(house).status is VmState.READY  # type: ignore[union-attr]
        async with run(house, "--reattach", "--name", "web") as second:
            await ready(house, token=2)
            house.guest().log("three")
            house.guest().turn("exited", exit_code=9)
            assert await second.ended() == 9
            assert second.out == "two\nthree\n"


async def test_an_end_while_nobody_was_there_is_told_once_and_then_it_starts_again(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as first:
            await ready(house)
            first.signal(signal.SIGKILL)
            await first.ended()
        house.guest().turn("exited", exit_code=4)
        house.guest().power_off()
        await wait_until(lambda: vm(house).status is VmState.STOPPED)  # type: ignore[union-attr]
        await wait_until(lambda: not vm(house).lease.connected)  # type: ignore[union-attr]
        async with run(house, "--reattach", "--name", "web", "hello") as second:
            assert await second.ended() == 4
        async with run(house, "--reattach", "--name", "web", "hello") as third:
            await ready(house, boot=2, token=3)
            third.signal()
            assert await third.ended() == 128 + signal.SIGTERM


async def test_reattach_makes_the_vm_where_there_is_none(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "--reattach", "--name", "web", "hello") as runner:
            await ready(house)
            runner.signal()
            await runner.ended()


async def test_a_newer_runner_takes_over_and_the_older_one_leaves_the_vm_alone(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "--engine-id", "node-a", "hello", "web") as older:
            await ready(house)
            async with run(house, "--reattach", "--engine-id", "node-b", "--name", "web") as newer:
                assert await older.ended() == FENCED
                assert older.err.startswith("error: VM 'web' is held by ") and str(newer.process.pid) in older.err
                await ready(house, token=2)
                assert vm(house).lease.engine_id == "node-b"  # type: ignore[union-attr]
                newer.signal()
                assert await newer.ended() == 128 + signal.SIGTERM


async def test_a_runner_without_a_name_of_its_own_does_not_take_over(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "hello", "web") as first:
            await ready(house)
            for words in (("--reattach", "--name", "web"), ("hello", "web")):
                async with run(house, *words) as second:
                    assert await second.ended() == 125
                    assert "is held by" in second.err or "exists already" in second.err
            assert first.process.poll() is None and vm(house).status is VmState.READY  # type: ignore[union-attr]


@pytest.mark.parametrize("words", [("hello", "web"), ("--reattach", "hello", "web"), ("--reattach", "--engine-id", "x", "hello", "web")])
async def test_of_two_runners_that_begin_at_once_one_has_the_vm(house: Orchestra, words: tuple[str, ...]) -> None:
    async with house.playing():
        await house.install()
        async with run(house, *words) as one, run(house, *words) as two:
            await wait_until(lambda: one.process.poll() is not None or two.process.poll() is not None)
            loser, winner = (one, two) if one.process.poll() is not None else (two, one)
            assert loser.process.returncode in (125, FENCED) and loser.err.startswith("error: ")
            await wait_until(
                lambda: (view := vm(house)) is not None and view.status is VmState.READY and view.lease and view.lease.connected
            )
            assert winner.process.poll() is None
            house.guest().turn("exited", exit_code=5)
            assert await winner.ended() == 5


# ------------------------------------------------------------------------------------------------------------- the daemon below it


@pytest.mark.parametrize("killed", [False, True])
async def test_a_daemon_that_comes_back_finds_its_runner_there(house: Orchestra, killed: bool) -> None:
    async with house.playing():
        await house.install()
    lifetime = house.killed() if killed else house.playing()
    async with run(house, "--wait-daemon", "60", "hello", "web") as runner:
        async with lifetime:
            await ready(house)
            house.guest().log("before")
            await wait_until(lambda: runner.out == "workload started\nbefore\n")
        await wait_until(lambda: "volantd is away" in runner.err)
        async with house.playing():
            await ready(house)
            await wait_until(lambda: "volantd is back" in runner.err)
            house.guest().log("after")
            house.guest().turn("exited", exit_code=6)
            assert await runner.ended() == 6
            assert runner.out == "workload started\nbefore\nafter\n"


async def test_without_a_daemon_it_says_so_and_nothing_was_stopped(house: Orchestra) -> None:
    async with run(house, "hello", "web") as runner:
        assert await runner.ended() == 125
        assert "no volantd socket at" in runner.err
    async with house.playing():
        await house.install()
    async with run(house, "--wait-daemon", "60", "--grace", "100ms", "hello", "web") as runner:
        async with house.playing():
            await ready(house)
        await wait_until(lambda: "volantd is away" in runner.err)
        runner.signal()
        assert await runner.ended() == 125
        assert "was not stopped, because volantd is away: it runs on" in runner.err
    async with house.playing():
        await wait_until(lambda: vm(house).status is VmState.READY)  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------------------------- what makes no sense


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing says what to run"),
        (("hello", "web", "--name", "other"), "two names"),
        (("--detach", "--reattach", "hello"), "leaves the VM to nobody"),
        (("--wait", "hello"), "belong to --detach"),
        (("--logs", "--console", "hello"), "not allowed with"),
    ],
)
async def test_what_makes_no_sense_is_refused(house: Orchestra, words: tuple[str, ...], says: str) -> None:
    async with run(house, *words) as runner:
        assert await runner.ended() == 2
        assert says in runner.err
