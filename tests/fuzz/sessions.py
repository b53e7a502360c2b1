"""What a client may say to a daemon, and what a daemon may answer: sessions that are right, and then are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.mutants import TEXTS, Words, cut, damaged, declared, framed, mutants
from tests.proto.specs.manifests import small
from tests.vectors.make import MESSAGES, REFUSED
from volant.proto.messages import Kind
from volant.proto.method import NOUNS, Method, methods_of

METHODS: dict[str, Method[Any, Any]] = {name: method for noun in NOUNS for name, method in methods_of(noun).items()}

PREY = ("prey-1", "prey-2", "prey-3")
"""Names of VMs and deployments that hostile clients know of."""

WORDS: Words = {
    "name": st.sampled_from(PREY),
    "plugin": st.just("hello"),
    "version": st.sampled_from(["", "1.0.0"]),
    "memory_mb": st.sampled_from([None, 64, 128]),
    "cpu_cores": st.sampled_from([None, 1]),
    "network": st.sampled_from([None, "none"]),
    "replicas": st.integers(0, 3),
    "timeout_ms": st.sampled_from([0, 1, 50, 10_000]),
    "grace_ms": st.sampled_from([0, 1, 50]),
    "kernel": st.just(""),
    "argv": st.sampled_from([["cat"], ["echo", "here"], ["exit", "3"], ["nothing"]]),
    "path": st.sampled_from(["/", "/greet", "/tmp/x"]) | TEXTS,
    "action": st.sampled_from(["greet", ""]),
    "method": st.sampled_from(["", "GET", "POST"]),
    "filter": st.sampled_from(["", "prey", "mem>=64M age<1d", "~p.*y", "!calm | boot:1"]) | TEXTS,
    "manifest": mutants(st.just(small() | {"initramfs": {"url": "/nowhere.cpio"}})),
    "text": st.sampled_from(["", "prey"]),
    "cmdline": st.sampled_from(["", "quiet"]),
}  # fmt: skip

HELLO = [0, {"protocol": [1, 1], "version": "1", "features": [], "role": "client"}]
_CALLS = st.sampled_from(sorted(METHODS)).flatmap(
    lambda name: declared(METHODS[name].params, WORDS).map(lambda params: [int(Kind.CALL), 0, name, params])
)
_ABOUT_A_CALL = st.one_of(
    st.tuples(st.just(int(Kind.END)), st.integers(1, 4), st.integers(0, 3)).map(list),
    st.tuples(st.just(int(Kind.DATA)), st.integers(1, 4), st.integers(0, 3), st.binary(min_size=1, max_size=40)).map(list),
    st.tuples(st.just(int(Kind.CREDIT)), st.integers(1, 4), st.integers(0, 3), st.sampled_from([1, 65_536, 2**24])).map(list),
    st.tuples(st.just(int(Kind.CANCEL)), st.integers(1, 4)).map(list),
)
_FROM_VECTORS = st.sampled_from([said.message for said in MESSAGES])


@st.composite
def sessions(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[Any]:
    """Messages after a hello, most of them as they should be: calls are numbered as they come."""
    messages = draw(st.lists(_CALLS | _CALLS | _ABOUT_A_CALL | mutants(_CALLS) | mutants(_FROM_VECTORS), max_size=6))
    number = 0
    said: list[Any] = [HELLO] if draw(st.integers(0, 9)) else []
    for message in messages:
        if isinstance(message, list) and len(message) == 4 and message[:2] == [int(Kind.CALL), 0]:
            number += 1
            message = [message[0], number, *message[2:]]
        said.append(message)
    return said


def stream(messages: list[Any]) -> bytes:
    return b"".join(map(framed, messages))


_STREAMS = sessions().map(stream)
_REFUSED = st.sampled_from([framed(HELLO) + refused.whole for refused in REFUSED if refused.times < 2])
TO_DAEMON = cut(_STREAMS | _STREAMS | damaged(_STREAMS) | _REFUSED | st.binary(max_size=80))
"""What a client says, in the pieces in which it comes."""

_ANSWERS = st.one_of(
    st.tuples(st.just(int(Kind.REPLY)), st.integers(1, 3), TEXTS).map(list),
    st.tuples(st.just(int(Kind.ITEM)), st.integers(1, 3), TEXTS).map(list),
    st.tuples(st.just(int(Kind.FAULT)), st.integers(0, 3), st.just(MESSAGES[9].message[2])).map(list),
    _ABOUT_A_CALL,
)
_ANSWERED = st.lists(mutants(_ANSWERS, most=1) | mutants(_FROM_VECTORS), max_size=8).map(lambda said: stream([HELLO, *said]))
TO_CLIENT = cut(_ANSWERED | damaged(_ANSWERED) | st.binary(max_size=80))
"""What a daemon says to a client that has three calls open."""
