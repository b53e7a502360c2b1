"""What the host refuses us, as faults. Pure."""

from __future__ import annotations

import errno
import os

from volant.proto.errors import Failed, Fault, HostShort

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


def refused(error: OSError) -> Fault:
    """The fault of something that the host would not do, where nobody knows better what it was: HostShort when it lacks something."""
    why = os.strerror(error.errno) if error.errno else str(error)
    where = f" ({os.fsdecode(error.filename)})" if error.filename is not None else ""
    if error.errno in _FULL:
        return HostShort(f"the host's disk is full{where}: {why}", hint="free some space; `df -h` shows how much there is")
    if error.errno in _SHORT:
        return HostShort(f"the host is short of something{where}: {why}", hint="stop some VMs, or give the daemon higher limits")
    return Failed(f"the host refuses{where}: {why}", hint="`dmesg` may say more")
