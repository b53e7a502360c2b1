"""The fault tree: every failure a person can cause, with what the shells and the gateway make of it.

A fault has a stable `code`, an exit code, an HTTP status, one sentence of what happened and one of what to do.
Subclasses take fields and build the sentence; the wire carries `{code, message, hint, data}` and `from_wire`
gives back the same class.

    Fault
    +-- Usage         2   what was asked makes no sense      InvalidParams InvalidManifest
    +-- NotFound      3   what was named does not exist      NoSuchVm NoSuchPlugin NoSuchDeployment NoSuchRevision
    |                                                        NoSuchVersion NoSuchAction NoSuchMethod NoSuchFile
    +-- Conflict      4   what exists is in the way          NameTaken Denied PluginInUse PluginDisabled AddressTaken
    |                                                        SubnetTaken WriterTaken VersionStale Fenced StateLocked
    +-- Timeout       5   a deadline passed
    +-- Unreachable   6   no daemon to talk to               SocketMissing SocketRefused SocketPathTooLong ConnectionLost
    +-- Forbidden     7   not allowed                        SocketForbidden NotAllowed
    +-- Failed        1   it was tried and did not work      LaunchFailed GuestFailed AgentMissing ImageFailed HostShort
    |                                                        NetworkFailed StoreFailed Cancelled Lagged Internal
    +-- ProtocolFault 1   the peer broke the wire's rules    FrameTooLarge MalformedFrame OutOfOrder VersionMismatch
                                                             CreditOverrun TooManyCalls

The first three and Forbidden are in `refusals`, the last in `wire`, the others in `failures`; import them from here, which loads
every class, so that `from_wire` knows each code.
"""

from __future__ import annotations

from volant.proto.errors.failures import (
    AgentMissing,
    Cancelled,
    ConnectionLost,
    Failed,
    GuestFailed,
    HostShort,
    ImageFailed,
    Internal,
    Lagged,
    LaunchFailed,
    NetworkFailed,
    SocketMissing,
    SocketPathTooLong,
    SocketRefused,
    StoreFailed,
    Timeout,
    Unreachable,
)
from volant.proto.errors.refusals import (
    AddressTaken,
    Conflict,
    Denied,
    Fenced,
    Forbidden,
    InvalidManifest,
    InvalidParams,
    NameTaken,
    NoSuchAction,
    NoSuchDeployment,
    NoSuchFile,
    NoSuchMethod,
    NoSuchPlugin,
    NoSuchRevision,
    NoSuchVersion,
    NoSuchVm,
    NotAllowed,
    NotFound,
    PluginDisabled,
    PluginInUse,
    SocketForbidden,
    StateLocked,
    SubnetTaken,
    Usage,
    VersionStale,
    WriterTaken,
)
from volant.proto.errors.root import (
    MAX_EXCERPT_CHARS,
    ExitCode,
    Fault,
    all_faults,
)
from volant.proto.errors.wire import (
    CreditOverrun,
    FrameTooLarge,
    MalformedFrame,
    OutOfOrder,
    ProtocolFault,
    TooManyCalls,
    VersionMismatch,
)

__all__ = [
    "MAX_EXCERPT_CHARS",
    "AddressTaken",
    "AgentMissing",
    "Cancelled",
    "Conflict",
    "ConnectionLost",
    "CreditOverrun",
    "Denied",
    "ExitCode",
    "Failed",
    "Fault",
    "Fenced",
    "Forbidden",
    "FrameTooLarge",
    "GuestFailed",
    "HostShort",
    "ImageFailed",
    "Internal",
    "InvalidManifest",
    "InvalidParams",
    "Lagged",
    "LaunchFailed",
    "MalformedFrame",
    "NameTaken",
    "NetworkFailed",
    "NoSuchAction",
    "NoSuchDeployment",
    "NoSuchFile",
    "NoSuchMethod",
    "NoSuchPlugin",
    "NoSuchRevision",
    "NoSuchVersion",
    "NoSuchVm",
    "NotAllowed",
    "NotFound",
    "OutOfOrder",
    "PluginDisabled",
    "PluginInUse",
    "ProtocolFault",
    "SocketForbidden",
    "SocketMissing",
    "SocketPathTooLong",
    "SocketRefused",
    "StateLocked",
    "StoreFailed",
    "SubnetTaken",
    "Timeout",
    "TooManyCalls",
    "Unreachable",
    "Usage",
    "VersionMismatch",
    "VersionStale",
    "WriterTaken",
    "all_faults",
]
