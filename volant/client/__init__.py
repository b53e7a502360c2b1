"""The scripting SDK: `Client` blocks, `AsyncClient` runs on asyncio. `docs/sdk.md` shows both.

Names resolve when they are first used, so that the `volant` command loads only what it needs.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

    from volant.client.aio import AsyncClient
    from volant.client.blocking import Client
    from volant.client.paths import default_socket
    from volant.client.temporary import TemporaryVm

__all__ = ["AsyncClient", "Client", "TemporaryVm", "default_socket"]

_HOMES = {"AsyncClient": "aio", "Client": "blocking", "TemporaryVm": "temporary", "default_socket": "paths"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"volant.client has no {name!r}")
    return getattr(import_module(f"volant.client.{_HOMES[name]}"), name)
