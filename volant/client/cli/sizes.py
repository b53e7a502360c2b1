"""Telling a guest how large the terminal at its serial console is: once who types there is settled, with each new size, and at each boot.

A serial line has no size of its own. The agent sets it, so a guest that boots is told as soon as its agent is there. No answer is waited
for: the console goes on, and its keys are heard, whatever the agent does.
"""

from __future__ import annotations

from volant.client.cli import terminal

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

    from volant.client.blocking import Client
    from volant.client.blocking_calls import Stream


class SizeTeller:
    """The size of the terminal on descriptor 0, for the console of one VM. `speak` belongs into the loop of the call that shows it."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name
        self._ours = self._due = False
        self._telling: Stream[Any] | None = None
        self._agent: Stream[Any] | None = None
        """Events about the VM's agent."""

    def begin(self) -> None:
        """The console is ours to type on: from now on the guest is told."""
        self._due = self._due or not self._ours
        self._ours = True

    def resized(self, number: int) -> None:
        """SIGWINCH came."""
        self._due = True

    def speak(self) -> bool:
        """Tell what is to be told, one size at a time; whether anything was said on the connection."""
        if not self._ours:
            return False
        if self._agent is None:
            self._agent = self._client.stream_plain("event.follow", {"vm": self._name, "kinds": ["VM_AGENT", "VM_READY"]})
        if self._agent.came():
            self._due = True
        if not self._due or (self._telling is not None and not self._telling.over):
            return False
        self._due = False
        rows, cols = terminal.size(0)
        self._telling = self._client.stream_plain("vm.console_resize", {"name": self._name, "rows": rows, "cols": cols})
        return True
