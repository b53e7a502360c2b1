"""Where the daemon's socket is, unless somebody says otherwise. Standard library only; daemon and client agree on these rules."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

SOCKET_VARIABLE = "VOLANT_SOCKET"
SYSTEM_SOCKET = "/run/volant/volantd.sock"
_NAME = "volantd.sock"


def default_socket(environment: Mapping[str, str] = os.environ, uid: int | None = None) -> str:
    """The socket's path: VOLANT_SOCKET, else the system's for root, else the one in the user's runtime folder.

    A user who has no daemon of its own gets the system's, where there is one. Connecting tells who may not use it why. A folder that
    is somebody else's, or that others can write, is passed over as the daemon would refuse it.
    """
    named = environment.get(SOCKET_VARIABLE)
    if named:
        return named
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return SYSTEM_SOCKET
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = f"{runtime}/volant" if runtime else f"/tmp/volant-{uid}"  # noqa: S108 - looked at before it is trusted
    own = f"{folder}/{_NAME}"
    if _is_somebody_elses(folder, uid):
        return SYSTEM_SOCKET
    return SYSTEM_SOCKET if not os.path.exists(own) and os.path.exists(SYSTEM_SOCKET) else own


def _is_somebody_elses(folder: str, uid: int) -> bool:
    """In /tmp anybody may lay a folder of this name, with a socket in it that takes whatever we would tell the daemon."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or bool(found.st_mode & 0o022)
