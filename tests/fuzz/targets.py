"""Everything that is fuzzed, by name."""

from __future__ import annotations

from tests.fuzz.agent import agent
from tests.fuzz.client import client
from tests.fuzz.frames import frames
from tests.fuzz.qmp import qmp
from tests.fuzz.running import Target
from tests.fuzz.specs import specs

TARGETS: dict[str, Target] = {"frames": frames, "client": client, "agent": agent, "qmp": qmp, "specs": specs}
