"""Volant runs microVMs on one Linux host as easily as containers.

`volant.vm(plugin)` is one for the time of a `with` or `async with` block: `volant.client.TemporaryVm`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loaded when it is used: a guest's agent has only this file, and no time to lose."""
    if name != "vm":
        raise AttributeError(f"volant has no {name!r}")
    from importlib import import_module

    return import_module("volant.client.temporary").TemporaryVm
