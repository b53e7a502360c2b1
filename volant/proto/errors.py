"""The fault tree: every failure a person can cause, with what the shells and the gateway make of it.

A fault has a stable `code`, an exit code, an HTTP status, one sentence of what happened and one of what to do.
Subclasses take fields and build the sentence; the wire carries `{code, message, hint, data}` and `from_wire`
gives back the same class.

    Fault
    +-- Usage        2   what was asked makes no sense           InvalidParams InvalidManifest
    +-- NotFound     3   what was named does not exist            NoSuchVm NoSuchPlugin NoSuchDeployment NoSuchRevision NoSuchVersion
    |                                                             NoSuchAction NoSuchMethod NoSuchFile
    +-- Conflict     4   what exists is in the way                NameTaken Denied PluginInUse PluginDisabled AddressTaken
    |                                                             SubnetTaken WriterTaken VersionStale Fenced StateLocked
    +-- Timeout      5   a deadline passed                        DeadlinePassed
    +-- Unreachable  6   no daemon to talk to                     SocketMissing SocketRefused SocketPathTooLong ConnectionLost
    +-- Forbidden    7   not allowed                              SocketForbidden NotAllowed
    +-- Failed       1   it was tried and did not work            LaunchFailed GuestFailed ImageFailed HostShort ...
    +-- ProtocolFault 1  the peer broke the wire's rules           see its subclasses; at worst that one connection ends
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any, ClassVar

MAX_EXCERPT_CHARS = 16_384
"""Longest excerpt (console, stderr, command line) kept inside a fault: some screens full, and far below a frame."""


class ExitCode(IntEnum):
    """What the `volant` command's exit code means; scripts depend on these numbers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    TIMEOUT = 5
    UNREACHABLE = 6
    PERMISSION = 7
    PARTIAL = 8


class Fault(Exception):
    """Root of everything Volant refuses or fails at in a way that a person can act on."""

    code: ClassVar[str] = "fault"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    http_status: ClassVar[int] = 500

    message: str
    """One sentence: what happened, naming the value."""
    hint: str
    """One sentence: what to do next; may be empty where nothing helps."""
    data: dict[str, Any]
    """Plain extra facts for programs (field problems, excerpts); JSON-shaped."""

    def __init__(self, message: str, *, hint: str = "", **data: Any) -> None:
        super().__init__(message)
        self.message, self.hint, self.data = message, hint, data

    def to_wire(self) -> dict[str, Any]:
        """The plain form that travels in a fault message."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "data": self.data}

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> Fault:
        """The fault a peer sent, as its class where we know the code, else as a plain `Fault` that keeps the code."""
        code = str(wire.get("code", "fault"))
        cls = all_faults().get(code, Fault)
        fault = cls.__new__(cls)
        data = wire.get("data")
        Fault.__init__(fault, str(wire.get("message", "")), hint=str(wire.get("hint", "")))
        # Not as keywords: a peer may call an item of its data `message`.
        fault.data = {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}
        if cls is Fault and code != "fault":
            fault.data.setdefault("code", code)
        return fault

    def __str__(self) -> str:
        return self.message


def all_faults() -> dict[str, type[Fault]]:
    """Every fault class by its code."""
    found: dict[str, type[Fault]] = {}
    todo: list[type[Fault]] = [Fault]
    while todo:
        cls = todo.pop()
        found.setdefault(cls.code, cls)
        todo.extend(cls.__subclasses__())
    return found


class Usage(Fault):
    """What was asked makes no sense, whatever the host's state."""

    code = "usage"
    exit_code = ExitCode.USAGE
    http_status = 400


class InvalidParams(Usage):
    """Parameters of a call are wrong; `data["problems"]` lists each with its path."""

    code = "usage.params"


class InvalidManifest(Usage):
    """A plugin manifest breaks the rules; `problems` holds all wrong fields at once as (path, sentence)."""

    code = "usage.manifest"

    def __init__(self, problems: tuple[tuple[str, str], ...], *, hint: str = "") -> None:
        lines = "; ".join(f"{path}: {text}" if path else text for path, text in problems)
        super().__init__(
            f"the manifest is not valid: {lines}",
            hint=hint or "correct the named fields; docs/manifest.md describes each",
            problems=[{"path": path, "message": text} for path, text in problems],
        )


class NotFound(Fault):
    """What was named does not exist."""

    code = "not_found"
    exit_code = ExitCode.NOT_FOUND
    http_status = 404


class NoSuchVm(NotFound):
    code = "not_found.vm"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no VM named {name!r}", hint="`volant vm list` shows the VMs", name=name)


class NoSuchDeployment(NotFound):
    code = "not_found.deployment"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no deployment named {name!r}", hint="`volant deployment list` shows the deployments", name=name)


class NoSuchRevision(NotFound):
    code = "not_found.revision"

    def __init__(self, name: str, revision: int) -> None:
        which = f"revision {revision}" if revision else "earlier revision with another description"
        super().__init__(f"deployment {name!r} has no {which}", hint=f"`volant deployment history {name}` shows what is kept")


class NoSuchVersion(NotFound):
    code = "not_found.version"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"VM {name!r} has no version {version} of its config", hint=f"`volant vm history {name}` shows what is kept")


