"""Kernel modules for a guest: which are needed, what these need in turn, in the order in which they have to be loaded.

Dependencies are read from the modules themselves (their `.modinfo`), so neither `depmod` nor its output is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from volant.fledge.decompress import open_plain
from volant.fledge.elf import section
from volant.proto.errors import ImageFailed

REQUIRED = ("virtio_mmio", "virtio_console")
"""Without these a guest can't reach its host: the bus of the `microvm` machine, and the agent's channel."""

WANTED = (
    *REQUIRED,
    "virtio_pci",  # the bus of other machines than microvm
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "qemu_fw_cfg",  # the config that doesn't fit the kernel command line
    "overlay",  # a writable view of a read-only root
    "squashfs",
    "erofs",
    "isofs",  # cloud-init's NoCloud seed
    "vfat",
    "nls_cp437",  # vfat's default code page, which nothing names as a dependency
    "nls_ascii",
    "button",  # ACPI's power button, and
    "evdev",  # the device that it is read from
    "pvpanic_mmio",
    "pvpanic_pci",
)
"""What a guest may use; those that the kernel doesn't have are left out, unless they are required."""

_SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")
MAX_MODULE = 64 << 20
"""Largest module that is read, unpacked: Debian's largest has 12 MiB."""


@dataclass(frozen=True, slots=True)
class Module:
    """One module, unpacked."""

    path: str
    """Its `.ko` relative to lib/modules/<release>."""
    data: bytes
    depends: tuple[str, ...]
    """Names of the modules it needs, with underscores."""
    release: str
    """Kernel release it was built for, as `uname -r` says it."""


def load_order(folder: Path, wanted: tuple[str, ...] = WANTED, required: tuple[str, ...] = REQUIRED) -> tuple[Module, ...]:
    """The wanted modules below `folder` (a lib/modules/<release>) and what they need, each after what it needs.

    Built-in modules are left out. ImageFailed when the folder holds no modules, a required one or a dependency is
    missing, or a file is no module.
    """
    files = _files(folder)
    builtin = _builtin(folder)
    if not files and not builtin:
        raise ImageFailed(f"{folder} holds no kernel modules", hint="name the lib/modules/<release> folder of the guest's kernel")
    ordered: dict[str, Module] = {}
    for name in wanted:
        if name in files:
            _visit(name, folder, files, builtin, ordered, ())
        elif name in required and name not in builtin:
            raise ImageFailed(
                f"the kernel of {folder} has no module {name}", hint="use a kernel with virtio, such as Debian's cloud kernel"
            )
    return tuple(ordered.values())


def dependency_file(modules: tuple[Module, ...]) -> bytes:
    """The `modules.dep` of these modules, in the format of depmod(8): `path: what it needs, nearest first`."""
    by_name = {_name(module.path): module for module in modules}
    lines = []
    for module in modules:
        needed: dict[str, None] = {}
        pending = list(module.depends)
        while pending:
            name = pending.pop(0)
            if name in by_name and name not in needed:
                needed[name] = None
                pending += by_name[name].depends
        # What is loaded last stands first: modprobe and busybox read the list from its end.
        positions = {name: index for index, name in enumerate(by_name)}
        paths = [by_name[name].path for name in sorted(needed, key=positions.__getitem__, reverse=True)]
        lines.append(" ".join([f"{module.path}:", *paths]))
    return "".join(line + "\n" for line in lines).encode()


def release_of(modules: tuple[Module, ...], folder: Path) -> str:
    """The kernel release that all of these modules are for; the folder's name when there are none. ImageFailed when they differ."""
    releases = {module.release for module in modules}
    if len(releases) > 1:
        raise ImageFailed(f"{folder} mixes modules of several kernels: {', '.join(sorted(releases))}")
    return releases.pop() if releases else folder.name


def _visit(
    name: str, folder: Path, files: dict[str, str], builtin: frozenset[str], ordered: dict[str, Module], above: tuple[str, ...]
) -> None:
    if name in ordered or name in builtin:
        return
    if name in above:
        raise ImageFailed(f"kernel modules need each other in a circle: {' -> '.join([*above, name])}")
    if name not in files:
        raise ImageFailed(f"the kernel module {above[-1]} needs {name}, which is missing", hint="unpack the kernel's package again")
    module = _read(folder, files[name])
    for needed in module.depends:
        _visit(needed, folder, files, builtin, ordered, (*above, name))
    ordered[name] = module


def _read(folder: Path, inside: str) -> Module:
    path = folder / inside
    with open_plain(path) as file:
        data = file.read(MAX_MODULE + 1)
    if len(data) > MAX_MODULE:
        raise ImageFailed(f"{path} unpacks to more than {MAX_MODULE >> 20} MiB, too much for a kernel module")
    facts = dict(line.partition("=")[::2] for line in section(data, ".modinfo", str(path)).decode(errors="replace").split("\0") if line)
    if "vermagic" not in facts:
        raise ImageFailed(f"{path} is no kernel module: it has no vermagic")
    depends = tuple(_underscored(word) for word in facts.get("depends", "").split(",") if word)
    unpacked = PurePosixPath(inside).with_name(path.name.partition(".ko")[0] + ".ko")
    return Module(str(unpacked), data, depends, facts["vermagic"].split()[0])


def _files(folder: Path) -> dict[str, str]:
    """Module name -> path below `folder`."""
    return {_name(path.name): str(path.relative_to(folder)) for path in sorted(folder.rglob("*.ko*")) if path.name.endswith(_SUFFIXES)}


def _builtin(folder: Path) -> frozenset[str]:
    """Names of what the kernel has built in, from modules.builtin."""
    try:
        lines = (folder / "modules.builtin").read_text().splitlines()
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise ImageFailed(f"{folder / 'modules.builtin'} can't be read: {error.strerror}") from error
    return frozenset(_name(line) for line in lines)


def _name(path: str) -> str:
    return _underscored(path.rpartition("/")[2].partition(".ko")[0])


def _underscored(name: str) -> str:
    """The kernel takes - and _ in module names for the same."""
    return name.replace("-", "_")
