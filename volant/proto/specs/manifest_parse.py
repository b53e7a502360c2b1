"""From data to a `Manifest`: all wrong fields at once, each with its path, and what was not understood as warnings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from volant.proto.errors import InvalidManifest
from volant.proto.specs.fields import MAX_ITEMS, Flag, Kind, ListOf, MapOf, Number, Object, Text, kinds_of
from volant.proto.specs.manifest import DEFAULT_HEALTH_TIMEOUT_MS, CloudInit, Devices, Document, HealthCheck, Manifest

MAX_PROBLEMS = 50
"""Most problems, and most warnings, that are told at once: more than a person reads, and a fault far below a frame."""
_SHOWN_CHARS = 60
"""How much of a wrong value a sentence quotes."""

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A manifest, and what was not understood in its source: one sentence each, with its path."""

    manifest: Manifest
    warnings: tuple[str, ...]


def parse_manifest(data: object, *, strict: bool = False) -> Parsed:
    """The normalised manifest of JSON-shaped data. InvalidManifest names every wrong field; with `strict` also unknown ones."""
    reader = _Reader(strict)
    if not isinstance(data, dict):
        raise InvalidManifest((("", f"must be a JSON object, not {_type_name(data)}"),))
    manifest = reader.read_object(Manifest, data, "")
    if reader.problems:
        raise InvalidManifest(tuple(_limited(reader.problems.items(), lambda count: ("", f"and {count} more problems"))))
    assert isinstance(manifest, Manifest)
    return Parsed(_normalised(manifest), tuple(_limited(reader.warnings, lambda count: f"and {count} more warnings")))


