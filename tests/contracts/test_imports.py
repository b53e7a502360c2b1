"""Who imports what: the rooms' contracts, and what a short command must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fakes.rpc_server import serving

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"textual", "rich", "trio", "asyncio", "peewee", "pyroute2", "msgspec"}
"""None of these may stand between a person and the list of VMs."""


def test_the_rooms_keep_their_contracts() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:]


def test_listing_vms_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from volant.client.cli.main import main\n"
        "code = main(['vm', 'list', '--socket', sys.argv[1]])\n"
        f"print(code, sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    page = {"items": [], "total": 0, "seq": 1}
    with serving(tmp_path / "s", {"vm.list": lambda _call: page}):
        done = subprocess.run([sys.executable, "-c", program, tmp_path / "s"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1:] == ["0 []"], done.stderr
