"""Followers of a real daemon that is stopped, killed and started again: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hello import hello
from tests.patience import until
from tests.rig import START_S, SURVIVING, Rig, rig
from volant.client.aio import AsyncClient
from volant.client.aio_following import follow_events as follow_events_async
from volant.client.blocking import Client
from volant.client.following import follow_events
from volant.proto.errors import AgentMissing, ExitCode, Fault, LaunchFailed, Unreachable


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Rig]:
    with rig(program=SURVIVING, network="none") as made:
        made.start()
        made.volant("plugin", "install", hello(tmp_path))
        yield made


def again(host: Rig, *, killed: bool) -> None:
    """Another daemon on the same state."""
    host.kill() if killed else host.stop()
    host.start()


class Heard:
    """What a command prints, line by line, as it comes."""

    def __init__(self, process: subprocess.Popen[bytes], *, stderr: bool = False) -> None:
        self.lines: list[str] = []
        stream = process.stderr if stderr else process.stdout
        assert stream is not None
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.lines.append(line.decode().rstrip("\n"))

    def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        until(lambda: holds(self.lines))
        return self.lines


def test_the_command_hears_every_event_once_over_restarts(host: Rig) -> None:
    with host.under_way("events", "--follow", "--since", "0", "-o", "jsonl") as following:
        heard = Heard(following)
        heard.until(lambda lines: bool(lines))
        for number, killed in enumerate((True, False, True)):
            again(host, killed=killed)
            host.volant("vm", "create", f"web-{number}", "--plugin", "hello", "--wait")
            newest = host.json("event", "list", "--last", "1")["seq"]
            lines = heard.until(lambda lines, newest=newest: bool(lines) and json.loads(lines[-1])["seq"] >= newest)  # type: ignore[misc]
        assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))
        following.terminate()
        assert following.stderr is not None
        said = following.stderr.read().decode()
    assert said.count("looking for volantd for 60 s") == said.count("is back; going on after event") == 3


def test_both_clients_hear_every_event_once_over_restarts(host: Rig) -> None:
    socket = str(host.socket)
    found: dict[str, list[int]] = {"blocking": [], "asyncio": []}

    def follow() -> None:
        for event in follow_events(socket, after=0):
            found["blocking"].append(event.seq)
            if event.vm == "last" and event.kind == "VM_READY":
                return

    async def follow_async() -> None:
        async with aclosing(follow_events_async(socket, after=0)) as events:
            async for event in events:
                found["asyncio"].append(event.seq)
                if event.vm == "last" and event.kind == "VM_READY":
                    return

    followers = [threading.Thread(target=follow), threading.Thread(target=lambda: asyncio.run(follow_async()))]
    for follower in followers:
        follower.start()
    until(lambda: all(found.values()))
    for killed in (True, False):
        again(host, killed=killed)
    host.volant("vm", "create", "last", "--plugin", "hello", "--wait")
    for follower in followers:
        follower.join(START_S)
    assert found["blocking"] == found["asyncio"] == list(range(1, len(found["asyncio"]) + 1))


def test_logs_go_on_without_a_line_twice(host: Rig) -> None:
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
    pid = host.json("vm", "get", "web")["pid"]
    with host.under_way("logs", "web", "--follow", "-o", "jsonl") as following:
        heard, told = Heard(following), Heard(following, stderr=True)
        heard.until(lambda lines: len(lines) >= 1)
        before = list(heard.lines)
        again(host, killed=True)
        host.volant("vm", "wait", "web", "--for", "ready")
        told.until(lambda lines: any("is back; going on" in line for line in lines))
        assert host.json("vm", "get", "web")["pid"] == pid
        host.volant("vm", "stop", "web")
        assert following.wait(START_S) == ExitCode.OK
        told.until(lambda lines: lines[-1].startswith("VM 'web' is stopped"))
        numbers = [json.loads(line)["seq"] for line in heard.lines]
    assert heard.lines[: len(before)] == before and numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        (("vm", "stop", "web"), ExitCode.OK, "VM 'web' is stopped"),
        (("vm", "stop", "web", "--force"), ExitCode.OK, "VM 'web' is stopped"),
        (("vm", "delete", "web", "--force"), ExitCode.OK, "VM 'web' was deleted"),
        ((), ExitCode.FAILED, "error: VM 'web' crashed: the VMM ended unasked"),
    ],
    ids=["stopped", "killed", "deleted", "crashed"],
)
@pytest.mark.parametrize("away", [False, True], ids=["", "away"])
def test_logs_end_in_one_way_for_each_end_of_the_vm(host: Rig, ends: tuple[str, ...], code: ExitCode, said: str, away: bool) -> None:
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
    pid = host.json("vm", "get", "web")["pid"]
    with host.under_way("logs", "web", "--follow", "--reconnect", "1h") as following:
        heard, told = Heard(following), Heard(following, stderr=True)
        heard.until(lambda lines: len(lines) >= 1)
        if away:
            following.send_signal(signal.SIGSTOP)
            again(host, killed=True)
            host.volant("vm", "wait", "web", "--for", "ready")
        if ends:
            host.volant(*ends)
        else:
            os.kill(pid, signal.SIGKILL)
            host.volant("vm", "wait", "web", "--for", "stopped")
        following.send_signal(signal.SIGCONT)
        assert following.wait(START_S) == code
        told.until(lambda lines: any(line.startswith(said) for line in lines))


@pytest.mark.parametrize("crashed", [False, True])
def test_both_clients_hear_how_a_boot_ended_whose_output_they_follow(host: Rig, crashed: bool) -> None:
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
    pid = host.json("vm", "get", "web")["pid"]
    ends: dict[str, str | Fault] = {}
    lines: list[str] = []

    def follow() -> None:
        with Client(str(host.socket)) as client:
            stream = client.vms.logs(name="web", follow=True)
            try:
                lines.extend(line.text for line in stream)
                ends["blocking"] = stream.result.note
            except Fault as fault:
                ends["blocking"] = fault

    async def follow_async() -> None:
        async with AsyncClient(str(host.socket)) as client:
            stream = client.vms.logs(name="web", follow=True)
            try:
                async for line in stream:
                    lines.append(line.text)
                ends["asyncio"] = (await stream.result()).note
            except Fault as fault:
                ends["asyncio"] = fault

    followers = [threading.Thread(target=follow), threading.Thread(target=lambda: asyncio.run(follow_async()))]
    for follower in followers:
        follower.start()
    until(lambda: len(lines) == 2)
    os.kill(pid, signal.SIGKILL) if crashed else host.volant("vm", "stop", "web")
    for follower in followers:
        follower.join(START_S)
    assert len(ends) == 2
    for end in ends.values():
        if crashed:
            assert isinstance(end, LaunchFailed) and end.message.startswith("VM 'web' crashed: the VMM ended unasked")
        else:
            assert end == "VM 'web' is stopped"


def test_logs_go_on_with_the_next_boot_of_a_vm_that_is_restarted(host: Rig) -> None:
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
    with host.under_way("logs", "web", "--follow", "-o", "jsonl") as following:
        heard = Heard(following)
        heard.until(lambda lines: len(lines) == 1)
        host.volant("vm", "restart", "web", "--wait")
        first, second = heard.until(lambda lines: len(lines) == 2)
        assert json.loads(first)["seq"] == json.loads(second)["seq"] == 1
        host.volant("vm", "stop", "web")
        assert following.wait(START_S) == ExitCode.OK


def test_logs_of_a_vm_that_ended_while_the_daemon_was_away_end_with_the_reason(host: Rig) -> None:
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
    pid = host.json("vm", "get", "web")["pid"]
    with host.under_way("logs", "web", "--follow", "--reconnect", "1h") as following:
        heard, told = Heard(following), Heard(following, stderr=True)
        heard.until(lambda lines: len(lines) >= 1)
        host.kill()
        os.kill(pid, signal.SIGKILL)
        host.start()
        assert following.wait(START_S) == ExitCode.FAILED
        told.until(lambda lines: any(line.startswith("error: VM 'web' crashed: its VMM ended while the daemon was away") for line in lines))
        told.until(lambda lines: "  last console lines:" in lines)


def test_an_agent_that_goes_away_is_not_taken_for_the_daemon(host: Rig) -> None:
    host.volant("vm", "create", "web", "--plugin", "hello", "--wait")
    with host.client() as client, client.bytes_call("vm.exec", {"name": "web", "argv": ["cat"]}) as call:
        assert call.item()
        os.kill(host.json("vm", "get", "web")["pid"], signal.SIGKILL)
        with pytest.raises(AgentMissing, match="the agent of VM 'web' went away in the middle of this"):
            call.result()
        assert client.call_plain("vm.wait", {"name": "web", "until": "stopped"})["status"] == "crashed"


def test_a_watched_deployment_is_watched_on(host: Rig) -> None:
    host.volant("deployment", "create", "web", "--plugin", "hello", "--replicas", "1", "--wait")
    with host.under_way("deployment", "status", "web", "--watch", "-o", "jsonl") as following:
        heard = Heard(following)
        heard.until(lambda lines: len(lines) >= 1)
        again(host, killed=True)
        host.volant("deployment", "scale", "web", "2", "--wait")
        heard.until(lambda lines: json.loads(lines[-1])["available"] == 2)
        assert all(one != other for one, other in zip(heard.lines, heard.lines[1:], strict=False))
        host.volant("deployment", "delete", "web", "--yes")
        assert following.wait(START_S) == ExitCode.OK


def test_a_daemon_that_stays_away_is_given_up(host: Rig) -> None:
    with host.under_way("events", "--follow", "--since", "0", "--reconnect", "300ms") as following:
        Heard(following).until(lambda lines: len(lines) >= 1)
        host.kill()
        assert following.wait(START_S) == ExitCode.UNREACHABLE
        assert following.stderr is not None
        said = following.stderr.read().decode().splitlines()
    assert "looking for volantd for 0.3 s" in said[0] and said[1].startswith("error: ") and said[2].startswith("hint: ")
    with pytest.raises(Unreachable):
        next(iter(follow_events(str(host.socket))))
