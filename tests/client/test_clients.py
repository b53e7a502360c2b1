"""Both shells of the client against a real service, by the same tests: each is told what to do by a small adapter."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import echo
from volant.client import AsyncClient, Client
from volant.client.asking import plain_params
from volant.proto.api.vm import CreateVm, ListVms
from volant.proto.connection import INITIAL_CREDIT, MAX_OPEN_CALLS
from volant.proto.errors import (
    Cancelled,
    Conflict,
    ConnectionLost,
    InvalidParams,
    SocketMissing,
    SocketPathTooLong,
    SocketRefused,
    TooManyCalls,
)
from volant.proto.messages import DataReceived, EndReceived, ItemReceived
from volant.proto.specs.states import VmState

BODY = bytes(range(256)) * 8_000
"""2 MB: eight times the credit."""


def test_a_call_gives_a_typed_result(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        assert client.call(echo.SAY, echo.Text(text="a", tags={"k": "v"})) == echo.Text(text="a", tags={"k": "v"})
        assert client.call_plain("echo.say", {"text": "a"}) == {"text": "a", "times": 1, "tags": {}}
        assert client.daemon.role == "daemon"


def test_a_fault_is_raised_as_its_class(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        with pytest.raises(Conflict) as caught:
            client.call(echo.BREAK, echo.Text(text="fault"))
        assert (caught.value.message, caught.value.hint, caught.value.data) == ("it is taken", "take another", {"name": "x"})


def test_a_stream_gives_typed_items_then_its_result(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        stream = client.stream(echo.COUNT, echo.Text(text="", times=3))
        assert list(stream) == [echo.Item(number=number) for number in range(3)]
        assert stream.result == echo.Count(total=3)
        assert list(client.stream_plain("echo.count", {"text": "", "times": 1})) == [{"number": 0}]


def test_calls_may_be_made_while_a_stream_is_open(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client, client.stream(echo.COUNT, echo.Text(text="", times=100)) as stream:
        assert next(stream) == echo.Item(number=0)
        assert client.call(echo.SAY, echo.Text(text="a")).text == "a"
        assert sum(1 for _ in stream) == 99


def test_a_stream_that_is_left_is_cancelled(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        with client.stream(echo.COUNT, echo.Text(text="", times=1_000_000)) as stream:
            next(stream)
        assert client.call(echo.SAY, echo.Text(text="a")).text == "a"
        assert journal.sent < 1_000_000


def test_bytes_flow_both_ways_like_a_file(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client, client.bytes_call(echo.PIPE, echo.Text(text="")) as call:
        assert call.item() == echo.Item(number=1)
        assert call.write(BODY[:1_000]) == 1_000
        assert call.read(10) == BODY[:10]
        call.finish()
        rest = b""
        while piece := call.read(300):
            assert len(piece) <= 300
            rest += piece
        assert rest == BODY[10:1_000]
        assert call.result() == echo.Count(total=1_000)


def test_bytes_flow_both_ways_by_message_and_select(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client, client.bytes_call(echo.PIPE, echo.Text(text="")) as call:
        unsent, got = memoryview(BODY), bytearray()
        while not call.over or not got:
            for message in call.receive_ready():
                if isinstance(message, DataReceived):
                    got += message.data
            if unsent:
                unsent = unsent[call.try_send(0, unsent) :]
                if not unsent:
                    call.end(0)
            if not call.over:
                call.flush()
                select.select([call], [call] if call.wants_write else [], [])
        assert bytes(got) == BODY
        assert call.result() == echo.Count(total=len(BODY))


def test_what_comes_can_be_iterated_over(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client, client.bytes_call(echo.PIPE, echo.Text(text="")) as call:
        call.write(b"abc")
        call.finish()
        assert list(call) == [ItemReceived(1, echo.Item(number=1)), DataReceived(1, 1, b"abc"), EndReceived(1, 1)]


def test_much_is_sent_and_received_as_credit_allows(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        with client.bytes_call(echo.SINK, echo.Text(text="go")) as call:
            call.write(BODY)
            call.finish()
            assert call.result() == echo.Count(total=len(BODY))
        with client.bytes_call(echo.SOURCE, echo.Text(text="", times=10 * INITIAL_CREDIT)) as call:
            assert sum(len(piece) for piece in iter(call.read, b"")) >= 10 * INITIAL_CREDIT


def test_a_cancelled_byte_call_ends_with_its_fault(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client, client.bytes_call(echo.SINK, echo.Text(text="never")) as call:
        call.cancel()
        with pytest.raises(Cancelled):
            call.result()


def test_too_many_calls_are_refused_before_they_leave(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        for _ in range(MAX_OPEN_CALLS):
            client.stream_plain("echo.sleep", {"text": ""})
        with pytest.raises(TooManyCalls):
            client.call(echo.SAY, echo.Text(text="a"))


def test_the_verbs_of_a_noun_come_from_the_registry() -> None:
    with pytest.raises(SocketMissing, match="/nowhere"):
        Client("/nowhere").vms.list()


def test_an_unknown_noun_or_verb_is_named(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        with pytest.raises(AttributeError, match="vms, plugins"):
            client.ships  # noqa: B018
        with pytest.raises(AttributeError, match="create"):
            client.vms.fly()
        assert "create" in dir(client.vms)
        with pytest.raises(TypeError, match="colour"):
            client.vms.create(colour="red")


def test_what_is_default_is_not_sent() -> None:
    assert plain_params(CreateVm(name="a", plugin="b", cpu_cores=2)) == {"name": "a", "plugin": "b", "cpu_cores": 2}
    assert plain_params(ListVms(status=(VmState.READY,))) == {"status": ["ready"]}


def test_a_missing_a_refused_and_an_overlong_socket_are_told_apart(tmp_path: Path, socket_path: Path) -> None:
    with pytest.raises(SocketMissing):
        Client(str(socket_path))
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(socket_path))
    leftover.close()
    with pytest.raises(SocketRefused):
        Client(str(socket_path))
    with pytest.raises(SocketPathTooLong):
        Client("/" + "x" * 107)


def test_a_stopping_daemon_says_so(socket_path: Path) -> None:
    with echo.serving(socket_path):
        client = Client(str(socket_path))
        stream = client.stream_plain("echo.sleep", {"text": ""})
        client.call(echo.SAY, echo.Text(text="a"))
    with client, pytest.raises(ConnectionLost, match="volantd is stopping"):
        next(stream)


def test_importing_the_blocking_client_stays_light() -> None:
    heavy = {"asyncio", "trio", "msgspec", "rich", "textual", "peewee", "pyroute2", "volant.proto.api.vm", "json", "subprocess"}
    program = f"import sys; from volant.client import Client; print(sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert found.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------------------------- asyncio


def test_many_calls_share_one_connection(journal: echo.Journal, socket_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(str(socket_path)) as client:
            texts = await asyncio.gather(*(client.call(echo.SAY, echo.Text(text=str(n))) for n in range(200)))
            assert [text.text for text in texts] == [str(n) for n in range(200)]
            assert (await client.daemon()).role == "daemon"
            with pytest.raises(Conflict):
                await client.call(echo.BREAK, echo.Text(text="fault"))
            with pytest.raises(InvalidParams):
                await client.call_plain("echo.say", {})

    asyncio.run(main())


def test_streams_and_bytes_flow_on_asyncio(journal: echo.Journal, socket_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(str(socket_path)) as client:
            stream = client.stream(echo.COUNT, echo.Text(text="", times=3))
            assert [item async for item in stream] == [echo.Item(number=number) for number in range(3)]
            assert await stream.result() == echo.Count(total=3)

            stream = client.stream(echo.COUNT, echo.Text(text="", times=500))
            batches = [batch async for batch in stream.batches(100)]
            assert [item.number for batch in batches for item in batch] == list(range(500))
            assert max(map(len, batches)) <= 100
            assert await stream.result() == echo.Count(total=500)

            async with client.bytes_call(echo.PIPE, echo.Text(text="")) as call:

                async def feed() -> None:
                    await call.send(0, BODY)
                    await call.end(0)

                feeding = asyncio.create_task(feed())
                got = b"".join([message.data async for message in call if isinstance(message, DataReceived)])
                await feeding
                assert got == BODY
                assert await call.result() == echo.Count(total=len(BODY))

    asyncio.run(main())


def test_cancelling_a_task_cancels_its_call(journal: echo.Journal, socket_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(str(socket_path)) as client:
            task = asyncio.create_task(client.call(echo.SLEEP, echo.Text(text="mine")))
            await client.call(echo.SAY, echo.Text(text="a"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while journal.cancelled != ["mine"]:
                await client.call(echo.SAY, echo.Text(text="a"))

    asyncio.run(main())


def test_waits_that_are_given_up_leave_nothing_in_memory(journal: echo.Journal, socket_path: Path) -> None:
    def futures() -> int:
        return sum(isinstance(each, asyncio.Future) for each in gc.get_objects())

    async def main() -> None:
        async with AsyncClient(str(socket_path)) as client, client.bytes_call(echo.SINK, echo.Text(text="never")) as call:
            await client.call(echo.SAY, echo.Text(text="a"))
            before = futures()
            for _ in range(100):
                waiting = asyncio.create_task(call.result())
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
            assert futures() < before + 50

    asyncio.run(main())


@pytest.mark.parametrize("there", [False, True])
def test_asyncio_tells_sockets_apart_too(socket_path: Path, there: bool) -> None:
    if there:
        leftover = socket.socket(socket.AF_UNIX)
        leftover.bind(str(socket_path))
        leftover.close()

    async def main() -> None:
        async with AsyncClient(str(socket_path)):
            pass

    with pytest.raises(SocketRefused if there else SocketMissing):
        asyncio.run(main())


UNHEEDED = """
import os, signal, sys, threading, time
from volant.client import Client

def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

threading.Thread(target=interrupt, daemon=True).start()
# The other thread takes the signal, which leaves the main thread's wait alone: as when it comes right before that wait.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
try:
    Client(sys.argv[1]).call_plain("system.ping", {})
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_right_before_a_wait_is_heeded(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_path))
        silent.listen()
        done = subprocess.run([sys.executable, "-c", UNHEEDED, str(socket_path)], capture_output=True, timeout=40, check=False)
        assert done.stdout == b"interrupted\n", done.stderr


def test_a_client_that_is_not_connected_says_so() -> None:
    async def main() -> None:
        await AsyncClient("/nowhere").call_plain("echo.say", {"text": "a"})

    with pytest.raises(ConnectionLost, match="not connected"):
        asyncio.run(main())