@dataclass(slots=True)
class _Reader:
    """Reads values by their kinds and collects what is wrong; a wrong value reads as its field's default."""

    strict: bool
    problems: dict[str, str] = field(default_factory=dict)
    """One sentence per path; the first one stands."""
    warnings: list[str] = field(default_factory=list)

    def refuse(self, path: str, sentence: str) -> None:
        self.problems.setdefault(path, sentence)

    def read_object(self, cls: type[Any], data: dict[str, object], path: str) -> Any:
        """An instance of a declared class; with problems noted it may break rules, and nobody gets to see it."""
        kinds = kinds_of(cls)
        if unknown := [key for key in data if key not in kinds]:
            self._note_unknown(unknown, tuple(kinds), path)
        values: dict[str, object] = {}
        for name, kind in kinds.items():
            value = self.read(kind, data.get(name), _join(path, name))
            if value is not None:
                values[name] = value
        instance = cls(**values)
        if isinstance(instance, Manifest) or not instance.is_empty():
            for involved, sentence in instance.complaints():
                paths = [_join(path, name) for name in involved]
                if not any(self._is_wrong(other) for other in paths):
                    self.refuse(paths[0], sentence)
        return instance

    def read(self, kind: Kind, value: object, path: str) -> Any:
        """The normalised value, or None for one that is missing, empty or wrong."""
        if value is None:
            if isinstance(kind, Object):
                return self.read_object(kind.cls, {}, path) if kind.required else None
            if not isinstance(kind, Flag | MapOf) and kind.required:
                self.refuse(path, "is required")
            return None
        if isinstance(kind, Text):
            return self._text(kind, value, path)
        if isinstance(kind, Number):
            return self._number(kind, value, path)
        if isinstance(kind, Flag):
            return self._flag(value, path)
        if isinstance(kind, ListOf):
            return self._list(kind, value, path)
        if not isinstance(value, dict):
            self._wrong_type(path, "an object", value)
            return None
        if isinstance(kind, MapOf):
            return self._map(kind, value, path)
        instance = self.read_object(kind.cls, value, path)
        return instance if kind.required or not instance.is_empty() else None

    def _text(self, kind: Text, value: object, path: str) -> str | None:
        if not isinstance(value, str):
            self._wrong_type(path, "text", value)
            return None
        text = value if kind.verbatim else value.strip()
        if kind.lower:
            text = text.lower()
        if not text:
            if kind.required:
                self.refuse(path, "is required and empty")
            return text if kind.verbatim else None
        if problem := problem_with_text(kind, text):
            self.refuse(path, problem)
            return None
        if kind.choices:
            return next(choice for choice in kind.choices if choice.lower() == text.lower())
        return text

    def _flag(self, value: object, path: str) -> bool | None:
        if not isinstance(value, bool):
            self._wrong_type(path, "true or false", value)
            return None
        return value

    def _number(self, kind: Number, value: object, path: str) -> int | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one kind of number: 2.0 is the integer 2, also for JSON Schema
        if not isinstance(value, int) or isinstance(value, bool):
            self._wrong_type(path, "a whole number", value)
            return None
        if not kind.least <= value <= kind.most:
            self.refuse(path, f"is {_shown(value)}; it must be {kind.least} to {kind.most}")
            return None
        return value

    def _list(self, kind: ListOf, value: object, path: str) -> tuple[Any, ...] | None:
        if not isinstance(value, list | tuple):
            self._wrong_type(path, "a list", value)
            return None
        if len(value) > MAX_ITEMS:
            self.refuse(path, f"has {len(value)} entries; at most {MAX_ITEMS} are allowed")
            return None
        if kind.required and not value:
            self.refuse(path, "is required and empty")
        read = []
        for number, item in enumerate(value):
            result = self._present(kind.item, item, f"{path}[{number}]")
            if result is not None:
                read.append(result)
        return tuple(read)

    def _map(self, kind: MapOf, value: dict[object, object], path: str) -> dict[str, Any] | None:
        if len(value) > MAX_ITEMS:
            self.refuse(path, f"has {len(value)} entries; at most {MAX_ITEMS} are allowed")
            return None
        read: dict[str, Any] = {}
        for key, item in value.items():
            name = key.strip() if isinstance(key, str) else ""
            where = _join(path, _shown_key(key))
            if not name or (problem := problem_with_text(kind.key, name)):
                self.refuse(where, f"is not a name: it {problem if name else 'is empty'}")
            elif name in read:
                self.refuse(where, "stands twice")
            else:
                result = self._present(kind.value, item, where)
                read[name] = "" if result is None else result
        return {name: read[name] for name in sorted(read)}

    def _present(self, kind: Kind, value: object, path: str) -> Any:
        """An entry of a list or map. A wrong object reads as an empty one, so that later entries keep their numbers."""
        result = None
        if value is None:
            self._wrong_type(path, "a value", value)
        else:
            result = self.read(kind, value, path)
        return kind.cls() if result is None and isinstance(kind, Object) else result

    def _wrong_type(self, path: str, wanted: str, value: object) -> None:
        self.refuse(path, f"must be {wanted}, not {_type_name(value)}")

    def _note_unknown(self, unknown: Iterable[object], known: tuple[str, ...], path: str) -> None:
        for key in unknown:
            where = _join(path, _shown_key(key))
            # The search for a similar name costs most; nobody reads more than MAX_PROBLEMS.
            near = _nearest(key, known) if len(self.problems) + len(self.warnings) < MAX_PROBLEMS else ""
            sentence = "is not a known field" + (f"; did you mean {near}?" if near else "")
            if self.strict:
                self.refuse(where, sentence)
            else:
                self.warnings.append(f"{where}: {sentence}, and is ignored" if not near else f"{where}: {sentence}")

    def _is_wrong(self, path: str) -> bool:
        return any(other == path or other.startswith((path + ".", path + "[")) for other in self.problems)


