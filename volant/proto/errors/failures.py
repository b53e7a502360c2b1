"""Tried without success: it failed, it took too long, or nobody was there to ask."""

from __future__ import annotations

from volant.proto.errors.root import ExitCode, Fault


class Timeout(Fault):
    """A deadline that the caller or the configuration set has passed."""

    code = "timeout"
    exit_code = ExitCode.TIMEOUT
    http_status = 504


class Unreachable(Fault):
    """There is no daemon to talk to."""

    code = "unreachable"
    exit_code = ExitCode.UNREACHABLE
    http_status = 503


class SocketMissing(Unreachable):
    code = "unreachable.missing"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no volantd socket at {path}", hint="start the daemon (`volantd`), or name its socket with --socket or VOLANT_SOCKET"
        )


class SocketRefused(Unreachable):
    code = "unreachable.refused"

    def __init__(self, path: str) -> None:
        super().__init__(f"nobody answers at {path}: volantd is not running", hint="start the daemon (`volantd`)")


class SocketPathTooLong(Unreachable):
    code = "unreachable.path"
    exit_code = ExitCode.USAGE

    def __init__(self, path: str) -> None:
        super().__init__(f"the socket path has {len(path.encode())} bytes; Linux allows 107: {path}", hint="choose a shorter path")


class ConnectionLost(Unreachable):
    """The other side of a connection went away in the middle of a call; for a client that is the daemon."""

    code = "unreachable.lost"


class Failed(Fault):
    """It was tried and did not work."""

    code = "failed"


class LaunchFailed(Failed):
    """A VM did not come up. `data`: console (last 20 lines), stderr, command_line, vmm_exit_code where known."""

    code = "failed.launch"


class GuestFailed(Failed):
    """The guest or its workload did not do what was asked."""

    code = "failed.guest"
    http_status = 502


class AgentMissing(Failed):
    """The VM has no agent answering now, or none any more."""

    code = "failed.agent"
    http_status = 503


class ImageFailed(Failed):
    """An artifact could not be fetched, does not match its checksum, or is not what it claims to be."""

    code = "failed.image"


class HostShort(Failed):
    """The host lacks memory, disk space, addresses or a program."""

    code = "failed.host"
    http_status = 507


class NetworkFailed(Failed):
    """The host refused a change of its network."""

    code = "failed.network"


class StoreFailed(Failed):
    """The store can't be opened or written."""

    code = "failed.store"


class Cancelled(Failed):
    """The caller cancelled the call."""

    code = "failed.cancelled"
    http_status = 499


class Lagged(Failed):
    """A subscriber read too slowly, or asks for events that are gone; list again, then follow from the new number."""

    code = "failed.lagged"
    http_status = 410


class Internal(Failed):
    """A defect of Volant: the log has the trace under `data["reference"]`."""

    code = "failed.internal"
