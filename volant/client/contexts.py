"""Names for daemons: `[contexts]` of the terminal UI's settings file gives each a socket, for the command and the UI alike.

[contexts]              # name = socket
staging = "/run/volant-staging/volantd.sock"
"""

from __future__ import annotations

import os

from volant.client.paths import SOCKET_VARIABLE, default_socket
from volant.proto.errors import Usage

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Mapping

CONTEXT_VARIABLE = "VOLANT_CONTEXT"
LOCAL = "local"
"""The daemon that is meant where nothing names one; it needs no line in the file."""


def settings_file(environment: Mapping[str, str]) -> str:
    """VOLANT_TUI_CONFIG, else `volant/tui.toml` where XDG says configuration is."""
    named = environment.get("VOLANT_TUI_CONFIG")
    if named:
        return named
    folder = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", "/"), ".config")
    return os.path.join(folder, "volant/tui.toml")


def read(given: object) -> tuple[dict[str, str], list[str]]:
    """Sockets by name, from the table `contexts` of the file, and what is wrong in it: that is passed over."""
    if not isinstance(given, dict):
        return {}, ["contexts must be a table of names and sockets"]
    found: dict[str, str] = {}
    problems: list[str] = []
    for name, path in given.items():
        if name.startswith("-") or not name or any(char.isspace() for char in name):
            problems.append(f"contexts: {name!r} is no name: no blanks, and no dash in front")
        elif not isinstance(path, str) or not os.path.isabs(os.path.expanduser(path)):
            problems.append(f"contexts.{name} must be the whole path of a socket")
        else:
            found[name] = os.path.expanduser(path)
    return found, problems


def contexts(named: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the file, and `local`, unless the file says what that is."""
    bare = {name: value for name, value in environment.items() if name != SOCKET_VARIABLE}
    return {LOCAL: default_socket(bare), **named}


def load(environment: Mapping[str, str]) -> dict[str, str]:
    """All contexts by name. Usage when the file can't be read."""
    import tomllib

    path = settings_file(environment)
    try:
        with open(path, "rb") as file:
            given = tomllib.load(file).get("contexts", {})
    except FileNotFoundError:
        given = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Usage(
            f"{path}, which names the contexts, can't be read: {error}", hint="correct it, or name the socket with --socket"
        ) from None
    return contexts(read(given)[0], environment)


def socket_of(name: str, known: Mapping[str, str]) -> str:
    """The socket of a context. Usage, with the names that there are."""
    if name not in known:
        raise Usage(
            f"there is no context {name!r}", hint=f"there is {', '.join(known)}; `[contexts]` of {settings_file(os.environ)} names others"
        )
    return known[name]


def name_of(path: str, known: Mapping[str, str]) -> str:
    """The context whose socket this is; where none has it, the path itself."""
    return next((name for name, socket in known.items() if socket == path), path)
