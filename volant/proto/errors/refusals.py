"""Refused as asked: it makes no sense, it names nothing that exists, what exists is in the way, or it is not allowed."""

from __future__ import annotations

from volant.proto.errors.root import ExitCode, Fault


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
        super().__init__(f"this VM's plugin has no action {action!r}", hint=hint, action=action, choices=list(choices))


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