def problem_with_text(kind: Text, text: str) -> str:
    """Why a trimmed, non-empty text is not of this kind, as a clause; empty when it is."""
    if len(text) > kind.max_chars:
        return f"has {len(text)} characters; at most {kind.max_chars} are allowed"
    unwanted = _UNPRINTABLE if kind.verbatim else _CONTROL
    if unwanted.search(text):
        return "holds a character that is not allowed there (a control character or half a surrogate pair)"
    if kind.choices and text.lower() not in {choice.lower() for choice in kind.choices}:
        return f"is {_shown(text)}; it must be one of {', '.join(kind.choices)}"
    if kind.pattern and re.fullmatch(kind.pattern, text) is None:
        return f"is {_shown(text)}; it {kind.expects}" if kind.expects.startswith("must") else f"{_shown(text)} {kind.expects}"
    return ""


def _normalised(manifest: Manifest) -> Manifest:
    """The manifest with what follows from other fields filled in; doing it again changes nothing."""
    runtime = manifest.runtime or manifest.name
    return replace(
        manifest,
        runtime=runtime,
        rootfs=manifest.rootfs and replace(manifest.rootfs, checksum=_prefixed(manifest.rootfs.checksum)),
        initramfs=manifest.initramfs and replace(manifest.initramfs, checksum=_prefixed(manifest.initramfs.checksum)),
        disks=tuple(replace(disk, checksum=_prefixed(disk.checksum)) for disk in manifest.disks),
        image_digest=_prefixed(manifest.image_digest),
        health_check=manifest.health_check and _timed(manifest.health_check),
        cloud_init=manifest.cloud_init and _with_inline(manifest.cloud_init),
        devices=manifest.devices and _with_domains(manifest.devices),
        labels=dict(sorted({**manifest.labels, "volant.plugin": manifest.name, "volant.runtime": runtime}.items())),
    )


def _prefixed(checksum: str) -> str:
    return f"sha256:{checksum}" if checksum and ":" not in checksum else checksum


def _timed(check: HealthCheck) -> HealthCheck:
    return replace(check, timeout_ms=check.timeout_ms or DEFAULT_HEALTH_TIMEOUT_MS)


def _with_inline(cloud_init: CloudInit) -> CloudInit:
    def marked(document: Document | None) -> Document | None:
        return document and replace(document, inline=bool(document.content))

    return replace(
        cloud_init,
        user_data=marked(cloud_init.user_data),
        meta_data=marked(cloud_init.meta_data),
        network_config=marked(cloud_init.network_config),
    )


def _with_domains(devices: Devices) -> Devices:
    """PCI addresses with the domain that short forms leave out."""
    return replace(devices, pci_passthrough=tuple(item if item.count(":") == 2 else f"0000:{item}" for item in devices.pci_passthrough))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _limited(items: Iterable[Any], rest: Callable[[int], Any]) -> list[Any]:
    """The first MAX_PROBLEMS items, and `rest` of how many there are more."""
    known = list(items)
    return known if len(known) <= MAX_PROBLEMS else [*known[:MAX_PROBLEMS], rest(len(known) - MAX_PROBLEMS)]


def _nearest(key: object, known: tuple[str, ...]) -> str:
    import difflib  # only for a manifest with a mistake in it: never while a guest boots

    close = difflib.get_close_matches(str(key)[:_SHOWN_CHARS].lower(), known, n=1)
    return close[0] if close else ""


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else _number_text(value)
    return ascii(text[:_SHOWN_CHARS]) + ("..." if len(text) > _SHOWN_CHARS else "") if isinstance(value, str) else text


def _number_text(value: object) -> str:
    # Printing an integer of thousands of digits is refused by Python itself.
    return f"a number of {value.bit_length()} bits" if isinstance(value, int) and value.bit_length() > 256 else repr(value)[:_SHOWN_CHARS]


def _shown_key(key: object) -> str:
    text = str(key)[:_SHOWN_CHARS] if isinstance(key, str | float | bool | None) else "?"
    return text if text.isprintable() and text else ascii(text)


def _type_name(value: object) -> str:
    names = {dict: "an object", list: "a list", tuple: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
