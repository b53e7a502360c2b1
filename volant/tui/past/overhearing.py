"""What VMs print, on its way into a recording: each line and each byte once, whatever was read again meanwhile. No I/O."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from typing import Any

Told = dict[str, Any]
"""What a line of a recording tells."""


class Consoles:
    """Consoles that are shown, by the ids of their VMs. A pane that is opened again reads again what was read."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}
        """Where on the console what is recorded ends."""
        self._at: dict[str, int] = {}
        """Where what comes next stands."""
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def take(self, vm_id: str, items: Iterable[Any]) -> Iterable[Told]:
        """What of these, bytes and plain `ConsolePlace`s, was not recorded yet."""
        for item in items:
            if not isinstance(item, bytes):
                self._at[vm_id] = int(item["offset"])
                continue
            start = self._at.get(vm_id, 0)
            end = self._at[vm_id] = start + len(item)
            heard = self._heard.get(vm_id, start)
            if end <= heard:
                continue
            self._heard[vm_id] = end
            decoder = self._decoders.setdefault(vm_id, codecs.getincrementaldecoder("utf-8")("replace"))
            text = decoder.decode(item[max(0, heard - start) :])
            if text:
                yield {"id": vm_id, "text": text} | ({"missed": start - heard} if start > heard else {})


class Starts:
    """How far the output of each VM is known."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}

    def take(self, item: Mapping[str, Any]) -> None:
        """A plain `VmLines` came."""
        if item["lines"]:
            self._known[item["id"]] = (item["boot"], item["lines"][-1]["seq"])

    @property
    def after(self) -> dict[str, tuple[int, int]]:
        """For `vm.logs_watch`: where to go on after a break."""
        return dict(self._known)
