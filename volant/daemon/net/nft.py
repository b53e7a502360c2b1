"""Runs nftables commands: through libnftables (a fraction of a millisecond) or, without it, the `nft` program. Blocking.

The library's context keeps a netlink socket: one context, one thread, made in the network namespace that it serves.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

from volant.proto.errors import HostShort

LIBRARY = "libnftables.so.1"
PROGRAM = "nft"
PROGRAM_SECONDS = 30.0
"""How long `nft` may take: a replace with 1,000 guests takes 0.04 s."""
_OUTPUT_JSON = 1 << 4
"""NFT_CTX_OUTPUT_JSON of <nftables/libnftables.h>."""
_CAP_NET_ADMIN = 1 << 12
"""<linux/capability.h>"""
_NO_SUCH = "No such file or directory"
_NOT_PERMITTED = "Operation not permitted"


class NftRefused(Exception):
    """nftables said no; nothing was changed. The text is its own."""

    @property
    def is_missing(self) -> bool:
        """What was named does not exist."""
        return _NO_SUCH in str(self)

    @property
    def is_forbidden(self) -> bool:
        """The process may not do this."""
        return _NOT_PERMITTED in str(self)


class Nft(Protocol):
    """Something that runs nftables commands."""

    def run(self, commands: str) -> None:
        """All in one transaction. NftRefused."""

    def list_json(self, command: str) -> dict[str, Any]:
        """The answer to one `list` command (libnftables-json(5)). NftRefused."""

    def close(self) -> None: ...


def open_nft() -> Nft:
    """The library where it can be loaded, else the program. HostShort when neither is there, PermissionError when neither may work.

    The latter is not left to the library: it writes such refusals to our standard error, past its buffers.
    """
    require_net_admin()
    try:
        return LibraryNft()
    except OSError:
        if shutil.which(PROGRAM) is None:
            raise HostShort("nftables is not installed", hint="install it (`apt install nftables`), or use `--network user`") from None
        return ProgramNft()


def require_net_admin() -> None:
    """PermissionError for a process that may not change any network."""
    if not _capabilities() & _CAP_NET_ADMIN:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _capabilities() -> int:
    """The effective capabilities of this process."""
    _, _, rest = Path("/proc/self/status").read_text().partition("\nCapEff:")
    return int(rest.split(maxsplit=1)[0], 16)


class LibraryNft:
    """libnftables by ctypes."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_get_output_buffer.restype = library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        for name in (
            "nft_ctx_free",
            "nft_ctx_buffer_output",
            "nft_ctx_buffer_error",
            "nft_ctx_get_output_buffer",
            "nft_ctx_get_error_buffer",
        ):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_ctx_output_set_flags.restype = None
        self._library = library
        self._context = ctypes.c_void_p(library.nft_ctx_new(0))
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> None:
        self._call(commands, flags=0)

    def list_json(self, command: str) -> dict[str, Any]:
        return _decoded(self._call(command, flags=_OUTPUT_JSON))

    def close(self) -> None:
        self._library.nft_ctx_free(self._context)

    def _call(self, commands: str, *, flags: int) -> str:
        self._library.nft_ctx_output_set_flags(self._context, flags)
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        # Both buffers are read each time, since reading is what empties them.
        output = self._library.nft_ctx_get_output_buffer(self._context) or b""
        error = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise NftRefused(error.decode(errors="replace").strip())
        return str(output.decode(errors="replace"))


class ProgramNft:
    """The `nft` program, started for every call."""

    def run(self, commands: str) -> None:
        self._start(["-f", "-"], commands)

    def list_json(self, command: str) -> dict[str, Any]:
        # As arguments: with -j, the program would take its standard input for JSON.
        return _decoded(self._start(["-j", *command.split()], ""))

    def close(self) -> None:
        """Nothing is held."""

    def _start(self, arguments: list[str], given: str) -> str:
        done = subprocess.run(
            [PROGRAM, *arguments],
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROGRAM_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise NftRefused(done.stderr.strip())
        return done.stdout


def _decoded(text: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(text)
    return decoded
