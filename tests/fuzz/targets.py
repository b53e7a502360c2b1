"""Everything that is fuzzed, by name."""

from __future__ import annotations

from tests.fuzz.running import Target
from tests.fuzz.specs import specs

TARGETS: dict[str, Target] = {"specs": specs}
