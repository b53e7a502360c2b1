"""Where the daemon's socket is, unless somebody says otherwise. Standard library only; daemon and client agree on these rules."""

from __future__ import annotations

import os
from collections.abc import Mapping

SOCKET_VARIABLE = "VOLANT_SOCKET"
SYSTEM_SOCKET = "/run/volant/volantd.sock"
_NAME = "volantd.sock"


def default_socket(environment: Mapping[str, str] = os.environ, uid: int | None = None) -> str:
    """The socket's path: VOLANT_SOCKET, else the system's for root, else the one in the user's runtime folder.

    A user who has no daemon of its own gets the system's, where there is one. Connecting tells who may not use it why.
    """
    named = environment.get(SOCKET_VARIABLE)
    if named:
        return named
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return SYSTEM_SOCKET
    runtime = environment.get("XDG_RUNTIME_DIR")
    own = f"{runtime}/volant/{_NAME}" if runtime else f"/tmp/volant-{uid}/{_NAME}"  # noqa: S108 - the folder is the daemon's, mode 0700
    return SYSTEM_SOCKET if not os.path.exists(own) and os.path.exists(SYSTEM_SOCKET) else own
