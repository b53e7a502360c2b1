"""Two connections face to face: what one says the other hears, and what breaks the rules is refused by name."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.proto import cbor, purecbor
from volant.proto.connection import (
    INITIAL_CREDIT,
    MAX_CALL_ID,
    MAX_CHANNELS,
    MAX_CREDIT,
    MAX_DATA,
    MAX_OPEN_CALLS,
    Connection,
    LocalProtocolError,
    Side,
)
from volant.proto.errors import (
    Conflict,
    CreditOverrun,
    Fault,
    FrameTooLarge,
    MalformedFrame,
    NoSuchVm,
    OutOfOrder,
    ProtocolFault,
    TooManyCalls,
    VersionMismatch,
)
from volant.proto.frames import MAX_FRAME_TO_CLIENT, MAX_FRAME_TO_DAEMON, encode_frame
from volant.proto.messages import (
    CallReceived,
    CallRefused,
    CancelReceived,
    ClosedByPeer,
    CreditReceived,
    DataReceived,
    EndReceived,
    FaultReceived,
    Hello,
    HelloReceived,
    ItemReceived,
    ReplyReceived,
)

HELLO = [0, {"protocol": [1, 1], "version": "1", "features": [], "role": "client"}]


def client(hello: Hello | None = None) -> Connection:
    return Connection(Side.CLIENT, cbor, max_incoming=MAX_FRAME_TO_CLIENT, hello=hello or Hello("client", "1"))


def server() -> Connection:
    return Connection(Side.SERVER, purecbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=Hello("daemon", "2", ("fast",)))


def greeted() -> tuple[Connection, Connection]:
    asking, answering = client(), server()
    answering.receive(asking.hello())
    asking.receive(answering.hello())
    return asking, answering


def opened(method: str = "vm.exec") -> tuple[Connection, Connection, int]:
    asking, answering = greeted()
    id, frame = asking.call(method, {})
    answering.receive(frame)
    return asking, answering, id


def said(*messages: Any) -> bytes:
    return b"".join(encode_frame(cbor.dumps(message)) for message in messages)


def test_hellos_are_exchanged_and_the_newest_shared_protocol_is_chosen() -> None:
    asking, answering = client(Hello("client", "1", (), (1, 7))), server()
    assert asking.receive(answering.hello()) == [HelloReceived(Hello("daemon", "2", ("fast",)))]
    answering.receive(asking.hello())
    assert asking.protocol == answering.protocol == 1


def test_each_side_finds_out_that_they_share_no_protocol() -> None:
    asking, answering = client(Hello("client", "9", (), (2, 3))), server()
    with pytest.raises(VersionMismatch, match=r"volantd \(version 2\) speaks protocol 1, the client \(version 9\) speaks protocol 2 to 3"):
        answering.receive(asking.hello())
    with pytest.raises(VersionMismatch):
        asking.receive(answering.hello())


def test_a_client_need_not_wait_for_the_hello() -> None:
    asking, answering = client(), server()
    id, frame = asking.hello(), asking.call("vm.get", {"name": "a"})
    assert answering.receive(id + frame[1])[1] == CallReceived(1, "vm.get", {"name": "a"})
    assert asking.receive(answering.hello() + answering.reply(1, [1]))[1] == ReplyReceived(1, [1])


def test_a_call_ends_with_a_reply() -> None:
    asking, answering, id = opened()
    assert asking.receive(answering.reply(id, {"a": 1})) == [ReplyReceived(id, {"a": 1})]
    assert asking.open_calls == answering.open_calls == ()


def test_a_fault_arrives_as_its_own_class_with_all_it_says() -> None:
    asking, answering, id = opened()
    (message,) = asking.receive(answering.fault(id, NoSuchVm("web")))
    assert isinstance(message, FaultReceived)
    assert type(message.fault) is NoSuchVm
    assert message.fault.to_wire() == NoSuchVm("web").to_wire()


def test_a_faults_data_may_use_any_word() -> None:
    asking, answering, id = opened()
    fault = Conflict("x")
    fault.data = {"message": 1, "hint": 2, "self": 3}
    (message,) = asking.receive(answering.fault(id, fault))
    assert isinstance(message, FaultReceived)
    assert message.fault.data == fault.data


def test_an_unknown_fault_keeps_its_code() -> None:
    asking, _, id = opened()
    (message,) = asking.receive(said(HELLO, [3, id, {"code": "new.one", "message": "m", "hint": "", "data": {}}])[len(said(HELLO)) :])
    assert isinstance(message, FaultReceived)
    assert (type(message.fault), message.fault.data["code"]) == (Fault, "new.one")


def test_items_data_ends_credit_and_cancel_arrive() -> None:
    asking, answering, id = opened()
    assert asking.receive(answering.item(id, 1) + answering.item_encoded(id, cbor.dumps(2))) == [ItemReceived(id, 1), ItemReceived(id, 2)]
    assert answering.receive(asking.data(id, 0, b"x") + asking.end(id, 0)) == [DataReceived(id, 0, b"x"), EndReceived(id, 0)]
    assert asking.receive(answering.data(id, 1, b"y") + answering.end(id, 1)) == [DataReceived(id, 1, b"y"), EndReceived(id, 1)]
    assert answering.receive(asking.cancel(id)) == [CancelReceived(id)]


def test_half_close_leaves_the_other_direction_open() -> None:
    asking, answering, id = opened()
    answering.receive(asking.end(id, 0))
    assert asking.sendable(id, 0) == 0
    assert asking.receive(answering.data(id, 0, b"still")) == [DataReceived(id, 0, b"still")]
    with pytest.raises(LocalProtocolError):
        asking.data(id, 0, b"x")


def test_credit_runs_out_and_comes_back() -> None:
    asking, answering, id = opened()
    for _ in range(INITIAL_CREDIT // MAX_DATA):
        answering.receive(asking.data(id, 0, b"x" * MAX_DATA))
    assert asking.sendable(id, 0) == 0
    with pytest.raises(LocalProtocolError):
        asking.data(id, 0, b"x")
    assert asking.receive(answering.credit(id, 0, 5)) == [CreditReceived(id, 0, 5)]
    assert answering.receive(asking.data(id, 0, b"12345")) == [DataReceived(id, 0, b"12345")]


def test_what_the_client_said_before_it_heard_the_reply_is_late_and_dropped() -> None:
    asking, answering, id = opened()
    late = asking.data(id, 0, b"x") + asking.credit(id, 1, 9) + asking.end(id, 0) + asking.cancel(id)
    reply = answering.reply(id, None)
    assert answering.receive(late) == []
    asking.receive(reply)
    assert (asking.cancel(id), asking.credit(id, 1, 9), asking.sendable(id, 0)) == (b"", b"", 0)


def test_credit_that_crosses_an_end_is_dropped() -> None:
    asking, answering, id = opened()
    answering.receive(asking.data(id, 0, b"x"))
    granted = answering.credit(id, 0, 1)
    ended = asking.end(id, 0)
    assert asking.receive(granted) == []
    answering.receive(ended)
    assert answering.credit(id, 0, 1) == b""


def test_one_call_too_many_is_refused_and_the_others_go_on() -> None:
    asking, answering = greeted()
    for _ in range(MAX_OPEN_CALLS):
        answering.receive(asking.call("vm.wait", {})[1])
    with pytest.raises(TooManyCalls):
        asking.call("vm.wait", {})
    (refused,) = answering.receive(said([1, MAX_OPEN_CALLS + 1, "vm.wait", {}]))
    assert isinstance(refused, CallRefused)
    assert isinstance(refused.fault, TooManyCalls)
    answering.fault(refused.id, refused.fault)
    asking.receive(answering.reply(1, None))
    assert len(answering.open_calls) == MAX_OPEN_CALLS - 1


def test_a_farewell_says_why_and_is_the_last_word() -> None:
    asking, answering, _ = opened()
    (message,) = asking.receive(answering.farewell(OutOfOrder("you said nonsense")))
    assert isinstance(message, ClosedByPeer)
    assert message.fault.message == "you said nonsense"
    with pytest.raises(LocalProtocolError):
        asking.call("vm.get", {})


def test_a_result_larger_than_a_frame_leaves_the_call_to_be_ended_by_a_fault() -> None:
    asking, answering, id = opened()
    with pytest.raises(FrameTooLarge) as caught:
        answering.reply(id, b"x" * MAX_FRAME_TO_CLIENT)
    assert asking.receive(answering.fault(id, caught.value))


def test_params_larger_than_a_frame_open_nothing() -> None:
    asking, answering = greeted()
    with pytest.raises(FrameTooLarge):
        asking.call("plugin.install", {"manifest": b"x" * MAX_FRAME_TO_DAEMON})
    assert answering.receive(asking.call("vm.list", {})[1]) == [CallReceived(1, "vm.list", {})]


def test_a_stream_that_ends_inside_a_frame_is_noticed() -> None:
    _, answering = greeted()
    answering.receive(b"\x00\x00\x00\x09\x84")
    with pytest.raises(MalformedFrame, match="5 bytes into it"):
        answering.receive_end()


TO_SERVER: dict[str, tuple[list[Any], type[ProtocolFault]]] = {
    "no array": ([{"a": 1}], MalformedFrame),
    "an empty array": ([[]], MalformedFrame),
    "a kind that is true": ([[True, 1]], MalformedFrame),
    "an unknown kind": ([[9, 1]], MalformedFrame),
    "a negative kind": ([[-1, 1]], MalformedFrame),
    "too few fields": ([[1, 1, "vm.get"]], MalformedFrame),
    "too many fields": ([[8, 1, 2]], MalformedFrame),
    "a text as id": ([[1, "1", "vm.get", {}]], MalformedFrame),
    "a boolean as id": ([[1, True, "vm.get", {}]], MalformedFrame),
    "params that are a list": ([[1, 1, "vm.get", []]], MalformedFrame),
    "a method's name of 65 characters": ([[1, 1, "v" * 65, {}]], MalformedFrame),
    "call id 0": ([[1, 0, "vm.get", {}]], OutOfOrder),
    "a negative call id": ([[1, -1, "vm.get", {}]], OutOfOrder),
    "a call id too large": ([[1, MAX_CALL_ID + 1, "vm.get", {}]], OutOfOrder),
    "a call id twice": ([[1, 1, "vm.get", {}], [1, 1, "vm.get", {}]], OutOfOrder),
    "a second hello": ([HELLO], OutOfOrder),
    "a reply to nobody": ([[2, 1, None]], OutOfOrder),
    "a reply by the caller": ([[1, 1, "vm.get", {}], [2, 1, None]], OutOfOrder),
    "a fault by the caller": ([[1, 1, "vm.get", {}], [3, 1, {}]], OutOfOrder),
    "an item by the caller": ([[1, 1, "vm.get", {}], [4, 1, None]], OutOfOrder),
    "data for a call that never was": ([[6, 1, 0, b"x"]], OutOfOrder),
    "a cancel of a call that never was": ([[8, 1]], OutOfOrder),
    "credit for call 0": ([[7, 0, 0, 1]], OutOfOrder),
    "text as data": ([[1, 1, "vm.exec", {}], [6, 1, 0, "x"]], MalformedFrame),
    "no bytes of data": ([[1, 1, "vm.exec", {}], [6, 1, 0, b""]], MalformedFrame),
    "too much data at once": ([[1, 1, "vm.exec", {}], [6, 1, 0, b"x" * (MAX_DATA + 1)]], MalformedFrame),
    "data beyond the credit": ([[1, 1, "vm.exec", {}], *[[6, 1, 0, b"x" * MAX_DATA]] * 5], CreditOverrun),
    "data after an end": ([[1, 1, "vm.exec", {}], [5, 1, 0], [6, 1, 0, b"x"]], OutOfOrder),
    "two ends": ([[1, 1, "vm.exec", {}], [5, 1, 0], [5, 1, 0]], OutOfOrder),
    "a channel too high": ([[1, 1, "vm.exec", {}], [6, 1, MAX_CHANNELS, b"x"]], OutOfOrder),
    "a negative channel": ([[1, 1, "vm.exec", {}], [5, 1, -1]], OutOfOrder),
    "no credit": ([[1, 1, "vm.exec", {}], [7, 1, 1, 0]], CreditOverrun),
    "negative credit": ([[1, 1, "vm.exec", {}], [7, 1, 1, -1]], CreditOverrun),
    "credit without end": ([[1, 1, "vm.exec", {}], [7, 1, 1, 2**64 - 1]], CreditOverrun),
    "credit that adds up to too much": ([[1, 1, "vm.exec", {}], [7, 1, 1, MAX_CREDIT // 2], [7, 1, 1, MAX_CREDIT // 2]], CreditOverrun),
}


@pytest.mark.parametrize(("messages", "fault"), TO_SERVER.values(), ids=TO_SERVER.keys())
def test_a_client_that_breaks_the_rules_is_refused_by_name(messages: list[Any], fault: type[ProtocolFault]) -> None:
    answering = server()
    answering.receive(said(HELLO))
    with pytest.raises(fault) as caught:
        answering.receive(said(*messages))
    assert caught.value.message
    with pytest.raises(OutOfOrder):
        answering.receive(said([1, 50, "vm.get", {}]))


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": None},
        {"protocol": [1]},
        {"protocol": [2, 1]},
        {"protocol": [-1, 1]},
        {"protocol": [True, 1]},
        {"version": 1},
        {"version": "v" * 65},
        {"role": None},
        {"features": "fast"},
        {"features": [1]},
        {"features": ["f"] * 65},
    ],
    ids=repr,
)
def test_an_absurd_hello_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedFrame):
        server().receive(said([0, HELLO[1] | change]))  # type: ignore[operator]


@pytest.mark.parametrize("message", [[1, 1, "vm.get", {}], [8, 1], [6, 1, 0, b"x"], [2, 1, None]], ids=repr)
def test_nothing_comes_before_the_hello(message: list[Any]) -> None:
    with pytest.raises(OutOfOrder):
        server().receive(said(message))


@pytest.mark.parametrize(
    "message",
    [[2, 2, None], [3, 2, {}], [4, 2, 1], [6, 2, 1, b"x"], [5, 2, 1], [7, 2, 0, 1], [1, 9, "vm.get", {}], [8, 1]],
    ids=repr,
)
def test_a_server_that_answers_nobody_or_calls_is_refused(message: list[Any]) -> None:
    asking, _, _ = opened()
    with pytest.raises(OutOfOrder):
        asking.receive(said(message))


def test_a_server_says_nothing_about_a_call_after_its_reply() -> None:
    asking, answering, id = opened()
    asking.receive(answering.reply(id, None))
    with pytest.raises(OutOfOrder):
        asking.receive(said([4, id, 1]))


def test_ten_thousand_calls_at_once_cost_little_memory() -> None:
    """256 are open, the others are refused one by one: below 4 MiB, whatever the client does."""
    _, answering = greeted()
    flood = said(*([1, id, "event.follow", {}] for id in range(1, 10_001)))
    tracemalloc.start()
    try:
        refused = 0
        for start in range(0, len(flood), 65_536):
            for message in answering.receive(flood[start : start + 65_536]):
                if isinstance(message, CallRefused):
                    answering.fault(message.id, message.fault)
                    refused += 1
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert refused == 10_000 - MAX_OPEN_CALLS


MISUSES = {
    "a call before hello": lambda asking, answering: client().call("vm.get", {}),
    "hello twice": lambda asking, answering: asking.hello(),
    "a client's reply": lambda asking, answering: asking.reply(1, None),
    "a server's call": lambda asking, answering: answering.call("vm.get", {}),
    "a reply to nobody": lambda asking, answering: answering.reply(9, None),
    "an item for nobody": lambda asking, answering: answering.item(9, None),
    "no data": lambda asking, answering: asking.data(1, 0, b""),
    "too much data": lambda asking, answering: asking.data(1, 0, b"x" * (MAX_DATA + 1)),
    "a channel too high": lambda asking, answering: asking.end(1, MAX_CHANNELS),
    "credit beyond all measure": lambda asking, answering: asking.credit(1, 1, MAX_CREDIT),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_our_own_misuse_is_a_defect_and_no_fault(misuse: Any) -> None:
    asking, answering, _ = opened()
    with pytest.raises(LocalProtocolError):
        misuse(asking, answering)
    assert asking.receive(answering.reply(1, None)) == [ReplyReceived(1, None)]


@given(st.data())
def test_any_cut_of_the_stream_gives_the_same_messages(data: st.DataObject) -> None:
    stream = said(HELLO, [1, 1, "vm.exec", {"a": [1, "b"]}], [6, 1, 0, b"x" * 300], [7, 1, 1, 5], [5, 1, 0], [8, 1])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    whole, pieces = server(), server()
    found = [message for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) for message in pieces.receive(stream[start:end])]
    assert found == whole.receive(stream)


@given(st.binary(max_size=80))
def test_garbage_raises_nothing_but_protocol_faults(garbage: bytes) -> None:
    for connection in (client(), server()):
        try:
            connection.receive(said(HELLO) + encode_frame(garbage))
        except ProtocolFault:
            pass
