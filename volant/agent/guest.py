"""From an empty machine to the running workload: first mounts, drivers, configuration, network, tree."""

from __future__ import annotations

import os
import socket

from volant.agent import network
from volant.agent.config import FW_CFG_BLOB, Config, ConfigError, command_line_words, read_config
from volant.agent.core import Agent
from volant.agent.drivers import Drivers
from volant.agent.machine import mount_basics
from volant.agent.network import NetworkError
from volant.agent.tree import TreeError, find_tree, furnish, mount_disks


async def bring_up(agent: Agent, drivers: Drivers) -> None:
    """Do it, or enter phase `failed` with the reason; the agent answers calls in either case."""
    try:
        await _bring_up(agent, drivers)
    except (ConfigError, NetworkError, TreeError) as error:
        agent.status.enter("failed", str(error))
    except OSError as error:
        agent.status.enter("failed", f"the guest could not be set up: {error.filename or ''}: {error.strerror or error}")


async def _bring_up(agent: Agent, drivers: Drivers) -> None:
    mount_basics()
    agent.status.reached("mounts")
    drivers.load_devices()
    agent.status.reached("modules")
    config = _read_config(drivers)
    if config.hostname:
        socket.sethostname(config.hostname)
    network.loopback_up()
    if config.network is not None:
        network.configure(config.network, network.find_interface(config.network.mac))
    agent.status.reached("network")
    tree, boot = await find_tree(agent.loop, config, drivers)
    furnish(tree, config)
    await mount_disks(agent.loop, tree, config.disks, drivers)
    agent.status.reached("tree")
    agent.begin(config, tree, boot)


def _read_config(drivers: Drivers) -> Config:
    with open("/proc/cmdline") as file:
        words = command_line_words(file.read())
    blob = b""
    if words.get("config") == "fw_cfg":
        drivers.load("qemu_fw_cfg")
        if not os.path.exists(FW_CFG_BLOB):
            raise ConfigError("the kernel command line promises a config by fw_cfg, and there is none")
        with open(FW_CFG_BLOB, "rb") as raw:
            blob = raw.read()
    return read_config(words, blob)
