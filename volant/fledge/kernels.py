"""Debian's cloud kernel in the daemon's state folder: fetched by apt, unpacked beside the system, nothing installed.

<state>/kernels/<version>/vmlinuz
<state>/kernels/<version>/modules/     what the package has as lib/modules/<version>
<state>/kernels/default                link to the version in use
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from volant.proto.errors import HostShort, ImageFailed

ARCHITECTURES = ("amd64", "arm64")
"""Debian architectures that have a cloud kernel."""
_DOWNLOAD_SECONDS = 600
"""30 MB even over a slow line; a download that takes longer hangs."""
_UNPACK_SECONDS = 120
_PREFIX = "linux-image-"
_PACKAGE = re.compile(_PREFIX + r"[0-9][A-Za-z0-9.+~-]*\Z")

Say = Callable[[str], None]
"""Told what happens, a sentence at a time."""


def install(state: Path, say: Say, *, package: Path | None = None) -> Path:
    """Make sure that `state` has the cloud kernel, and that `default` leads to it; its folder.

    Fetches the newest one that apt knows, or takes the `.deb` file `package`. What is there already is kept. HostShort when
    the machine can't provide one, ImageFailed when the package holds no kernel.
    """
    kernels = state / "kernels"
    name = newest_package() if package is None else _package_in(package)
    version = name.removeprefix(_PREFIX)
    if _is_complete(kernels / version):
        say(f"the kernel {version} is there")
        _point_default(kernels, version)
        return kernels / version
    kernels.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=kernels) as draft:
        folder = Path(draft)
        if package is None:
            say(f"fetching {name}")
            package = _download(name, folder)
        say(f"unpacking {package.name}")
        _run(["dpkg-deb", "-x", str(package), str(folder / "tree")], _UNPACK_SECONDS, f"{package} can't be unpacked")
        _arrange(folder / "tree", folder / "ready", package, version)
        shutil.rmtree(kernels / version, ignore_errors=True)
        (folder / "ready").rename(kernels / version)
    _point_default(kernels, version)
    say(f"the kernel {version} is ready")
    return kernels / version


def newest_package() -> str:
    """The package behind `linux-image-cloud-<architecture>`. HostShort where there is none."""
    for program in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"):
        if shutil.which(program) is None:
            raise HostShort(
                f"{program} is missing: kernels are fetched on Debian only",
                hint="put a kernel's vmlinuz and its lib/modules/<version> (as `modules`) into <state folder>/kernels/default",
            )
    architecture = _run(["dpkg", "--print-architecture"], _UNPACK_SECONDS, "dpkg does not tell the architecture").strip()
    if architecture not in ARCHITECTURES:
        raise HostShort(f"Debian has no cloud kernel for {architecture}", hint=f"use a machine of: {', '.join(ARCHITECTURES)}")
    meta = f"linux-image-cloud-{architecture}"
    shown = _run(["apt-cache", "show", "--no-all-versions", meta], _UNPACK_SECONDS, f"apt knows no package {meta}")
    return package_behind(shown, meta)


def package_behind(shown: str, meta: str) -> str:
    """The kernel package that the metapackage's record (as `apt-cache show` prints it) depends on. HostShort when it names none."""
    for line in shown.splitlines():
        if line.startswith("Depends:"):
            for word in re.split(r"[,|\s]+", line.removeprefix("Depends:")):
                if _PACKAGE.match(word):
                    return word
    raise HostShort(f"apt's record of {meta} names no kernel package", hint="run `apt-get update`, then try again")


def _package_in(file: Path) -> str:
    """The name of the package in a `.deb` file. ImageFailed when that is no kernel, HostShort when it can't be read."""
    name = _run(["dpkg-deb", "-f", str(file), "Package"], _UNPACK_SECONDS, f"{file} can't be read").strip()
    if not _PACKAGE.match(name):
        raise ImageFailed(f"{file} holds the package {name}, which is no kernel")
    return name


def _download(name: str, folder: Path) -> Path:
    _run(["apt-get", "download", "-q", name], _DOWNLOAD_SECONDS, f"apt could not fetch {name}", folder=folder)
    found = list(folder.glob("*.deb"))
    if len(found) != 1:
        raise HostShort(f"apt fetched {len(found)} files for {name}, one was expected")
    return found[0]


def _arrange(tree: Path, ready: Path, package: Path, version: str) -> None:
    """Move kernel and modules out of the unpacked package."""
    image = tree / "boot" / f"vmlinuz-{version}"
    modules = next((path for top in ("lib", "usr/lib") if (path := tree / top / "modules" / version).is_dir()), None)
    if not image.is_file() or modules is None:
        raise ImageFailed(f"{package} does not hold the kernel {version} with its modules")
    ready.mkdir()
    image.rename(ready / "vmlinuz")
    modules.rename(ready / "modules")
    # Others than root may run guests: /boot's modes are narrower than a kernel needs.
    (ready / "vmlinuz").chmod(0o644)


def _is_complete(folder: Path) -> bool:
    return (folder / "vmlinuz").is_file() and (folder / "modules").is_dir()


def _point_default(kernels: Path, version: str) -> None:
    """Let `default` lead to `version`, in one step."""
    draft = kernels / f".default-{os.getpid()}"
    with suppress(FileNotFoundError):
        draft.unlink()
    draft.symlink_to(version)
    draft.replace(kernels / "default")


def _run(argv: list[str], seconds: float, failure: str, *, folder: Path | None = None) -> str:
    """The program's output. HostShort, with its last line, when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=seconds, cwd=folder, check=False)
    except FileNotFoundError as error:
        raise HostShort(f"{failure}: {argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise HostShort(f"{failure}: no end after {seconds:.0f} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise HostShort(f"{failure}: {last or 'no reason given'}", hint="run `apt-get update`, then try again")
    return done.stdout
