"""The pages of the daemon: `volantd`(8) and its config file, read off the settings' declarations."""

from __future__ import annotations

from dataclasses import fields

from volant.daemon.config import SETTINGS, Config, default_file, defaults
from volant.daemon.settings import CONFIG_VARIABLE, toml_value
from volant.manpages import roff
from volant.manpages.roff import bold, entry, italic

_ROOT = defaults({}, uid=0)
"""What root's daemon has where nobody says otherwise."""
_FILE = default_file({}, uid=0)


def pages() -> dict[str, str]:
    """Both pages by their files' names."""
    return {"volantd.8": _daemon(), "volantd.toml.5": _file()}


def _daemon() -> str:
    flags = [
        line
        for setting in SETTINGS.values()
        for line in entry(_flag(setting.flag, setting.kind.shown), f"{setting.help} ({setting.variable})")
    ]
    return roff.page(
        roff.title("volantd", 8, about="the daemon that owns this host's microVMs"),
        [roff.section("SYNOPSIS"), f"{bold('volantd')} [{italic('OPTION')}]..."],
        [roff.section("DESCRIPTION")],
        roff.paragraph(
            "volantd starts, watches and stops VMs, and answers the volant command on a socket. VMs outlive it: stopping it stops none, "
            "and the next one takes them over. SIGTERM and SIGINT end it.\n\n"
            "Each setting may be given as a flag, as a variable, and in the config file; flags outrank variables, and variables the file."
        ),
        [roff.section("OPTIONS"), *flags],
        entry(_flag("--config", "path"), f"the config file ({CONFIG_VARIABLE})"),
        entry(bold("--print-config"), "show the settings in force, and where each comes from; then exit"),
        entry(bold("--version"), "show the version, and exit"),
        [roff.section("ENVIRONMENT")],
        [line for setting in SETTINGS.values() for line in entry(bold(setting.variable), f"as {setting.flag}")],
        entry(bold(CONFIG_VARIABLE), "as --config"),
        [roff.section("FILES")],
        entry(italic(str(_FILE)), "the config file of root's daemon; everybody else's is in $XDG_CONFIG_HOME or ~/.config"),
        entry(italic(str(_ROOT.state_dir)), "disks, images, kernels and the database"),
        entry(italic(str(_ROOT.runtime_dir)), "sockets"),
        roff.see_also([("volantd.toml", 5), ("volant", 1)]),
    )


def _file() -> str:
    settings = [
        line
        for item in fields(Config)
        for line in entry(
            f"{bold(item.name)} = {italic(SETTINGS[item.name].kind.shown)}",
            f"{SETTINGS[item.name].help}. Default: {toml_value(getattr(_ROOT, item.name))}",
        )
    ]
    return roff.page(
        roff.title("volantd.toml", 5, about="the config file of volantd"),
        [roff.section("SYNOPSIS"), italic(str(_FILE))],
        [roff.section("DESCRIPTION")],
        roff.paragraph(
            "A TOML file of settings, read when the daemon starts. A key that nobody knows and a value that makes no sense keep it from "
            "starting; all of them are named at once. volantd --print-config prints the settings in force in this form."
        ),
        [roff.section("SETTINGS"), *settings],
        [roff.section("EXAMPLES"), *roff.example(['network = "user"', "boot_timeout_s = 90"])],
        roff.see_also([("volantd", 8)]),
    )


def _flag(flag: str, value: str) -> str:
    return f"{bold(flag)} {italic(value)}"
