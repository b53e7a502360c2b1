"""The agent's image: the same each time, complete, and bootable with whatever interpreter runs the builder."""

from __future__ import annotations

import importlib.util
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fledge.archives import written
from tests.fledge.elves import RELEASE, module_tree
from volant.fledge.__main__ import SOURCE
from volant.fledge.agentimage import AGENT_MODULE, frozen, init_script, interpreter, write_image
from volant.fledge.cpio import Entry, Writer, members
from volant.proto.errors import ExitCode, HostShort, ImageFailed

TREE = {"virtio_mmio": "", "virtio_console": ""}
OTHERS = sorted(Path.home().glob(".pyenv/versions/3.1[1-9].*/bin/python3"))[:2]


def image(modules: Path, root: Path = SOURCE, workload: Path | None = None) -> bytes:
    return written(lambda writer: write_image(writer, modules, root, workload=workload))


def listing(data: bytes) -> dict[str, tuple[Entry, bytes]]:
    return {entry.name: (entry, body.read()) for entry, body in members(io.BytesIO(data), "image")}


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    return module_tree(tmp_path / "modules", TREE)


@pytest.fixture
def small_agent(tmp_path: Path) -> Path:
    """A source tree with an agent of two modules, one of them imported only when needed."""
    root = tmp_path / "root"
    (root / "volant/agent").mkdir(parents=True)
    (root / "volant/__init__.py").touch()
    (root / "volant/agent/__init__.py").touch()
    (root / "volant/agent/helper.py").write_text("LAZY_MODULES = ('volant.agent.later', 'colorsys')\n")
    (root / "volant/agent/main.py").write_text(
        "import select\nimport volant.agent.helper\nfrom collections.abc import Mapping\ndef boot():\n    print('up')\n"
    )
    (root / "volant/agent/later.py").touch()
    (root / "volant/agent/unused.py").touch()
    (root / "volant/agent/init.py").write_text("#!/usr/bin/python3\nfrom volant.agent.main import boot\nboot()\n")
    return root


def test_the_same_input_gives_the_same_bytes(modules: Path) -> None:
    assert image(modules) == image(modules)


def test_no_place_stands_twice_and_every_folder_comes_first(modules: Path, small_agent: Path) -> None:
    data = image(modules, small_agent)
    names = [entry.name for entry, _ in members(io.BytesIO(data), "image")]
    assert len(names) == len(set(names))
    seen: set[str] = {""}
    for name in names:
        assert name.rpartition("/")[0] in seen
        seen.add(name)


def test_it_holds_what_the_agent_imports_and_nothing_else(modules: Path, small_agent: Path) -> None:
    names = listing(image(modules, small_agent))
    library = f"{os.path.dirname(os.__file__)}".lstrip("/")
    assert {f"{library}/volant/agent/{name}.pyc" for name in ("__init__", "main", "later")} <= set(names)
    assert f"{library}/volant/agent/unused.pyc" not in names
    assert f"{library}/colorsys.pyc" in names
    assert f"{library}/os.pyc" in names
    assert f"{library}/asyncio/__init__.pyc" not in names
    assert not [name for name in names if name.endswith(".py")]


