"""The root of the fault tree, and what a process's exit code means."""

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