class NoSuchPlugin(NotFound):
    code = "not_found.plugin"

    def __init__(self, name: str, version: str = "") -> None:
        which = f"{name!r} version {version!r}" if version else f"{name!r}"
        super().__init__(f"no plugin {which} is installed", hint="`volant plugin list` shows the plugins", name=name)


class NoSuchAction(NotFound):
    code = "not_found.action"

    def __init__(self, action: str, choices: tuple[str, ...]) -> None:
        hint = f"it has: {', '.join(choices)}" if choices else "its plugin declares no actions"
        super().__init__(f"this VM's plugin has no action {action!r}", hint=hint, choices=list(choices))


class NoSuchMethod(NotFound):
    code = "not_found.method"

    def __init__(self, method: str) -> None:
        super().__init__(f"there is no method {method!r}", hint="client and daemon may differ in version: `volant system info`")


class NoSuchFile(NotFound):
    """A path does not exist, on the host or in a guest as the sentence says."""

    code = "not_found.file"


class Conflict(Fault):
    """What exists, or the state it is in, is in the way."""

    code = "conflict"
    exit_code = ExitCode.CONFLICT
    http_status = 409


class NameTaken(Conflict):
    code = "conflict.name"

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"a {noun} named {name!r} exists already", hint="choose another name, or delete that one first", name=name)


class Denied(Conflict):
    """A request that this VM's state does not allow."""

    code = "conflict.state"


class PluginInUse(Conflict):
    code = "conflict.plugin_in_use"

    def __init__(self, name: str, vms: tuple[str, ...]) -> None:
        shown = ", ".join(vms[:5]) + (", ..." if len(vms) > 5 else "")
        users, hint = ("one VM", "delete it first") if len(vms) == 1 else (f"{len(vms)} VMs", "delete these VMs first")
        super().__init__(f"plugin {name!r} is used by {users}: {shown}", hint=hint, vms=list(vms))


class PluginDisabled(Conflict):
    code = "conflict.plugin_disabled"

    def __init__(self, name: str) -> None:
        super().__init__(f"plugin {name!r} is disabled", hint=f"`volant plugin enable {name}` allows new VMs of it")


class AddressTaken(Conflict):
    """An IP address or host port belongs to somebody else."""

    code = "conflict.address"


class SubnetTaken(Conflict):
    """The configured subnet is used on this host by something that is not ours."""

    code = "conflict.subnet"


class WriterTaken(Conflict):
    """Somebody else holds the one writer's place of a console."""

    code = "conflict.writer"


class VersionStale(Conflict):
    """What was read before the change is not the newest any more."""

    code = "conflict.version"

    def __init__(self, name: str, expected: int, newest: int) -> None:
        super().__init__(
            f"the config of VM {name!r} is at version {newest}, not {expected}",
            hint=f"look at what changed (`volant vm diff {name} {expected} {newest}`), then ask again",
            newest=newest,
        )


class Fenced(Conflict):
    """Somebody else holds the VM now: the lease of whoever asks is an older one."""

    code = "conflict.fenced"

    def __init__(self, name: str, holder: str, token: int) -> None:
        taken = f"is held by {holder}" if holder else "is held by nobody any more"
        super().__init__(
            f"VM {name!r} {taken} (token {token}): this lease is an older one", hint="leave the VM to its present holder", token=token
        )


class StateLocked(Conflict):
    """Another daemon owns this state folder or socket."""

    code = "conflict.state_locked"


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
    """The daemon, or the guest's agent, went away in the middle of a call."""

    code = "unreachable.lost"


class Forbidden(Fault):
    """The peer may not do this."""

    code = "forbidden"
    exit_code = ExitCode.PERMISSION
    http_status = 403


class SocketForbidden(Forbidden):
    code = "forbidden.socket"

    def __init__(self, path: str, group: str = "") -> None:
        """`group`: whose members may; empty when nobody but the daemon's own user and root may."""
        join = f"join the group {group!r} (`sudo usermod -aG {group} $USER`, then log in again), or " if group else ""
        super().__init__(f"you may not open {path}", hint=f"{join}run as root, or as the user that runs volantd")


class NotAllowed(Forbidden):
    """The peer is known, and this call is not for it."""

    code = "forbidden.call"


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
    """The VM has no agent answering now."""

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


class ProtocolFault(Fault):
    """The peer broke the wire's rules; the connection ends."""

    code = "protocol"
    http_status = 400


class FrameTooLarge(ProtocolFault):
    code = "protocol.frame_too_large"

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"a frame of {length} bytes was announced; the limit is {limit}", hint="send less at once, or use a byte stream")


class MalformedFrame(ProtocolFault):
    """A frame that is not one item of our CBOR subset, or is not a message."""

    code = "protocol.malformed"


class OutOfOrder(ProtocolFault):
    """A well-formed message at a time or for a call where it has no place."""

    code = "protocol.order"


class VersionMismatch(ProtocolFault):
    """Both sides speak, and share no protocol version."""

    code = "protocol.version"


class CreditOverrun(ProtocolFault):
    """More bytes were sent than were granted."""

    code = "protocol.credit"


class TooManyCalls(ProtocolFault):
    """One connection has too many calls open; only that call is refused."""

    code = "protocol.too_many_calls"
    http_status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} calls are open on this connection", hint="wait for one to end, or open another connection", limit=limit)
