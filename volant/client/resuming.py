"""Where a stream goes on after the daemon went away: what to ask again, and what of the answers is new. No I/O: both shells use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import Any

from volant.proto.errors import AgentMissing, Failed, Fault, Unreachable
from volant.proto.specs.states import VmState, Wanted

AGAIN_S, AGAIN_MAX_S = 0.05, 1.0
"""Pause before a daemon that is away is asked again; it doubles from the first to the most. A restart takes half a second."""

PATIENCE_S = 60.0
"""How long a daemon may be away before a stream gives up, unless told otherwise: an upgrade's restart, with hundreds of VMs to adopt."""

LOOK_S = 0.2
"""Between two looks at a VM that is on its way to its next boot, which takes a second at best."""

_DOWN = frozenset({VmState.STOPPED, VmState.CRASHED, VmState.FAILED})
_UNDER_WAY = frozenset({VmState.PENDING, VmState.STARTING, VmState.STOPPING})


class Progress(ABC):
    """How far one stream has come."""

    method: str

    @property
    def begins_with(self) -> tuple[str, dict[str, Any]] | None:
        """The call to make before each time that the stream is asked for; None for none."""
        return None

    def begun(self, reply: Any) -> str | None:
        """What that call answered, None where there is no such thing: None when more may come, else why that was all, in a sentence
        (empty where there is nothing to say). Raises the failure that nothing more comes after."""
        return None

    @property
    def comes_back(self) -> bool:
        """Whoever the stream comes from is on its way back, so that its absence is no failure."""
        return False

    def ended(self) -> bool:
        """The stream has come to its end: whether that was all, rather than a part of it."""
        return True

    @abstractmethod
    def params(self, elapsed_s: float) -> dict[str, Any]:
        """What to ask the stream for now. `elapsed_s`: since it was first asked for."""

    @abstractmethod
    def takes(self, item: Any) -> bool:
        """An item came: whether it is new. It counts as dealt with."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it goes on, for people."""


class EventProgress(Progress):
    """`event.follow`: by the events' numbers, so that none is missed and none comes twice."""

    method = "event.follow"

    def __init__(self, params: dict[str, Any]) -> None:
        self._asked = params
        self._after: int | None = params.get("after")

    @property
    def begins_with(self) -> tuple[str, dict[str, Any]] | None:
        # From which number "from now on" counts has to be known before the daemon goes away for the first time.
        return ("event.list", {"last": 1}) if self._after is None else None

    def begun(self, reply: Any) -> str | None:
        if reply is not None:  # there are always events; the daemon's refusal is raised as it came
            self._after = int(reply["seq"])
        return None

    def params(self, elapsed_s: float) -> dict[str, Any]:
        return self._asked | {"after": self._after}

    def takes(self, item: Any) -> bool:
        self._after = int(item["seq"])
        return True

    @property
    def place(self) -> str:
        return f"after event {self._after}"


class LogProgress(Progress):
    """`vm.logs`, followed: by the lines' numbers, which begin anew with each boot. Goes on for as long as the VM is to run."""

    method = "vm.logs"

    def __init__(self, params: dict[str, Any]) -> None:
        self._asked = params
        self._vm: dict[str, Any] = {}
        """The VM as last seen; empty before it was."""
        self._seen = self._known = 0
        """The newest line's number, and up to which a new stream only repeats."""
        self._resumes = False
        self._is_heard_out = False
        """The last stream came to its end, so that no line of that boot is missing."""

    @property
    def begins_with(self) -> tuple[str, dict[str, Any]] | None:
        return "vm.get", {"name": self._asked["name"]}

    def begun(self, reply: Any) -> str | None:
        before, heard_out = self._vm, self._is_heard_out
        self._vm, self._is_heard_out = reply or before, False
        if not before:
            return None
        if reply is None or reply["id"] != before["id"] or reply["wanted"] == Wanted.DESTROYED:
            return f"VM {self._asked['name']!r} was deleted"
        if reply["status"] in _DOWN and not reply.get("next_try_at"):
            return self._last_word(reply, heard_out=heard_out)
        if heard_out and reply["boot"] == before["boot"] and VmState(reply["status"]).is_live:
            return ""  # the agent itself has ended it
        self._resumes = True
        if reply["boot"] != before["boot"]:
            self._seen = 0
        self._known = self._seen
        return None

    def _last_word(self, vm: dict[str, Any], *, heard_out: bool) -> str:
        """How a VM that runs no more has ended, in a sentence; raised where that is a failure."""
        if vm["error"] is not None:
            raise Fault.from_wire(vm["error"])
        why = f": {vm['reason']}" if vm["reason"] else ""
        lost = "" if heard_out else "; what it wrote while volantd was away went with it"
        text = f"VM {self._asked['name']!r} is {vm['status']}{why}{lost}"
        if vm["status"] != VmState.STOPPED:
            raise Failed(text, hint=f"`volant explain vm {self._asked['name']}` tells how it ended")
        return text

    @property
    def comes_back(self) -> bool:
        if not self._resumes:
            return False
        boots = self._vm["status"] == VmState.RUNNING and not self._vm["ready_at"]
        return boots or self._vm["status"] in _UNDER_WAY or bool(self._vm.get("next_try_at"))

    def ended(self) -> bool:
        self._is_heard_out = True
        return False

    def params(self, elapsed_s: float) -> dict[str, Any]:
        # All that the guest keeps: the lines that were written meanwhile are among them, however many they are.
        return self._asked | {"tail": -1} if self._resumes else self._asked

    def takes(self, item: Any) -> bool:
        if item["seq"] <= self._known:
            return False
        self._seen = max(self._seen, item["seq"])
        return True

    @property
    def place(self) -> str:
        return f"after line {self._seen}"


