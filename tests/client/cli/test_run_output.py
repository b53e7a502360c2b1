"""What `volant run` shows of its VM, and who doesn't read that."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import trio

from tests.client.cli.runs import ready, run, vm
from tests.orchestra import Orchestra
from tests.patience import wait_until
from tests.rig import VOLANT
from volant.client.cli.running.outlet import MAX_BACKLOG
from volant.proto.specs.states import VmState


async def test_a_reader_that_takes_nothing_holds_up_no_signal(house: Orchestra) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    try:
        async with house.playing():
            await house.install()
            async with run(house, "hello", "web", stdout=writer) as runner:
                await ready(house)
                for _ in range(4 * MAX_BACKLOG // 1_000):
                    house.guest().log("x" * 1_000)
                await trio.sleep(0.5)
                runner.signal()
                assert await runner.ended() == 128 + signal.SIGTERM
                assert vm(house).status is VmState.STOPPED and "nobody reads it" in runner.err  # type: ignore[union-attr]
    finally:
        os.close(reader)
        os.close(writer)


async def test_a_reader_that_went_away_costs_the_output_and_not_the_vm(house: Orchestra) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        async with house.playing():
            await house.install()
            async with run(house, "hello", "web", stdout=writer) as runner:
                await ready(house)
                await wait_until(lambda: "standard output can't be written (broken pipe)" in runner.err)
                house.guest().log("more")
                house.guest().log("still here", "stderr")
                house.guest().turn("exited", exit_code=2)
                assert await runner.ended() == 2
                assert runner.err.count("broken pipe") == 1 and "still here" in runner.err
    finally:
        os.close(writer)


async def test_a_full_disk_costs_the_output_and_not_the_vm(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        with Path("/dev/full").open("wb") as full:
            async with run(house, "hello", "web", stdout=full) as runner:
                await ready(house)
                await wait_until(lambda: "no space left" in runner.err)
                house.guest().turn("exited", exit_code=2)
                assert await runner.ended() == 2


BROKEN = """
import sys
from volant.client.cli.main import main
from volant.client.cli.running.sources import WorkloadLines

async def follow(self):
    raise RuntimeError("a mistake")

WorkloadLines.follow = follow
sys.exit(main(["run", "hello", "web"]))
"""


async def test_a_defect_of_ours_ends_the_runner_with_a_sentence_and_not_the_vm(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        command = [sys.executable, "-c", BROKEN]
        environ = {**os.environ, "VOLANT_SOCKET": str(house.config.socket)}
        done = await trio.run_process(command, env=environ, capture_stdout=True, capture_stderr=True, check=False)
        said = done.stderr.decode()
        assert done.returncode == 125 and "has a defect (RuntimeError('a mistake') at <string>:7)" in said and "Traceback" not in said
        await wait_until(lambda: vm(house).status is VmState.READY)  # type: ignore[union-attr]


async def test_descriptors_that_are_closed_are_given_to_nobody(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *VOLANT, "run", "hello", "web"],
            env={**os.environ, "VOLANT_SOCKET": str(house.config.socket)},
        )
        try:
            await ready(house)
            house.guest().log("to nobody")
            house.guest().turn("exited", exit_code=3)
            await wait_until(lambda: process.poll() is not None)
            assert process.returncode == 3
        finally:
            process.kill()
            process.wait()


async def test_the_console_goes_on_where_it_was_over_boots_and_runners(house: Orchestra) -> None:
    async with house.playing():
        await house.install()
        async with run(house, "--console", "hello", "web") as first:
            await ready(house)
            await wait_until(lambda: "guest is up" in first.out)
            house.guest().print("first line")
            await wait_until(lambda: "first line" in first.out)
            first.signal()
            await first.ended()
            assert "reboot: Power down" in first.out
        async with run(house, "--console", "--reattach", "--name", "web") as second:
            await ready(house, boot=2, token=2)
            await wait_until(lambda: "kestrel: ready" in second.out)
            second.signal()
            await second.ended()
            assert "first line" not in second.out and second.out.count("guest is up") == 1
