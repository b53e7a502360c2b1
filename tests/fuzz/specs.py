"""What people and plugins write: manifests, filters, patches of a config; and the headers of images. None crashes or stalls us."""

from __future__ import annotations

import base64
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from hypothesis import strategies as st

from tests.daemon.images import samples
from tests.fledge.elves import module_bytes
from tests.fuzz.mutants import PLAIN, TEXTS, Words, damaged, declared, mutants
from tests.fuzz.running import Property
from tests.proto.specs.manifests import full, small
from volant.daemon.images.formats import FORMATS, HEAD_BYTES, check, identify
from volant.daemon.images.kernels import parse_kernel
from volant.daemon.images.trees import find_program, list_members
from volant.fledge.cpio import members
from volant.fledge.elf import dynamic, section
from volant.proto.api.vm import CreateVm
from volant.proto.api.vm_config import PatchVm
from volant.proto.errors import Fault, ImageFailed, InvalidManifest, InvalidParams, Usage
from volant.proto.plain import from_plain, to_plain
from volant.proto.specs import quantities
from volant.proto.specs.filter import EVENT_FIELDS, MAX_FILTER_CHARS, VM_FIELDS, Fields, parse
from volant.proto.specs.manifest_codec import decode_manifest, encode_manifest
from volant.proto.specs.manifest_codec import to_plain as plain_manifest
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.manifest_text import MAX_MANIFEST, load_json
from volant.proto.specs.pattern import Pattern
from volant.proto.specs.states import NetworkMode
from volant.proto.specs.vmconfig import Defaults, merge_manifest, resolve
from volant.proto.specs.vmpatch import differences, patched

SLOW_S = 2.0
"""CPU seconds after which a small input is a way to stall us; each takes some milliseconds."""

NOW = 1_769_860_800.0
DEFAULTS = Defaults(network=NetworkMode.USER, hypervisor="qemu")
MANIFEST = parse_manifest(full()).manifest


@contextmanager
def specs() -> Iterator[Sequence[Property]]:
    yield [
        Property("a manifest is normalised for good or refused", mutants(st.sampled_from([small(), full()]), most=5), check_manifest),
        Property("bytes are a manifest or refused", MANIFEST_BYTES, refuses(InvalidManifest, read_bytes)),
        Property("a manifest argument is one or refused", ARGUMENTS, refuses(InvalidManifest, decode_manifest)),
        Property("a filter is a predicate or refused", FILTERS, check_filter, share=2.0),
        Property("a pattern is searched for quickly or refused", st.tuples(PATTERNS, HAYSTACKS), check_pattern),
        Property("a quantity is a number or refused", QUANTITIES, check_quantity),
        Property("what a client wants of a VM is a config or refused", mutants(WISHES), check_wish),
        Property("a patch gives a valid config or is refused", mutants(st.tuples(WISHES, PATCHES).map(list)), check_patch),
        Property("an image is known or refused", IMAGES, check_image, share=2.0),
        Property("an archive is listed or refused", ARCHIVES, check_archive, share=2.0),
        Property("a kernel or module is read or refused", ELVES, check_elf),
    ]  # fmt: skip


def quickly(work: Callable[[], Any]) -> Any:
    """What `work` gives, which must not take long."""
    began = time.process_time()
    found = work()
    assert time.process_time() - began < SLOW_S, f"{time.process_time() - began:.1f} s"
    return found


def refuses(wanted: type[Fault], read: Callable[[Any], Any]) -> Callable[[Any], None]:
    """A check that `read` takes a case, or refuses it with a sentence of its own class."""

    def check_case(case: Any) -> None:
        try:
            quickly(lambda: read(case))
        except wanted as fault:
            assert fault.message and fault.hint, repr(fault)

    return check_case


# -------------------------------------------------------------------------------------------------------------------- manifests

_JSON = st.sampled_from([json.dumps(small()).encode(), json.dumps(full()).encode()])
MANIFEST_BYTES = damaged(_JSON, most=4) | st.binary(max_size=60) | PLAIN.map(lambda value: json.dumps(value, default=repr).encode())