class StatusProgress(Progress):
    """`deployment.status`: each item tells all, so one that is as the last one is not news."""

    method = "deployment.status"
    place = "with how it is now"

    def __init__(self, params: dict[str, Any]) -> None:
        self._asked = params
        self._last: Any = None

    def params(self, elapsed_s: float) -> dict[str, Any]:
        return self._asked | {"timeout_ms": max(0, self._asked["timeout_ms"] - round(elapsed_s * 1000))}

    def takes(self, item: Any) -> bool:
        is_new = bool(item != self._last)
        self._last = item
        return is_new


class VmsProgress(Progress):
    """`vm.watch`: each connection begins with the whole list, of which only what is different from before is news."""

    method = "vm.watch"
    place = "with the list as it is now"

    def __init__(self, params: dict[str, Any]) -> None:
        self._asked = params
        self._new_list: dict[str, dict[str, Any]] | None = {}
        """What has come of the list of a new connection; None once it is whole."""
        self.records: dict[str, dict[str, Any]] = {}
        """The VMs by id."""
        self.changed: list[dict[str, Any]] = []
        """Those that the item taken last is about, and `gone` those that went with it, as they were."""
        self.gone: list[dict[str, Any]] = []

    def params(self, elapsed_s: float) -> dict[str, Any]:
        self._new_list = {}
        return self._asked

    def takes(self, item: Any) -> bool:
        if self._new_list is None:
            self.changed = list(item["items"])
            self.gone = [self.records.pop(vm_id) for vm_id in item["gone"] if vm_id in self.records]
            self.records.update((record["id"], record) for record in self.changed)
            return True
        self._new_list.update((record["id"], record) for record in item["items"])
        for vm_id in item["gone"]:
            self._new_list.pop(vm_id, None)
        if not item["complete"]:
            return False
        before, self.records, self._new_list = self.records, self._new_list, None
        self.changed = [record for vm_id, record in self.records.items() if before.get(vm_id) != record]
        self.gone = [record for vm_id, record in before.items() if vm_id not in self.records]
        return True


class StatsProgress(Progress):
    """`vm.stats_watch`: each reading stands for itself."""

    method = "vm.stats_watch"
    place = "with the figures of now"

    def __init__(self, params: dict[str, Any]) -> None:
        self._asked = params

    def params(self, elapsed_s: float) -> dict[str, Any]:
        return self._asked

    def takes(self, item: Any) -> bool:
        return True


class HostProgress(StatsProgress):
    """`system.watch`: so do these."""

    method = "system.watch"

    def __init__(self) -> None:
        super().__init__({})


STEADY_S = 5.0
"""How long a daemon has to stay before its next absence is a new one: else one that greets and leaves would be looked for for ever."""


class Absence:
    """Whether a stream's failure may pass, and when to try again. Times are seconds of any clock that only goes forward."""

    def __init__(self, patience_s: float, progress: Progress) -> None:
        self._patience_s, self._progress = patience_s, progress
        self._until: float | None = None
        self._pause = AGAIN_S
        self.away = False
        """The daemon went away and has not greeted since."""
        self._back_at = -inf

    def back(self, now: float) -> None:
        """The daemon greeted."""
        self.away, self._back_at = False, now

    def went_on(self) -> None:
        """Something new came of the stream: the daemon is back for good."""
        self._back_at = -inf

    def may_pass(self, fault: Fault) -> bool:
        """Whether it may be because the daemon is away, or is back so lately that it has not met the VM's agent yet, or the VM boots."""
        if isinstance(fault, AgentMissing):
            return self._until is not None or self._progress.comes_back
        return self._patience_s > 0 and isinstance(fault, Unreachable)

    def pause(self, fault: Fault, now: float) -> float:
        """Seconds to wait before the next try; `fault` is raised when there was time enough."""
        if isinstance(fault, AgentMissing) and self._progress.comes_back:
            return LOOK_S
        if self._until is None or (isinstance(fault, Unreachable) and not self.away):
            self.away = True
            if self._until is None or now - self._back_at >= STEADY_S:
                self._until, self._pause = now + self._patience_s, AGAIN_S
        pause, self._pause = self._pause, min(2 * self._pause, AGAIN_MAX_S)
        if now + pause > self._until:
            raise fault
        return pause