def test_bytecode_needs_no_source_and_trusts_no_clock(modules: Path, small_agent: Path) -> None:
    library = os.path.dirname(os.__file__).lstrip("/")
    _, code = listing(image(modules, small_agent))[f"{library}/os.pyc"]
    assert code[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(code[4:8], "little") == 0b01


def test_init_starts_this_interpreter(modules: Path, small_agent: Path) -> None:
    entry, script = listing(image(modules, small_agent))["init"]
    assert stat.S_IMODE(entry.mode) == 0o755
    first, _, rest = script.decode().partition("\n")
    assert first == f"#!{interpreter()} -ISB"
    compile(rest, "init", "exec")


def test_the_kernels_own_modules_lie_where_modprobe_looks(modules: Path, small_agent: Path) -> None:
    names = listing(image(modules, small_agent))
    assert names[f"lib/modules/{RELEASE}/modules.dep"][1] == b"kernel/virtio_mmio.ko:\nkernel/virtio_console.ko:\n"
    assert names[f"lib/modules/{RELEASE}/kernel/virtio_console.ko"][1].startswith(b"\x7fELF")


def test_a_workload_lies_in_its_folder(modules: Path, small_agent: Path, tmp_path: Path) -> None:
    archive = tmp_path / "w.cpio"
    with archive.open("wb") as file:
        writer = Writer(file)
        writer.directory("bin")
        writer.file("bin/sh", b"shell", 0o755)
        writer.close()
    names = listing(image(modules, small_agent, archive))
    assert names["workload/bin/sh"][1] == b"shell"
    assert "bin/sh" not in names


@pytest.mark.parametrize("python", [interpreter(), *OTHERS], ids=str)
def test_the_image_of_each_interpreter_runs_its_agent(python: Path, modules: Path, small_agent: Path, tmp_path: Path) -> None:
    """Unpacked and entered as a root; entering needs root, and without it the content is checked alone."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom volant.fledge import agentimage, cpio\n"
        "writer = cpio.Writer(sys.stdout.buffer)\n"
        "agentimage.write_image(writer, Path(sys.argv[2]), Path(sys.argv[3]))\nwriter.close()\n"
    )
    argv = [str(python), "-I", "-c", program, str(SOURCE), str(modules), str(small_agent)]
    data = subprocess.run(argv, capture_output=True, check=True).stdout
    assert len(data) < 20 << 20
    init = listing(data)["init"][1]
    assert init.startswith(b"#!" + os.fsencode(python.resolve().parent))
    if os.geteuid() != 0:
        return
    place = tmp_path / "guest"
    place.mkdir()
    for name, (entry, content) in listing(data).items():
        if stat.S_ISDIR(entry.mode):
            (place / name).mkdir()
        elif stat.S_ISREG(entry.mode):
            (place / name).write_bytes(content)
            (place / name).chmod(entry.mode & 0o7777)
    done = subprocess.run(["chroot", place, "/init"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("up\n", "")


def test_an_agent_that_does_not_import_is_an_error_with_its_reason(small_agent: Path) -> None:
    (small_agent / "volant/agent/main.py").write_text("import trio\n")
    with pytest.raises(ImageFailed, match="No module named 'trio'"):
        frozen(interpreter(), small_agent, (AGENT_MODULE,))


def test_a_missing_interpreter_is_named(small_agent: Path) -> None:
    with pytest.raises(HostShort, match="/nowhere/python can't be started"):
        frozen(Path("/nowhere/python"), small_agent, (AGENT_MODULE,))


@pytest.mark.parametrize("path", ["/opt/my python/bin/python3", "/" + "x" * 260])
def test_an_interpreter_that_no_script_can_name_is_refused(path: str) -> None:
    with pytest.raises(ImageFailed, match="first line"):
        init_script("#!x\n", Path(path))


def fledge(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "volant.fledge", *words], capture_output=True, text=True, cwd=SOURCE, check=False)


def test_the_command_writes_the_image_whole_or_not_at_all(modules: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "agent.cpio"
    output.parent.mkdir()
    done = fledge("agent-image", "--kernel-modules", str(modules), "--output", str(output))
    assert done.returncode == ExitCode.OK, done.stderr
    before = output.read_bytes()
    assert before == image(modules)
    failed = fledge("agent-image", "--kernel-modules", str(tmp_path / "none"), "--output", str(output))
    assert failed.returncode == ExitCode.FAILED
    assert failed.stderr.count("\n") == 2 and failed.stderr.startswith("error: ")
    assert output.read_bytes() == before
    assert list(output.parent.iterdir()) == [output]


def test_an_output_folder_that_is_missing_is_named(modules: Path, tmp_path: Path) -> None:
    failed = fledge("initramfs", "--root", str(modules), "--output", str(tmp_path / "none" / "x"))
    assert failed.returncode == ExitCode.FAILED
    assert "can't be written" in failed.stderr
