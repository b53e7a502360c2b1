"""`volant vm cp`: files and folders into a guest and out of it, with the destination rules that people know from docker."""

from __future__ import annotations

import argparse
import os
import posixpath
import tarfile
from typing import NamedTuple

from volant.client.blocking_calls import BytesCall
from volant.client.cli import terminal
from volant.client.cli.connect import Client, open_client
from volant.client.cli.narrate import StatusLine, bar
from volant.client.cli.parsing import Parser, add_failure_format
from volant.client.cli.pump import Pump
from volant.client.cli.several import with_suggestion
from volant.client.cli.tarball import CHUNK, Unpacker, pack
from volant.client.cli.text import harmless
from volant.proto.errors import ExitCode, NoSuchFile, Usage
from volant.proto.specs.names import problem_with_name


class Guest(NamedTuple):
    """A path in a VM."""

    vm: str
    path: str


def configure_cp(parser: Parser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a local path, NAME:PATH, or - for a tar stream on standard input")
    parser.add_argument("target", metavar="TARGET", help="a local path, NAME:PATH, or - for a tar stream on standard output")
    add_failure_format(parser)
    parser.give_examples(
        "volant vm cp app.conf web-1:/etc/app.conf",
        "volant vm cp web-1:/var/log ./logs",
        "volant vm cp ./site/. web-1:/srv/www",
        "volant vm cp web-1:/etc - | tar tv",
        "tar c . | volant vm cp - web-1:/srv",
    )


def run_cp(args: argparse.Namespace) -> int:
    source, target = side(args.source), side(args.target)
    if isinstance(source, Guest) and isinstance(target, Guest):
        raise Usage("one of the two has to be local", hint="copy out first, then in: volant vm cp A:/x - | volant vm cp - B:/")
    if not isinstance(source, Guest) and not isinstance(target, Guest):
        raise Usage(
            "neither side is in a VM",
            hint="write the VM's side as NAME:PATH, for example web-1:/etc/hosts; a local path with a colon as ./a:b",
        )
    line = StatusLine(quiet=args.quiet)
    with open_client(args) as client:
        try:
            if isinstance(target, Guest):
                return with_suggestion(client, lambda: _copy_in(client, str(source), target, line))
            assert isinstance(source, Guest), "one side is"
            return with_suggestion(client, lambda: _copy_out(client, source, str(target), line, quiet=args.quiet))
        finally:
            line.clear()


def side(text: str) -> str | Guest:
    """A local path, or a path in a VM: what stands before a colon is a VM's name only if it could be one."""
    name, colon, path = text.partition(":")
    if not colon or problem_with_name(name):
        return text
    if not path:
        raise Usage(f"{text!r} names no path in the VM", hint=f"for example: {name}:/etc/hosts")
    return Guest(name, "/" + path.lstrip("/"))


class Place(NamedTuple):
    """Where an archive goes: into this folder, its content under this name (empty: without a name of its own)."""

    folder: str
    name: str


def destination(base: str, target: str, *, source_is_folder: bool, contents_only: bool, target_kind: str) -> Place:
    """docker's rules. `base` is the source's last component, `target_kind` is file, folder or missing; NoSuchFile, Usage.

    A file goes into a folder that exists, else becomes the target. A folder goes into a folder that exists (its contents alone when
    the source ended in `/.`), else its contents become the target.
    """
    folder, name = posixpath.split(target.rstrip("/") or "/")
    if target_kind == "folder":
        return Place(target, "" if contents_only else base)
    if target_kind == "file" and source_is_folder:
        raise Usage(f"a folder can't be copied over the file {target}", hint="name a folder, or a path that doesn't exist yet")
    if target_kind == "missing" and target.endswith("/") and not source_is_folder:
        raise NoSuchFile(f"there is no folder {target}", hint="make it first, or leave out the last slash to copy to that name")
    return Place(folder or ".", name)


def _copy_in(client: Client, source: str, target: Guest, line: StatusLine) -> int:
    if source == "-":
        with client.bytes_call("vm.copy_in", {"name": target.vm, "path": target.path}) as call:
            pump = Pump(call, sink=lambda channel, data: None)
            pump.feed = 0
            pump.run()
        return ExitCode.OK
    if not os.path.lexists(source):
        raise NoSuchFile(f"there is no file or folder {source}", hint="check the path")
    is_folder = os.path.isdir(source)
    base = os.path.basename(os.path.abspath(source))
    place = destination(
        base, target.path, source_is_folder=is_folder, contents_only=ends_in_dot(source), target_kind=_kind_in_guest(client, target)
    )
    total = _size_of(source)
    with client.bytes_call("vm.copy_in", {"name": target.vm, "path": place.folder}) as call:
        pack(source, place.name, call, lambda done: line.draw(f"copying {bar(done, total)}"))
        call.finish()
        call.result()
    return ExitCode.OK


def _copy_out(client: Client, source: Guest, target: str, line: StatusLine, *, quiet: bool) -> int:
    contents_only = ends_in_dot(source.path)
    path = posixpath.normpath(source.path)
    if target == "-" and terminal.is_tty(1):
        raise Usage("a tar stream would spoil the terminal", hint="redirect the output: volant vm cp NAME:PATH - > files.tar")
    with client.bytes_call("vm.copy_out", {"name": source.vm, "path": path}) as call:
        if target == "-":
            while piece := call.read(CHUNK):
                terminal.write_all(1, piece)
            call.result()
            return ExitCode.OK
        head = PeekedStream(call)
        place = destination(
            posixpath.basename(path) or source.vm,
            target,
            source_is_folder=head.kind == tarfile.DIRTYPE,
            contents_only=contents_only,
            target_kind="folder" if os.path.isdir(target) else "file" if os.path.lexists(target) else "missing",
        )
        if not os.path.isdir(place.folder):
            raise NoSuchFile(f"there is no folder {place.folder}", hint="make it first")
        unpacker = Unpacker(os.path.join(place.folder, place.name), lambda done: line.draw(f"copying {bar(done, 0)}"))
        unpacker.unpack(head)
        call.result()
    for name, why in unpacker.skipped:
        if not quiet:
            terminal.say(f"warning: left out {harmless(name)}: {harmless(why)}")
    return ExitCode.PARTIAL if unpacker.skipped else ExitCode.OK


def ends_in_dot(path: str) -> bool:
    """Whether a source means its contents: `dir/.` or `.` itself."""
    return path == "." or path.endswith("/.")


class PeekedStream:
    """A byte stream whose first tar header was looked at and given back."""

    def __init__(self, stream: BytesCall) -> None:
        self._stream = stream
        self._kept = bytearray()
        self.kind = self._first_kind()
        """Type of the first member; empty when there is none."""

    def _first_kind(self) -> bytes:
        """Type of the first member that is a file's: headers that only add to the next one are skipped."""
        at = 0
        while True:
            header = self._peek(at, tarfile.BLOCKSIZE)
            if len(header) < tarfile.BLOCKSIZE:
                return b""
            kind = header[156:157]
            if kind not in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                return kind
            size = int(header[124:136].rstrip(b" \0") or b"0", 8) if not header[124] & 0x80 else MAX_EXTENSION + 1
            if size > MAX_EXTENSION:
                return b""
            at += tarfile.BLOCKSIZE + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE

    def _peek(self, at: int, size: int) -> bytes:
        while len(self._kept) < at + size:
            piece = self._stream.read(CHUNK)
            if not piece:
                break
            self._kept += piece
        return bytes(self._kept[at : at + size])

    def read(self, size: int = -1) -> bytes:
        """The stream from its beginning."""
        if self._kept:
            size = len(self._kept) if size < 0 else size
            piece = bytes(self._kept[:size])
            del self._kept[:size]
            return piece
        return self._stream.read(size)


MAX_EXTENSION = 64 * 1024
"""Bytes of a pax or long-name header that is looked past: names have at most 4 KiB."""


def _kind_in_guest(client: Client, place: Guest) -> str:
    """What is at a path in the guest: file, folder (also behind a link) or missing."""
    path = posixpath.normpath(place.path)
    kind = _first_kind(client, place.vm, path)
    if kind == tarfile.SYMTYPE:
        return "folder" if _first_kind(client, place.vm, f"{path}/.") == tarfile.DIRTYPE else "file"
    return "missing" if kind is None else "folder" if kind == tarfile.DIRTYPE else "file"


def _first_kind(client: Client, vm: str, path: str) -> bytes | None:
    """Type of what copying `path` out begins with, None when nothing is there. No more is read: there is no cheaper question."""
    try:
        with client.bytes_call("vm.copy_out", {"name": vm, "path": path}) as call:
            return PeekedStream(call).kind
    except NoSuchFile:
        return None


def _size_of(source: str) -> int:
    """Bytes of the files at `source`, for the progress bar."""
    if not os.path.isdir(source) or os.path.islink(source):
        return os.lstat(source).st_size
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(source) for name in names)
