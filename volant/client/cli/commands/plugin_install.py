"""`volant plugin install`: read a manifest file, hand it over, and show how far the fetching is."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from volant.client.cli import columns, output, terminal
from volant.client.cli.connect import open_client
from volant.client.cli.narrate import bar, narrated
from volant.client.cli.parsing import Parser, add_output, style_of
from volant.client.cli.style import Style
from volant.client.cli.text import harmless
from volant.proto.errors import ExitCode, InvalidManifest, NoSuchFile, Usage
from volant.proto.specs.manifest_text import MAX_MANIFEST, load_json

_URL = ("http://", "https://")
FETCH_S = 30.0
"""How long a manifest's server may keep us waiting between two of its bytes."""


def configure_install(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="the manifest (JSON), or an http or https URL of it; - reads standard input")
    parser.add_argument("--strict", action="store_true", help="unknown fields are errors, not warnings")
    parser.add_argument("--replace", action="store_true", help="allow other contents under the same name and version while no VM uses it")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, change nothing, print the manifest as it would be installed"
    )
    add_output(parser)
    parser.give_examples(
        "volant plugin install ./hello/plugin.json",
        "volant plugin install https://example.org/hello/plugin.json",
        "volant plugin install plugin.json --dry-run -o json",
        "generate-manifest | volant plugin install -",
    )


def run_install(args: argparse.Namespace) -> int:
    manifest = read_manifest(args.file)
    params = {"manifest": manifest, "strict": args.strict, "replace": args.replace, "dry_run": args.dry_run}
    with open_client(args) as client:
        stream = client.stream_plain("plugin.install", params)
        with narrated(args, "installing") as tell:
            for progress in stream:
                tell(f"{progress['step']} {bar(int(progress['done']), int(progress['total']))}")
        record: dict[str, Any] = stream.result
    for warning in record.get("warnings") or ():
        terminal.say(f"warning: {harmless(str(warning))}")
    if args.output is None and not args.dry_run:
        output.write_line(f"{record['name']} {record['version']}")
    elif args.output is None or args.output == "name":
        output.write_document(Style("json"), record["manifest"]) if args.output is None else output.write_line(record["name"])
    else:
        output.write_one(style_of(args), columns.PLUGIN, record)
    return ExitCode.OK


def read_manifest(file: str) -> dict[str, Any]:
    """The manifest in `file` (`-`: standard input; or a URL), its relative artifact paths made absolute against the file's folder."""
    if file.startswith(_URL):
        text, folder = _fetch(file), file.rpartition("/")[0]
    elif file == "-":
        text, folder = sys.stdin.buffer.read(MAX_MANIFEST + 1), os.getcwd()
    else:
        text, folder = _read(file), os.path.dirname(os.path.abspath(file))
    shown = "standard input" if file == "-" else file
    if len(text) > MAX_MANIFEST:
        raise Usage(
            f"{shown} is larger than {MAX_MANIFEST // 1024} KiB, the most a manifest may have",
            hint="a manifest names its images by path or URL; is this the image itself?",
        )
    return resolved(parse(text, shown), folder)


def parse(text: bytes, shown: str) -> dict[str, Any]:
    """`text` as a JSON object; InvalidManifest says where it is none."""
    manifest = load_json(text, MAX_MANIFEST, what=shown)
    if not isinstance(manifest, dict):
        raise InvalidManifest((("", f"{shown} holds a JSON {_kind(manifest)}, not an object"),), hint="a manifest is one JSON object")
    return manifest


def resolved(manifest: dict[str, Any], folder: str) -> dict[str, Any]:
    """`manifest` with the paths of its artifacts absolute: the daemon has another working directory than whoever wrote them. A `folder`
    that is a URL makes URLs of them."""
    found = dict(manifest)
    for key in ("rootfs", "initramfs"):
        if isinstance(found.get(key), dict):
            found[key] = _with_absolute(found[key], "url", folder)
    if isinstance(found.get("disks"), list):
        found["disks"] = [_with_absolute(disk, "source", folder) if isinstance(disk, dict) else disk for disk in found["disks"]]
    if isinstance(found.get("cloud_init"), dict):
        found["cloud_init"] = {
            key: _with_absolute(part, "path", folder) if isinstance(part, dict) else part for key, part in found["cloud_init"].items()
        }
    return found


def _with_absolute(part: dict[str, Any], key: str, folder: str) -> dict[str, Any]:
    value = part.get(key)
    if not isinstance(value, str) or not value.strip():
        return part
    if "://" in folder:
        return part | {key: _against_url(value.strip(), folder)}
    if "://" in value or os.path.isabs(value.strip()):
        return part
    return part | {key: os.path.normpath(os.path.join(folder, value.strip()))}


def _against_url(value: str, folder: str) -> str:
    """An artifact of a manifest that came from elsewhere: it has no say about the files of this host."""
    from urllib.parse import urljoin

    found = urljoin(f"{folder}/", value)
    if not found.startswith(_URL):
        raise InvalidManifest((("", f"{value} is neither http nor https, which is all that a fetched manifest may name"),))
    return found


def _fetch(url: str) -> bytes:
    """What the URL gives, as far as a manifest may be long."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=FETCH_S) as reply:  # noqa: S310 - the caller checked the scheme
            found: bytes = reply.read(MAX_MANIFEST + 1)
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise Usage(f"{url} can't be fetched: {why}", hint="check the URL, or fetch it yourself and name the file") from None
    return found


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(MAX_MANIFEST + 1)
    except FileNotFoundError:
        raise NoSuchFile(f"there is no file {file}", hint="name a manifest file, or - for standard input") from None
    except IsADirectoryError:
        raise Usage(f"{file} is a folder", hint="name the manifest file in it") from None
    except OSError as error:
        raise Usage(f"{file} can't be read: {error.strerror}", hint="check the file and its permissions") from None


def _kind(value: object) -> str:
    return {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(value), "number")
