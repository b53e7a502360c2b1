"""Streams that outlive the daemon: when it goes away they look for it, and go on where they were. Blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from volant.client.blocking import Client
from volant.client.resuming import PATIENCE_S, Absence, EventProgress, Progress
from volant.proto.errors import Fault, NotFound, Unreachable

if TYPE_CHECKING:
    from typing import Self

    from volant.proto.api.event import Event


class Following:
    """The items of one stream, in plain form. The first connection's failures are raised; later ones once `patience_s` is over."""

    def __init__(
        self,
        connect: Callable[[], Client],
        progress: Progress,
        *,
        patience_s: float = PATIENCE_S,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        """`say` gets what a person should know when the daemon goes away and comes back."""
        self._connect, self._progress = connect, progress
        self._patience_s, self._say = patience_s, say
        self.client = connect()
        """The connection of the moment."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()

    def __iter__(self) -> Iterator[Any]:
        asked_at = time.monotonic()
        absence = Absence(self._patience_s, self._progress)
        while True:
            try:
                if absence.away:
                    version = self._reconnect()
                    absence.back(time.monotonic())
                    self._say(f"volantd {version} is back; going on {self._progress.place}")
                if (last_word := self._begin()) is not None:
                    if last_word:
                        self._say(last_word)
                    return
                for item in self.client.stream_plain(self._progress.method, self._progress.params(time.monotonic() - asked_at)):
                    if self._progress.takes(item):
                        absence.went_on()
                        yield item
                if self._progress.ended():
                    return
                continue
            except Fault as fault:
                if not absence.may_pass(fault):
                    raise
                if not absence.away and isinstance(fault, Unreachable):
                    self._say(f"{fault.message}; looking for volantd for {self._patience_s:g} s")
                pause = absence.pause(fault, time.monotonic())
            time.sleep(pause)

    def _reconnect(self) -> str:
        """A new connection, once the daemon has greeted on it; its version."""
        self.client.close()
        self.client = self._connect()
        return self.client.daemon.version

    def _begin(self) -> str | None:
        """See `Progress.begun`."""
        first = self._progress.begins_with
        if first is None:
            return None
        try:
            reply = self.client.call_plain(*first)
        except NotFound:
            if (last_word := self._progress.begun(None)) is None:
                raise
            return last_word
        return self._progress.begun(reply)


def follow_events(path: str | None = None, *, patience_s: float = PATIENCE_S, **asked: Any) -> Iterator[Event]:
    """Events as they happen, each once and in order, over restarts of the daemon. Keywords: the fields of `FollowEvents`.

    Lagged when events are no longer kept; Unreachable at once where no daemon is, and when one stays away for `patience_s`.
    """
    from volant.client.asking import plain_params
    from volant.proto.api.event import Event, FollowEvents
    from volant.proto.plain import from_plain

    progress = EventProgress(plain_params(FollowEvents(**asked)))
    with Following(lambda: Client(path, reconnect=False), progress, patience_s=patience_s) as following:
        for item in following:
            yield from_plain(Event, item)
