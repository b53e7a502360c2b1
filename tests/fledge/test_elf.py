"""Libraries of programs, found without running anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fledge.elves import module_bytes
from volant.fledge.agentimage import interpreter
from volant.fledge.elf import dynamic, library_closure, loadable, section
from volant.proto.errors import ImageFailed


@pytest.mark.skipif(shutil.which("ldd") is None, reason="needs ldd to compare with")
def test_the_interpreters_libraries_are_those_that_the_loader_finds() -> None:
    said = subprocess.run(["ldd", str(interpreter())], capture_output=True, text=True, check=True).stdout
    loader = {os.path.realpath(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(", said, re.MULTILINE)}
    assert {str(path) for path in library_closure([interpreter()]).values()} == loader


def test_every_library_has_a_place_where_a_loader_without_a_cache_looks() -> None:
    found = library_closure([interpreter()])
    libc = next(Path(place).parent for place in found if Path(place).name.startswith("libc."))
    assert any(re.match(r"ld-|ld\.", Path(place).name) for place in found)
    assert all((libc / "libm.so.6") for _ in found)


def test_a_program_without_what_is_never_loaded_still_runs(tmp_path: Path) -> None:
    whole = interpreter().read_bytes()
    stripped = tmp_path / "python"
    stripped.write_bytes(loadable(whole, "python"))
    stripped.chmod(0o755)
    assert stripped.stat().st_size <= len(whole)
    done = subprocess.run(
        [stripped, "-I", "-S", "-c", "print(6 * 7)"], env={"PYTHONHOME": sys.base_prefix}, capture_output=True, text=True, check=False
    )
    # Away from its own place it may not find its library; that it got as far as looking shows that it was loaded.
    assert done.stdout == "42\n" or "encodings" in done.stderr


def test_a_section_is_found_by_name() -> None:
    assert b"vermagic=6.1.0-test" in section(module_bytes(), ".modinfo", "x.ko")
    assert section(module_bytes(), ".text", "x.ko") == b""


@given(st.data())
def test_damaged_files_raise_nothing_but_the_named_fault(data: st.DataObject) -> None:
    mutated = bytearray(module_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    del mutated[data.draw(st.integers(0, len(mutated))) :]
    for read in (
        lambda: section(bytes(mutated), ".modinfo", "x"),
        lambda: dynamic(bytes(mutated), "x"),
        lambda: loadable(bytes(mutated), "x"),
    ):
        try:
            read()
        except ImageFailed as fault:
            assert fault.message.startswith("x is")
