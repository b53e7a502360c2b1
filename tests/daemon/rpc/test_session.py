"""Connections to a running service: what is answered, what is refused, and that nobody suffers from somebody else."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import echo
from tests.fakes.raw_peer import HELLO, RawPeer
from tests.patience import until
from volant.client import Client
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.outbox import HIGH_WATER, Outbox
from volant.proto import cbor
from volant.proto.connection import INITIAL_CREDIT, MAX_DATA, MAX_OPEN_CALLS, Connection, Side
from volant.proto.errors import ConnectionLost, NotAllowed
from volant.proto.frames import MAX_FRAME_TO_DAEMON, encode_frame
from volant.proto.messages import Hello


def test_calls_are_answered_in_order_even_when_sent_at_once(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say(*([1, id, "echo.say", {"text": str(id)}] for id in range(1, 251)))
        assert [peer.hear() for _ in range(250)] == [[2, id, {"text": str(id), "times": 1, "tags": {}}] for id in range(1, 251)]


def test_a_waiting_call_holds_up_no_other(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.sleep", {"text": "a"}], [1, 2, "echo.say", {"text": "b"}])
        assert peer.hear()[:2] == [2, 2]


def test_a_cancelled_call_ends_with_a_fault_and_its_handler_is_cancelled(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.sleep", {"text": "a"}], [8, 1])
        assert peer.hear()[2]["code"] == "failed.cancelled"
        peer.say([8, 1], [1, 2, "echo.say", {"text": "b"}])  # late, and no harm
        assert peer.hear()[:2] == [2, 2]


def test_what_is_open_is_cancelled_when_the_peer_leaves(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.sleep", {"text": "left alone"}], [1, 2, "echo.say", {"text": "b"}])
        peer.hear()
    until(lambda: journal.cancelled == ["left alone"])


def test_the_peer_is_known_by_its_process(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client:
        assert client.call(echo.WHO, echo.Nothing()) == echo.Count(total=os.getpid())


@pytest.mark.parametrize(
    ("params", "path"),
    [({}, "text"), ({"text": 1}, "text"), ({"text": "a", "tags": {"k": 1}}, "tags.k"), ({"text": "a", "tmies": 2}, "tmies")],
)
def test_wrong_parameters_are_named(journal: echo.Journal, socket_path: Path, params: dict[str, Any], path: str) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.say", params])
        fault = peer.hear()[2]
        assert (fault["code"], fault["data"]["problems"][0]["path"]) == ("usage.params", path)


@pytest.mark.parametrize(
    ("method", "text", "code"),
    [
        ("echo.nonsense", "", "not_found.method"),
        ("nonsense", "", "not_found.method"),
        ("echo.break", "fault", "conflict"),
        ("echo.break", "defect", "failed.internal"),
        ("echo.break", "nan", "failed.internal"),
        ("echo.break", "unplain", "failed.internal"),
    ],
)
def test_what_fails_fails_alone(journal: echo.Journal, socket_path: Path, method: str, text: str, code: str) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, method, {"text": text}], [1, 2, "echo.say", {"text": "on"}])
        assert peer.hear()[2]["code"] == code
        assert peer.hear()[:2] == [2, 2]


def test_a_defect_is_logged_under_the_reference_that_the_caller_gets(
    journal: echo.Journal, socket_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.break", {"text": "defect"}])
        fault = peer.hear()[2]
    assert fault["data"]["reference"] in fault["message"]
    record = next(record for record in caplog.records if fault["data"]["reference"] in record.getMessage())
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_a_result_larger_than_a_frame_is_a_fault(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.big", {"text": "", "times": 5 * 2**20}])
        assert peer.hear()[2]["code"] == "protocol.frame_too_large"


HOSTILE = {
    "an oversized frame": (b"\xff\xff\xff\xff", "protocol.frame_too_large"),
    "nonsense": (b"\x00\x00\x00\x01\xff", "protocol.malformed"),
    "an empty frame": (b"\x00\x00\x00\x00", "protocol.malformed"),
    "deep nesting": (b"\x00\x00\x20\x00" + b"\x81" * 0x2000, "protocol.malformed"),
    "an unknown kind": (b"\x00\x00\x00\x03\x82\x0a\x01", "protocol.malformed"),
    "a reply": (b"\x00\x00\x00\x04\x83\x02\x01\xf6", "protocol.order"),
}


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_who_breaks_the_rules_is_told_so_and_cut_off(journal: echo.Journal, socket_path: Path, data: bytes, code: str) -> None:
    with RawPeer(socket_path) as peer, RawPeer(socket_path) as other:
        peer.socket.sendall(data)
        farewell = peer.hear()
        assert (farewell[:2], farewell[2]["code"]) == ([3, 0], code)
        assert peer.hear() is None
        other.say([1, 1, "echo.say", {"text": "on"}])
        assert other.hear()[:2] == [2, 1]


AT_ONCE: dict[str, tuple[list[Any], ...]] = {
    "data behind a call that fails at once": ([1, 1, "echo.nonsense", {}], [6, 1, 0, b"x"]),
    "data behind a call that takes none": ([1, 1, "echo.say", {"text": "a"}], [6, 1, 0, b"x"], [5, 1, 0], [7, 1, 1, 1], [8, 1]),
    "a cancel behind one call too many": (
        *([1, id, "echo.sleep", {"text": "a"}] for id in range(1, MAX_OPEN_CALLS + 2)),
        [8, MAX_OPEN_CALLS + 1],
    ),
    "data for a call that ended while others had their turn": ([1, 1, "echo.pipe", {}], *([6, 1, 0, b"x"] for _ in range(200))),
}


@pytest.mark.parametrize("messages", AT_ONCE.values(), ids=AT_ONCE)
def test_what_comes_with_the_same_bytes_as_the_call_it_is_late_for_is_dropped(
    journal: echo.Journal, socket_path: Path, messages: tuple[list[Any], ...]
) -> None:
    last = messages[-1][1] + 1
    with RawPeer(socket_path) as peer:
        peer.say(*messages, [8, 1], [1, last, "echo.nonsense", {}])
        while (answer := peer.hear())[1] != last:
            assert answer[1] != 0, answer


PARTINGS = {
    "a goodbye behind a call": ([1, 1, "echo.say", {"text": "a"}], [3, 0, {"code": "failed", "message": "bye", "hint": "", "data": {}}]),
    "a broken rule behind a call that fails": ([1, 1, "echo.pipe", {}], [10, 1]),
    "a broken rule behind a call that sends": ([1, 1, "echo.count", {"text": "a", "times": 9}], [10, 1]),
}


@pytest.mark.parametrize("split", [False, True], ids=["at once", "in two writes"])
@pytest.mark.parametrize("messages", PARTINGS.values(), ids=PARTINGS)
def test_a_call_that_runs_while_its_connection_ends_is_no_defect(
    journal: echo.Journal, socket_path: Path, messages: tuple[list[Any], ...], split: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):  # the order in which tasks take their turns is chance
        with RawPeer(socket_path) as peer:
            for batch in ((message,) for message in messages) if split else (messages,):
                peer.say(*batch)
            while (answer := peer.hear()) is not None:
                assert answer[0] != 3 or answer[2]["code"] != "failed.internal"
    assert not [record for record in caplog.records if "defect" in record.message]


def held_bytes() -> int:
    """What all connections of this process hold for their peers, those included that are over and not collected yet."""
    everything = gc.get_objects()
    held = sum(item.unsent for item in everything if isinstance(item, Outbox))
    held += sum(item._decoder.pending for item in everything if isinstance(item, Connection))
    return held + sum(len(waiting) for item in everything if isinstance(item, Call) for waiting in item._arrived.values())


def test_a_connection_that_ended_holds_nothing_large_even_before_a_collection(journal: echo.Journal, socket_path: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            with RawPeer(socket_path) as peer:
                peer.say([1, 1, "echo.sink", {"text": "a"}], *([6, 1, 0, bytes(MAX_DATA)] for _ in range(3)))
                peer.say([1, 2, "echo.source", {"text": "a", "times": 4 * HIGH_WATER}], [7, 2, 1, 4 * HIGH_WATER])
                peer.hear()
                peer.socket.sendall(MAX_FRAME_TO_DAEMON.to_bytes(4, "big") + bytes(200_000))
        until(lambda: held_bytes() < 1_000)
    finally:
        gc.enable()


def test_who_pushes_to_a_call_that_ended_is_told_so() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(Side.SERVER, cbor, max_incoming=1_000, hello=Hello("daemon", "1"))
        connection.hello()
        connection.receive(b"".join(encode_frame(cbor.dumps(message)) for message in (HELLO, [1, 1, "x.y", {}], [1, 2, "x.y", {}])))
        ended, cut_off = (Call(id, connection, Outbox(ours)) for id in (1, 2))
        ended.push_encoded(b"\0")
        connection.reply(1, {})
        with pytest.raises(ConnectionLost):
            ended.push_encoded(b"\0")
        cut_off.push_encoded(b"\0")
        connection.receive_end()
        with pytest.raises(ConnectionLost):
            cut_off.push_encoded(b"\0")


def test_a_peer_of_another_protocol_is_told_so(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path, greet=False) as peer:
        peer.say([0, HELLO[1] | {"protocol": [7, 9]}])  # type: ignore[operator]
        assert peer.hear()[2]["code"] == "protocol.version"


def test_data_for_a_channel_that_the_method_has_not_is_refused(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.pipe", {"text": ""}], [6, 1, 2, b"x"])
        while (message := peer.hear())[0] != 3:
            pass
        assert (message[1], message[2]["code"]) == (0, "protocol.order")


def test_one_call_too_many_is_refused_alone(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say(*([1, id, "echo.sleep", {"text": ""}] for id in range(1, MAX_OPEN_CALLS + 2)))
        refused = peer.hear()
        assert (refused[1], refused[2]["code"]) == (MAX_OPEN_CALLS + 1, "protocol.too_many_calls")
        peer.say([8, 1])
        assert peer.hear()[1] == 1


def test_a_call_moves_bytes_both_ways_until_half_close(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.pipe", {"text": ""}], [6, 1, 0, b"one"])
        assert [peer.hear(), peer.hear()] == [[4, 1, {"number": 1}], [6, 1, 1, b"one"]]
        peer.say([6, 1, 0, b"two"], [5, 1, 0])
        assert [peer.hear() for _ in range(3)] == [[6, 1, 1, b"two"], [5, 1, 1], [2, 1, {"total": 6}]]


def test_a_handler_sends_no_more_than_was_granted(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as peer:
        peer.say([1, 1, "echo.source", {"text": "", "times": 2 * INITIAL_CREDIT}])
        got = 0
        while got < INITIAL_CREDIT:
            got += len(peer.hear()[3])
        assert got == INITIAL_CREDIT
        peer.say([7, 1, 1, 5], [1, 2, "echo.say", {"text": "still there"}])
        messages = [peer.hear(), peer.hear()]
        assert sorted(message[0] for message in messages) == [2, 6]
        assert sum(len(message[3]) for message in messages if message[0] == 6) == 5


def test_a_handler_that_reads_nothing_makes_the_sender_wait(journal: echo.Journal, socket_path: Path) -> None:
    with Client(str(socket_path)) as client, client.bytes_call(echo.SINK, echo.Text(text="later")) as call:
        assert call.try_send(0, b"x" * (INITIAL_CREDIT + MAX_DATA)) == INITIAL_CREDIT
        assert call.try_send(0, b"x") == 0
        assert client.call(echo.SAY, echo.Text(text="on")).text == "on"


def test_a_stream_waits_for_a_slow_reader_and_holds_little(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as slow, Client(str(socket_path)) as other:
        slow.say([1, 1, "echo.count", {"text": "", "times": 1_000_000}])
        slow.hear()
        sent = -1
        while sent != journal.sent:  # until it stands still for ten answers to somebody else
            sent = journal.sent
            for _ in range(10):
                assert other.call(echo.SAY, echo.Text(text="on")).text == "on"
        assert sent < 1_000_000


def test_who_reads_too_slowly_for_pushed_items_is_told_that_it_missed_some(journal: echo.Journal, socket_path: Path) -> None:
    with RawPeer(socket_path) as slow, Client(str(socket_path)) as other:
        slow.say([1, 1, "echo.flood", {"text": "", "times": 1_000_000}])
        until(lambda: journal.sent * 1_000 > HIGH_WATER)
        assert other.call(echo.SAY, echo.Text(text="on")).text == "on"
        while (message := slow.hear())[0] == 4:
            pass
        assert (message[1], message[2]["code"]) == (1, "failed.lagged")
        assert journal.sent < 1_000_000
        slow.say([1, 2, "echo.say", {"text": "again"}])
        assert slow.hear()[:2] == [2, 2]


def test_replies_that_nobody_reads_stop_the_reading_of_requests(journal: echo.Journal, socket_path: Path) -> None:
    """A client that asks for 100 MB and reads nothing makes the daemon hold a reply or two."""
    with RawPeer(socket_path) as greedy, Client(str(socket_path)) as other:
        greedy.say(*([1, id, "echo.big", {"text": "", "times": 2**20}] for id in range(1, 101)))
        for _ in range(100):
            assert other.call(echo.SAY, echo.Text(text="on")).text == "on"
        assert [greedy.hear()[1] for _ in range(100)] == list(range(1, 101))


def test_a_policy_decides_who_may_change_things(socket_path: Path) -> None:
    with (
        echo.serving(socket_path, policy=lambda peer, method: NotAllowed(f"not {method.name}") if method.changes else None),
        Client(str(socket_path)) as client,
    ):
        assert client.call(echo.SAY, echo.Text(text="look")).text == "look"
        with pytest.raises(NotAllowed, match=r"echo\.change"):
            client.call(echo.CHANGE, echo.Text(text="touch"))


def test_a_stopping_service_says_goodbye(socket_path: Path) -> None:
    with echo.serving(socket_path):
        peer = RawPeer(socket_path)
        peer.say([1, 1, "echo.say", {"text": "a"}])
        peer.hear()
    with peer:
        farewell = peer.hear()
        assert (farewell[:2], farewell[2]["code"]) == ([3, 0], "unreachable.lost")
        assert peer.hear() is None


def test_one_connection_too_many_is_told_so_and_the_others_go_on(socket_path: Path) -> None:
    with echo.serving(socket_path, max_connections=2), Client(str(socket_path)) as first, RawPeer(socket_path) as second:
        second.say([1, 1, "echo.say", {"text": "a"}])
        second.hear()
        assert first.call(echo.SAY, echo.Text(text="a")).text == "a"
        for _ in range(50):
            with Client(str(socket_path)) as third, pytest.raises(ConnectionLost, match="serves 2 connections already") as refused:
                third.call(echo.SAY, echo.Text(text="a"))
            assert refused.value.hint
        assert first.call(echo.SAY, echo.Text(text="b")).text == "b"
        second.socket.close()

        def admitted() -> bool:
            try:
                with Client(str(socket_path)) as fourth:
                    return fourth.call(echo.SAY, echo.Text(text="c")).text == "c"
            except ConnectionLost:
                return False

        until(admitted)


def bytes_that_nobody_takes(id: int) -> list[Any]:
    return [[1, id, "echo.sink", {"text": "stop"}], *([6, id, 0, b"x" * MAX_DATA] for _ in range(4))]


def replies_that_it_does_not_read(id: int) -> list[Any]:
    return [[1, id, "echo.big", {"text": "", "times": 3 * 2**20}]]


def large_parameters_of_open_calls(id: int) -> list[Any]:
    return [[1, id, "echo.sleep", {"text": "x" * 100_000}]]


@pytest.mark.parametrize("asking", [bytes_that_nobody_takes, replies_that_it_does_not_read, large_parameters_of_open_calls])
def test_who_holds_most_is_cut_off_once_all_hold_too_much(socket_path: Path, asking: Callable[[int], list[Any]]) -> None:
    with echo.serving(socket_path, max_held=8 * 2**20), Client(str(socket_path)) as slow, ExitStack() as stack:
        waiting = slow.bytes_call(echo.SINK, echo.Text(text="stop"))
        assert waiting.try_send(0, b"x" * 100_000) == 100_000
        greedy = [stack.enter_context(RawPeer(socket_path)) for _ in range(4)]
        with suppress(ConnectionError):
            for id in range(1, 65):
                for peer in greedy:
                    peer.say(*asking(id))
        assert slow.call(echo.SAY, echo.Text(text="on")).text == "on"
        assert not waiting.over
        if asking is replies_that_it_does_not_read:  # there the words come behind what it does not read
            until(lambda: any(is_over(peer) for peer in greedy))
        else:
            until(lambda: any("you most of all" in last_words(peer) for peer in greedy))


def last_words(peer: RawPeer) -> str:
    """What the daemon says of the end of the connection; empty when it says nothing, or goes on."""
    peer.socket.settimeout(0.1)
    try:
        while (message := peer.hear()) is not None:
            if message[:2] == [3, 0]:
                return str(message[2]["message"])
    except OSError:
        pass
    return ""


def is_over(peer: RawPeer) -> bool:
    peer.socket.setblocking(False)
    try:
        return not peer.socket.recv(65_536)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
