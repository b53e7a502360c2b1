"""The filter language: what is taken, what can't be read, and what holds whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.proto.errors import InvalidParams
from volant.proto.specs.filter import EVENT_FIELDS, MAX_FILTER_CHARS, VM_FIELDS, parse

NOW = 1_769_860_800.0  # 2026-01-31T12:00:00Z


def vm(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name, "status": "ready", "plugin": "hello", "plugin_version": "1.0.0", "deployment": "", "ip": "", "labels": {},
        "cpu_cores": 1, "memory_mb": 256, "boot": 1, "ready_ms": 800, "created_at": "2026-01-31T11:00:00Z", **fields,
    }  # fmt: skip


VMS = [
    vm("web-1", labels={"env": "prod", "tier": "front end"}, ip="10.77.0.2", deployment="web"),
    vm("web-2", status="failed", labels={"env": "test"}, ip="10.77.0.3", deployment="web", boot=4, restarts=3),
    vm("DB-1", plugin="postgres", memory_mb=2048, cpu_cores=4, created_at="2026-01-31T11:58:00Z"),
    vm("build-01", status="crashed", plugin="builder", memory_mb=512, ready_ms=0, created_at=""),
]


def taken(text: str) -> list[str]:
    takes = parse(text, VM_FIELDS, dict.get)
    return [record["name"] for record in VMS if takes(record, NOW)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["web-1", "web-2", "DB-1", "build-01"]),
        ("  ", ["web-1", "web-2", "DB-1", "build-01"]),
        ("web", ["web-1", "web-2"]),
        ("db", ["DB-1"]),
        ("Db", []),
        ("10.77.0.3", ["web-2"]),
        ('"tier=front"', ["web-1"]),
        ('"env=prod"', ["web-1"]),
        ("fail", ["web-2"]),
        ("!web", ["DB-1", "build-01"]),
        ("! web", ["DB-1", "build-01"]),
        ("!!web", ["web-1", "web-2"]),
        ("~^(web|db)-1$", ["web-1", "DB-1"]),
        ("(~^(web|db)-1$ mem<1G)", ["web-1"]),
        ("-f wb1", ["web-1"]),
        ("-f bd1", ["build-01"]),
        ("state:failed", ["web-2"]),
        ("status=failed,crashed", ["web-2", "build-01"]),
        ("state!=ready", ["web-2", "build-01"]),
        ("name:web-*", ["web-1", "web-2"]),
        ("name:DB-?", ["DB-1"]),
        ("name:~^w", ["web-1", "web-2"]),
        ("deploy:web state:ready", ["web-1"]),
        ("label.env:prod", ["web-1"]),
        ("label.env!=prod", ["web-2", "DB-1", "build-01"]),
        ('label.tier:"front end"', ["web-1"]),
        ("mem>=512M", ["DB-1", "build-01"]),
        ("mem<512", ["web-1", "web-2"]),
        ("mem:2G", ["DB-1"]),
        ("cpus>1", ["DB-1"]),
        ("boot!=1", ["web-2"]),
        ("rst>0 restarts<9", ["web-2"]),
        ("boot_time<1s boot_time>0", ["web-1", "web-2", "DB-1"]),
        ("age<5m", ["DB-1"]),
        ("age>5m", ["web-1", "web-2"]),
        ("age!=5m", ["web-1", "web-2", "DB-1", "build-01"]),
        ("web-1|db", ["web-1", "DB-1"]),
        ("web (state:failed | boot:1) !web-2", ["web-1"]),
        ("web-1 | db mem>1G", ["web-1", "DB-1"]),
    ],
)
def test_what_is_taken(text: str, names: list[str]) -> None:
    assert taken(text) == names


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("web (state:failed", 4, "never closed"),
        ("web )", 4, "too many"),
        ("web |", 5, "missing"),
        ("| web", 0, "missing"),
        ("!", 1, "missing"),
        ('name:"web', 5, "quote"),
        ("colour:red", 0, "no field 'colour'"),
        ("web tier=front", 4, "no field 'tier'"),
        ("mem>much", 4, "amount of memory"),
        ("age<soon", 4, "duration"),
        ("cpus>x", 5, "no number"),
        ("state>ready", 6, "can't be compared with >"),
        ("~", 1, "pattern is missing"),
        ("web ~(x", 7, "lacks a )"),
        ("x" * (MAX_FILTER_CHARS + 1), MAX_FILTER_CHARS, "at most"),
        ("(" * 40, 32, "brackets"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_helps(text: str, at: int, said: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        parse(text, VM_FIELDS, dict.get)
    assert said in refused.value.message
    assert refused.value.data["at"] == at
    assert refused.value.hint


@pytest.mark.parametrize(("word", "meant"), [("stat:x", "'state'"), ("Plugn:x", "'plugin'"), ("colour:x", "")])
def test_a_misspelt_field_is_told_which_was_meant(word: str, meant: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        parse(word, VM_FIELDS, getattr)
    assert caught.value.hint.startswith(f"did you mean {meant}? " if meant else "fields are ")


def test_events_have_fields_of_their_own() -> None:
    takes = parse("kind:VM_CR* vm:web-1 seq>3", EVENT_FIELDS, dict.get)
    event = {"seq": 4, "kind": "VM_CRASHED", "vm": "web-1", "message": "", "time": ""}
    assert takes(event, NOW)
    assert not takes(event | {"seq": 3}, NOW)


WORDS = st.sampled_from(["web", "db", "state:failed", "mem>=512M", "name:web-*", "~^b", "-f w1", "age<5m", "label.env:prod", "boot>1"])
FILTERS = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" ".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} | {two[1]})"),
        inner.map(lambda x: f"!({x})"),
    ),
    max_leaves=6,
)


@given(FILTERS, FILTERS)
def test_and_or_and_not_are_what_sets_say(one: str, other: str) -> None:
    everything, first, second = set(taken("")), set(taken(one)), set(taken(other))
    assert set(taken(f"({one}) ({other})")) == first & second
    assert set(taken(f"({one})|({other})")) == first | second
    assert set(taken(f"!({one})")) == everything - first


@given(st.text(max_size=60) | st.text("web:~()|!<>=\"' -f,*", max_size=40))
def test_any_text_is_a_filter_or_refused_with_a_place_in_it(text: str) -> None:
    try:
        taken(text)
    except InvalidParams as refused:
        assert 0 <= refused.data["at"] <= len(text) + 1