def _argument(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


ARGUMENTS = (
    MANIFEST_BYTES.map(_argument)
    | damaged(MANIFEST_BYTES.map(lambda content: gzip.compress(content, mtime=0))).map(_argument)
    | damaged(st.just(encode_manifest(MANIFEST).encode())).map(lambda text: text.decode("latin-1"))
    | TEXTS
)


def read_bytes(content: bytes) -> None:
    """As the command reads a file."""
    parse_manifest(load_json(content, MAX_MANIFEST))


def check_manifest(data: Any) -> None:
    try:
        manifest = quickly(lambda: parse_manifest(data)).manifest
    except InvalidManifest as fault:
        assert fault.data["problems"]
        return
    assert parse_manifest(plain_manifest(manifest)).manifest == manifest
    assert decode_manifest(encode_manifest(manifest)) == manifest


# ----------------------------------------------------------------------------------------------------- filters and what is in them

_PIECES = [
    "web", "state:", "mem>=", "512M", "age<", "5m", "label.a", "label.", ":", "=", "!=", ">", "<=", "~", "^", "$", "-f ", "-f", "(", ")",
    "|", "!", " ", "  ", '"', "'", "*", "?", "[", "]", "[^", "a-z", "\\d", "\\", ".", ",", "name:", "boot", "1e400", "nan", "inf", "9" * 30,
    "é", "\x00", "\ud800", "kind", "up", "{", "}", "+", "up!=", "boot_time<", "-1",
]  # fmt: skip
_SNIPPETS = st.lists(st.sampled_from(_PIECES), max_size=24).map("".join)
_NESTED = st.builds(lambda opened, times: opened * times, st.sampled_from(["(", "!", "!(", "a|", "~("]), st.integers(1, 600))
_TERMS = st.builds(
    "{}{}{}".format,
    st.sampled_from([*VM_FIELDS.named, *EVENT_FIELDS.named, "label.a", "colour"]),
    st.sampled_from([":", "=", "!=", ">", ">=", "<", "<=", ":~"]),
    st.sampled_from(["", "web", "we*,x?", "512M", "5m", "1e400", "nan", "-1", "(", '"a b"', "'"]) | st.text(max_size=4),
)
_ASKED = st.lists(_TERMS | st.sampled_from(_PIECES), min_size=1, max_size=4).map(" ".join)
_KEYS = st.sampled_from([*(field.key for field in VM_FIELDS.named.values()), "labels", "kind", "seq", "time"])
FILTERS = st.tuples(_ASKED | _SNIPPETS | st.text(max_size=40) | _NESTED, st.dictionaries(_KEYS, PLAIN, max_size=4))
PATTERNS = (
    _SNIPPETS | st.text(max_size=70) | st.lists(st.sampled_from(["(a*)", "(a|a)", "a?", "a+", "*", "(", ")"]), max_size=16).map("".join)
)
HAYSTACKS = st.text("ab-.1 é", max_size=40) | st.integers(0, 900).map(lambda n: "a" * n)
QUANTITIES = st.text("0123456789.msMhdgGkKtTiIbB -+eE\u0663", max_size=24) | TEXTS


def _record(values: dict[str, Any]) -> dict[str, Any]:
    """A record whose fields may be missing, of the types that records have."""
    kinds = {field.key: field.kind.value for field in [*VM_FIELDS.named.values(), *EVENT_FIELDS.named.values()]}
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key == "labels":
            made[key] = {str(name): str(content) for name, content in value.items()} if isinstance(value, dict) else {}
        elif kinds[key] in ("text", "age"):
            made[key] = value if isinstance(value, str) else str(value)
        else:
            made[key] = value if type(value) in (int, type(None)) else 0
    return made


def check_filter(case: tuple[str, dict[str, Any]]) -> None:
    text, values = case
    record = _record(values)
    for fields in (VM_FIELDS, EVENT_FIELDS):
        quickly(lambda fields=fields: _filtered(text, fields, record))  # type: ignore[misc]


def _filtered(text: str, fields: Fields, record: dict[str, Any]) -> None:
    try:
        takes = parse(text, fields, dict.get)
    except InvalidParams as fault:
        assert fault.hint and 0 <= fault.data["at"] <= max(len(text), MAX_FILTER_CHARS)
        return
    assert type(takes(record, NOW)) is bool


def check_pattern(case: tuple[str, str]) -> None:
    pattern, text = case
    try:
        quickly(lambda: Pattern(pattern).found_in(text))
    except InvalidParams as fault:
        assert fault.hint and 0 <= fault.data["at"] <= len(pattern)


def check_quantity(text: str) -> None:
    for read in (quantities.milliseconds, quantities.memory_mib):
        try:
            assert type(quickly(lambda read=read: read(text))) is int  # type: ignore[misc]
        except Usage as fault:
            assert fault.message and fault.hint


# ---------------------------------------------------------------------------------------------------------------- configs of VMs

_WORDS: Words = {
    "name": st.just("web"),
    "plugin": st.just(MANIFEST.name),
    "memory_mb": st.sampled_from([None, 64, 128, 4096]),
    "cpu_cores": st.sampled_from([None, 1, 4]),
    "kernel": st.sampled_from(["", "/boot/vmlinuz"]),
    "unset": st.lists(st.sampled_from(["memory_mb", "env.A", "labels.a", "boot", "restart", "env", "x"]), max_size=3),
    "env": st.dictionaries(st.sampled_from(["A", "B", "PATH"]), TEXTS, max_size=2),
    "labels": st.dictionaries(st.sampled_from(["a", "b", "team"]), TEXTS, max_size=2),
    "cmdline": st.sampled_from(["", "quiet", "a=b c"]) | TEXTS,
    "restart": st.sampled_from(["", "no", "always", "on-failure:3"]) | TEXTS,
}
WISHES = declared(CreateVm, _WORDS)
PATCHES = declared(PatchVm, {**_WORDS, "kernel": st.sampled_from([None, "", "/boot/vmlinuz"])})


def check_wish(plain: Any) -> None:
    try:
        config = quickly(lambda: resolve(from_plain(CreateVm, plain), MANIFEST, DEFAULTS))
    except InvalidParams as fault:
        assert fault.data["problems"]
        return
    parse_manifest(merge_manifest(MANIFEST, config))


def check_patch(case: Any) -> None:
    try:
        wish, plain = case if isinstance(case, list) and len(case) == 2 else (None, None)
        config = resolve(from_plain(CreateVm, wish), MANIFEST, DEFAULTS)
        changed = quickly(lambda: patched("web", config, from_plain(PatchVm, plain), MANIFEST, DEFAULTS))
    except InvalidParams as fault:
        assert fault.data["problems"]
        return
    parse_manifest(merge_manifest(MANIFEST, changed))
    told = {difference.field.partition(".")[0] for difference in differences(to_plain(config), to_plain(changed))}
    assert told == {field for field, value in asdict(config).items() if value != asdict(changed)[field]}


# ------------------------------------------------------------------------------------------------------------------------ images

_TREE: dict[str, str | bytes] = {"bin": "usr/bin", "usr/bin/serve": b"#!/bin/sh\n", "loop": "loop", "up": "../../..", "abs": "/usr/bin"}
ARCHIVES = damaged(st.sampled_from([samples.cpio(_TREE), samples.cpio({}), samples.cpio(_TREE) * 2]), most=6)
_WHOLE = [
    samples.ext4(), samples.squashfs(), samples.xfs(), samples.qcow2(), samples.qcow2(version=2), samples.cpio(_TREE),
    samples.packed_cpio(_TREE),
]  # fmt: skip
IMAGES = damaged(st.sampled_from(_WHOLE), most=6)
ELVES = damaged(st.sampled_from([module_bytes(depends="a,b"), samples.bzimage(b"x" * 64)]), most=6)


def check_image(data: bytes) -> None:
    head = data[:HEAD_BYTES]
    found = quickly(lambda: identify(head, len(data)))
    for wanted in FORMATS:
        try:
            assert check(head, len(data), wanted, "the image") == found
        except ImageFailed as fault:
            assert fault.message.startswith("the image ") and fault.hint


def check_archive(data: bytes) -> None:
    try:
        tree = quickly(lambda: list_members(io.BytesIO(data).read, "the archive"))
        quickly(lambda: [find_program(tree, program) for program in ("/bin/serve", "serve", "loop/x", "up/x", "/abs/serve")])
    except ImageFailed as fault:
        assert fault.message.startswith("the archive ") and fault.hint
    try:
        quickly(lambda: [body.read(7) for _, body in members(io.BytesIO(data), "the archive")])
    except ImageFailed as fault:
        assert fault.message.startswith("the archive ")


def check_elf(data: bytes) -> None:
    for read in (parse_kernel, dynamic, lambda content, label: section(content, ".modinfo", label)):
        try:
            quickly(lambda read=read: read(data, "the file"))  # type: ignore[misc]
        except ImageFailed as fault:
            assert fault.message.startswith("the file ")
