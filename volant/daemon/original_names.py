"""Variables of the Go system of the same name (volantvm/volant: internal/server/config and its docs), for whoever comes from there.

VOLANT_BRIDGE, VOLANT_SUBNET, VOLANT_RUNTIME_DIR, VOLANT_KERNEL and VOLANT_HYPERVISOR are settings here as they were there.
"""

from __future__ import annotations

ALIASES = {"VOLANT_KERNEL_BZIMAGE": "kernel", "VOLANT_WORK_DIR": "state_dir"}
"""Other names of settings; the setting's own variable outranks them."""

HOST_IP = "VOLANT_HOST_IP"
"""The host's address on the bridge; here it is part of the subnet: 192.168.127.1/24."""

_NO_GATEWAY = "there is no HTTP gateway yet, and nothing listens on a TCP port"
_NO_BALANCER = "there is no load balancer"
_NO_DNS = "there is no DNS server yet; guests are given the host's resolvers"

WITHOUT_MEANING = {
    "VOLANT_API_LISTEN": _NO_GATEWAY,
    "VOLANT_API_LISTEN_ADDR": _NO_GATEWAY,
    "VOLANT_API_ADVERTISE": _NO_GATEWAY,
    "VOLANT_API_ADVERTISE_ADDR": _NO_GATEWAY,
    "VOLANT_API_KEY": _NO_GATEWAY,
    "VOLANT_API_ALLOW_CIDR": _NO_GATEWAY,
    "VOLANT_CORS_ORIGINS": _NO_GATEWAY,
    "VOLANT_DB_PATH": "the database is volant.db in the state folder, which VOLANT_STATE_DIR names",
    "VOLANT_LOG_DIR": "the daemon logs to stderr; a VM's console log is kept in its state folder",
    "VOLANT_INITRAMFS": "the agent's image is built for the kernel when it is needed",
    "VOLANT_KERNEL_VMLINUX": "one kernel serves both kinds of images; VOLANT_KERNEL names it",
    "VOLANT_DRIFT_ENDPOINT": _NO_BALANCER,
    "VOLANT_DRIFT_API_KEY": _NO_BALANCER,
    "VOLANT_DNS_ENABLED": _NO_DNS,
    "VOLANT_DNS_LISTEN": _NO_DNS,
    "VOLANT_DNS_DOMAIN": _NO_DNS,
    "VOLANT_DNS_UPSTREAMS": _NO_DNS,
}
"""Variables that change nothing here, each with the reason that the daemon's log gives."""
