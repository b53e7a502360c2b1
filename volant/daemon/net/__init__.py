"""The network room: bridge, taps, address pool, firewall, and the host ports of user mode.

Planning is pure (`ipam mac names plan rules resolver forwards`); what touches the kernel is blocking (`netlink taps nft sysctl`,
put together by `kernel`) and runs in one thread of its own (`worker`). `network.HostNetwork` is the `ports.Network` over both.
`docs/network.md` tells users what it does to their host.
"""
