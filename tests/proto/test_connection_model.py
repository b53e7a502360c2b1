"""Random conversations of two connections against a model of what is open and what is granted."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from volant.proto import cbor, purecbor
from volant.proto.connection import INITIAL_CREDIT, MAX_DATA, MAX_OPEN_CALLS, Connection, Side
from volant.proto.frames import MAX_FRAME_TO_CLIENT, MAX_FRAME_TO_DAEMON
from volant.proto.messages import DataReceived, EndReceived, Hello, Message, ReplyReceived

CHANNEL = st.integers(0, 2)
SIDE = st.sampled_from(Side)


class Conversation(RuleBasedStateMachine):
    """Bytes wait in two pipes and are delivered when hypothesis likes, so that messages cross in every way."""

    calls = Bundle("calls")

    @initialize()
    def greet(self) -> None:
        self.ends = {
            Side.CLIENT: Connection(Side.CLIENT, cbor, max_incoming=MAX_FRAME_TO_CLIENT, hello=Hello("client", "1")),
            Side.SERVER: Connection(Side.SERVER, purecbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=Hello("daemon", "1")),
        }
        self.pipes = {side: bytearray(self.ends[side].hello()) for side in Side}
        """What each side has said and the other not yet heard."""
        self.heard: dict[Side, list[Message]] = {side: [] for side in Side}
        self.sent: dict[tuple[Side, int, int], int] = {}
        self.granted: dict[tuple[Side, int, int], int] = {}
        """By the granting side: bytes granted beyond the initial credit."""
        self.got: dict[tuple[Side, int, int], int] = {}
        self.ended: set[tuple[Side, int, int]] = set()
        self.replied: set[int] = set()
        for side in Side:
            self.deliver(side, 1.0)

    @rule(side=SIDE, share=st.floats(0, 1))
    def deliver(self, side: Side, share: float) -> None:
        """The other side hears part of what `side` said."""
        pipe = self.pipes[side]
        size = int(len(pipe) * share)
        piece = bytes(pipe[:size])
        del pipe[:size]
        other = side.other
        for message in self.ends[other].receive(piece):
            self.heard[other].append(message)
            if isinstance(message, DataReceived):
                key = (other, message.id, message.channel)
                self.got[key] = self.got.get(key, 0) + len(message.data)

    @rule(target=calls)
    def call(self) -> object:
        if len(self.ends[Side.CLIENT].open_calls) >= MAX_OPEN_CALLS:
            return multiple()
        id, frame = self.ends[Side.CLIENT].call("vm.exec", {})
        self.pipes[Side.CLIENT] += frame
        return id

    @rule(side=SIDE, id=calls, channel=CHANNEL, size=st.integers(1, MAX_DATA))
    def send(self, side: Side, id: int, channel: int, size: int) -> None:
        end = self.ends[side]
        size = min(size, end.sendable(id, channel))
        if size:
            self.pipes[side] += end.data(id, channel, b"x" * size)
            self.sent[side, id, channel] = self.sent.get((side, id, channel), 0) + size

    @rule(side=SIDE, id=calls, channel=CHANNEL)
    def end(self, side: Side, id: int, channel: int) -> None:
        if self.ends[side].is_open(id) and (side, id, channel) not in self.ended:
            self.pipes[side] += self.ends[side].end(id, channel)
            self.ended.add((side, id, channel))

    @rule(side=SIDE, id=calls, channel=CHANNEL)
    def grant_what_came(self, side: Side, id: int, channel: int) -> None:
        key = (side, id, channel)
        n = self.got.get(key, 0) - self.granted.get(key, 0)
        if n > 0:
            frame = self.ends[side].credit(id, channel, n)
            self.pipes[side] += frame
            self.granted[key] = self.granted.get(key, 0) + (n if frame else 0)

    @rule(id=calls)
    def cancel(self, id: int) -> None:
        self.pipes[Side.CLIENT] += self.ends[Side.CLIENT].cancel(id)

    @rule(id=consumes(calls))
    def reply(self, id: int) -> None:
        if self.ends[Side.SERVER].is_open(id):
            self.pipes[Side.SERVER] += self.ends[Side.SERVER].reply(id, id)
            self.replied.add(id)

    @invariant()
    def nobody_got_more_than_was_sent_or_granted(self) -> None:
        for (side, id, channel), got in getattr(self, "got", {}).items():
            assert got <= self.sent[side.other, id, channel]
            assert got <= INITIAL_CREDIT + self.granted.get((side, id, channel), 0)

    def teardown(self) -> None:
        """Everything is heard at last; nothing that was said was against the rules."""
        if not hasattr(self, "ends"):
            return
        for side in Side:
            self.deliver(side, 1.0)
        replies = {message.id for message in self.heard[Side.CLIENT] if isinstance(message, ReplyReceived)}
        assert replies == self.replied
        for side in Side:
            ends = {(side.other, m.id, m.channel) for m in self.heard[side] if isinstance(m, EndReceived)}
            assert ends <= self.ended
        assert set(self.ends[Side.CLIENT].open_calls) == set(self.ends[Side.SERVER].open_calls)


Conversation.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase
