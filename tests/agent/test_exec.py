"""Running programs in the guest, over the agent channel."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.harness import CREDIT, Hosted, Link, hosted
from tests.patience import until
from volant.proto.errors import Cancelled, GuestFailed, InvalidParams, NotFound, Timeout


@pytest.fixture(scope="module")
def agent() -> Iterator[Hosted]:
    with hosted() as running:
        yield running


@pytest.fixture
def link(agent: Hosted) -> Link:
    return agent.attach()


def test_streams_are_kept_apart_and_the_exit_code_comes_last(link: Link) -> None:
    call = link.exec("sh", "-c", "echo out; echo err >&2; exit 3")
    assert call.data == {1: b"out\n", 2: b"err\n"}
    assert call.ended == {1, 2}
    assert call.result == {"exit_code": 3, "signal": 0}
    assert call.items[0]["pid"] > 0


def test_input_ends_where_the_caller_ends_it(link: Link) -> None:
    assert link.exec("cat", stdin=b"ab\0c").data[1] == b"ab\0c"


def test_a_megabyte_comes_back_as_it_went_in(link: Link) -> None:
    sent = os.urandom(1 << 20)
    call = link.start("guest.exec", argv=["cat"])
    link.send(call, sent)
    link.end(call)
    link.finish(call)
    assert call.data[1] == sent


def test_a_program_that_reads_no_input_does_not_hold_its_sender(link: Link) -> None:
    call = link.start("guest.exec", argv=["sh", "-c", "exec <&-; sleep 0.3; echo done"])
    link.send(call, b"x" * (4 * CREDIT))
    link.end(call)
    assert link.finish(call).data[1] == b"done\n"


@pytest.mark.parametrize(
    ("program", "code", "says"),
    [
        ("/no/such", 127, "not found"),
        ("no-such-program", 127, "not found"),
        ("/etc/passwd", 126, "permission denied"),
        ("/", 126, "can't be run"),
    ],
)
def test_a_program_that_cannot_run_has_the_exit_code_of_a_shell(link: Link, program: str, code: int, says: str) -> None:
    with pytest.raises(GuestFailed, match=says) as caught:
        link.exec(program)
    assert caught.value.data["exit_code"] == code
    assert "PATH" in caught.value.hint


def test_a_missing_working_directory_is_named(link: Link) -> None:
    with pytest.raises(GuestFailed, match="/no/such/folder"):
        link.exec("true", workdir="/no/such/folder")


def test_environment_workdir_and_user_are_as_asked(link: Link) -> None:
    said = link.exec("sh", "-c", "echo $GREETING; pwd; id -u; id -g; echo $HOME", env={"GREETING": "hi"}, workdir="/usr", user="daemon")
    assert said.data[1].split() == [b"hi", b"/usr", b"1", b"1", b"/usr/sbin"]


def test_an_unknown_user_is_refused(link: Link) -> None:
    with pytest.raises(InvalidParams, match="no user 'nobody-of-that-name'"):
        link.exec("true", user="nobody-of-that-name")


def test_a_killed_program_has_128_and_its_signal(link: Link) -> None:
    assert link.exec("sh", "-c", "kill -9 $$").result == {"exit_code": 137, "signal": 9}


def test_a_signal_reaches_the_whole_group(link: Link) -> None:
    call = link.start("guest.exec", argv=["sh", "-c", "sleep 60 & echo up; wait"])
    link.until(lambda: call.data.get(1))
    link.call("guest.signal", exec_id=call.items[0]["exec_id"], signal=int(signal.SIGTERM))
    assert link.finish(call).result == {"exit_code": 143, "signal": 15}


def test_signalling_what_has_ended_is_refused(link: Link) -> None:
    with pytest.raises(NotFound, match="no exec 99999"):
        link.call("guest.signal", exec_id=99_999, signal=15)


def test_a_terminal_has_the_asked_size_and_follows_its_change(link: Link) -> None:
    call = link.start("guest.exec", argv=["sh", "-c", "stty size; read x; stty size"], tty=True, rows=30, cols=100)
    link.until(lambda: b"30 100" in call.data.get(1, b""))
    link.call("guest.signal", exec_id=call.items[0]["exec_id"], rows=50, cols=120)
    link.send(call, b"\n")
    assert b"50 120" in link.finish(call).data[1]


def test_on_a_terminal_the_end_of_input_is_control_d(link: Link) -> None:
    assert link.exec("cat", tty=True, stdin=b"x\n").result["exit_code"] == 0


def test_a_program_past_its_time_is_killed(link: Link) -> None:
    call = link.start("guest.exec", argv=["sh", "-c", "echo $$; sleep 60"], timeout_ms=300)
    with pytest.raises(Timeout, match="300 ms"):
        link.finish(call)
    _dies(int(call.data[1]))


def test_cancelling_kills_the_program(link: Link) -> None:
    call = link.start("guest.exec", argv=["sh", "-c", "echo $$; sleep 60"])
    link.until(lambda: call.data.get(1))
    link.cancel(call)
    with pytest.raises(Cancelled):
        link.finish(call)
    _dies(int(call.data[1]))


def test_a_process_left_behind_does_not_hold_the_answer(link: Link) -> None:
    begun = time.monotonic()
    call = link.exec("sh", "-c", "sleep 30 & echo started")
    assert call.data[1] == b"started\n"
    assert time.monotonic() - begun < 10


def test_all_output_is_there_before_the_answer(link: Link) -> None:
    for _ in range(5):
        assert len(link.exec("sh", "-c", "head -c 200000 /dev/zero; head -c 100000 /dev/zero >&2").data[1]) == 200_000


def test_a_reader_that_grants_nothing_stops_the_program_not_the_agent(agent: Hosted) -> None:
    link = agent.attach(grants=False)
    flood = link.start("guest.exec", argv=["sh", "-c", "head -c 30000000 /dev/zero"])
    link.until(lambda: len(flood.data.get(1, b"")) == CREDIT)
    assert link.exec("echo", "alive").data[1] == b"alive\n"
    assert len(flood.data[1]) == CREDIT
    assert agent.memory_mib() < 60
    link.cancel(flood)


def test_two_hundred_programs_leave_nothing_behind() -> None:
    with hosted() as agent:
        link = agent.attach()
        link.exec("true")
        before = agent.descriptors()
        for _ in range(200):
            link.exec("true")
        assert agent.descriptors() == before
        assert agent.children() == []


def test_orphans_are_reaped() -> None:
    with hosted() as agent:
        _reaps_orphans(agent)


def _reaps_orphans(agent: Hosted) -> None:
    link = agent.attach()
    link.exec("sh", "-c", "for i in 1 2 3 4 5; do (sleep 600 >/dev/null 2>&1 &); done")
    orphans = [int(pid) for pid in agent.children()]
    assert len(orphans) == 5, "orphans should have become the agent's children"
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not agent.children())


def _dies(pid: int) -> None:
    until(lambda: not Path(f"/proc/{pid}").exists())
