"""Everything that the room does to the host, blocking. Used from one thread only, which therefore is also what keeps order."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from volant.daemon.host.faultpoints import FaultPoint, passed_in_thread
from volant.daemon.net import names, rules, sysctl
from volant.daemon.net.claim import ELSEWHERE, ClaimHeld, NetworkClaim
from volant.daemon.net.config import NetConfig
from volant.daemon.net.netlink import Netlink
from volant.daemon.net.nft import Nft, NftRefused, open_nft, require_net_admin
from volant.daemon.net.plan import AddAddress, BringUp, DropAddress, HostView, MakeBridge, Step, plan_bridge
from volant.daemon.net.rtnetlink import LinkSocket
from volant.daemon.net.rules import Guest
from volant.daemon.net.taps import interface_exists, interface_index, open_tap
from volant.proto.errors import HostShort, NetworkFailed

MAX_BRIDGED_VMS = 1_023
"""BR_MAX_PORTS of the kernel's net/bridge/br_private.h, less the number 0. A pool may have more addresses, for VMs that are stopped."""


@dataclass(frozen=True, slots=True)
class Tap:
    """A tap that was attached, until it is removed."""

    guest: Guest
    index: int
    """0 when it was gone already as it was adopted."""
    descriptor: int | None
    """None when only the VMM holds it."""

    def exists(self) -> bool:
        return interface_exists(self.index)


class Kernel:
    """The host's network as we change it. Methods raise NetworkFailed with the host's reason."""

    def __init__(self, config: NetConfig, state_dir: Path, others: Callable[[], frozenset[str]]) -> None:
        self._config = config
        self._state_dir = state_dir
        self._others = others
        self._opened = ExitStack()
        self._claim = NetworkClaim()
        self._opened.callback(self._claim.release)
        self._netlink_opened: Netlink | None = None
        self._links_opened: LinkSocket | None = None
        self._nft_opened: Nft | None = None
        self._bridge = 0
        """Index of the bridge that was prepared; 0 before."""
        self._guests: dict[str, Guest] = {}
        """Who is attached now, by tap."""

    def prepare(self) -> None:
        """Bridge, address, forwarding, firewall; from then on this namespace's network is ours until `close`.

        SubnetTaken; ClaimHeld while another daemon has it; NetworkFailed while VMs of another one, which has a pool of its own, are on it.
        """
        with _explained("take over the guests' network"):
            self._claim.check()
            # Both before and after: the network is not taken, be it for a moment, from a daemon that comes back for its VMs.
            self._refuse_others()
            with self._claimed() as undo:
                self._refuse_others()
                self._set_up()
                undo.pop_all()

    @contextmanager
    def _claimed(self) -> Iterator[ExitStack]:
        """Hold this namespace's network meanwhile; what is yielded gives it back at the end, where it was not held before."""
        with ExitStack() as undo:
            if not self._claim.is_held:
                require_net_admin()
                self._claim.take()
                undo.callback(self._claim.release)
            yield undo

    def _refuse_others(self) -> None:
        # Asked only where there are taps that nobody here knows: it means looking into every process.
        unknown = {name for _, name in socket.if_nameindex() if names.is_tap_name(name)} - self._guests.keys()
        if unknown and (found := sorted(vm_id for vm_id in self._others() if names.tap_name(vm_id) in unknown)):
            raise NetworkFailed(f"VM {found[0]} of another volantd is on this host's network", hint=ELSEWHERE)

    def _set_up(self) -> None:
        with _explained("set up the guests' network"):
            if self._is_prepared():
                return
            host = self._netlink.view()
            for step in plan_bridge(self._config, host):
                self._take(step)
            self._bridge = interface_index(self._config.bridge)
            self._plug_in_again(host)
            sysctl.enable_forwarding(self._state_dir)
            self._replace_firewall(host)

    def attach(self, guest: Guest, vm_id: str) -> Tap:
        """Make the guest's tap, let it in, and plug it into the bridge; nothing stays when one of these fails."""
        self._ensure_bridge()
        with _explained(f"make the tap {guest.tap}"), ExitStack() as undo:
            descriptor = open_tap(guest.tap)
            undo.callback(os.close, descriptor)
            passed_in_thread(FaultPoint.TAP_MADE, vm_id)
            index = socket.if_nametoindex(guest.tap)
            sysctl.disable_ipv6(guest.tap)
            self._let_in(guest)
            undo.callback(self._shut_out, [guest])
            passed_in_thread(FaultPoint.GUEST_LET_IN, vm_id)
            self._links.join_bridge(index, bridge=self._bridge, alias=names.tap_alias(vm_id), mac=guest.mac, mtu=self._config.mtu)
            passed_in_thread(FaultPoint.TAP_BRIDGED, vm_id)
            undo.pop_all()
        self._guests[guest.tap] = guest
        return Tap(guest, index, descriptor)

    def adopt(self, guest: Guest) -> Tap:
        """Let a guest in whose VMM holds the tap. A tap that is gone, as after the VMM's death, is left for `remove` to prove."""
        index = interface_index(guest.tap)
        if index:
            self._ensure_bridge()
            with _explained(f"let {guest.tap} through the firewall"):
                self._let_in(guest)
            self._guests[guest.tap] = guest
        return Tap(guest, index, None)

    def remove(self, taps: Sequence[Tap]) -> None:
        """Shut guests out and remove their taps, also when a process still holds one. Close our descriptors in any case."""
        for tap in taps:
            self._guests.pop(tap.guest.tap, None)
        with _explained("remove taps"), ExitStack() as last:
            for tap in taps:
                if tap.descriptor is not None:
                    last.callback(os.close, tap.descriptor)
            last.callback(self._remove_links, taps)
            self._shut_out([tap.guest for tap in taps])
            passed_in_thread(FaultPoint.GUEST_SHUT_OUT)

    def sweep(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Remove what is ours and belongs to nobody: taps by name and alias, and rules of taps that are gone.

        Nothing is found, and nothing raised, where we may not look: who has no rights to make such things has left none, and what
        another daemon that has this network is just making has no owner either, as far as can be seen.
        """
        kept = keep | self._guests.keys()
        with _explained("remove what an earlier run left behind"):
            try:
                with self._claimed():
                    return self._sweep(kept)
            except (HostShort, PermissionError, ClaimHeld):
                return ()
            except NftRefused as refused:
                if refused.is_forbidden:
                    return ()
                raise

    def _sweep(self, kept: frozenset[str]) -> tuple[str, ...]:
        present = {name: index for index, name in socket.if_nameindex() if names.is_tap_name(name) and name not in kept}
        ours: dict[str, int] = {}
        if present:
            links = self._netlink.links()
            ours = {link.name: link.index for link in links if link.name in present and names.is_our_tap(link.name, link.alias)}
        stale = [guest for guest in self._listed() if guest.tap not in kept and (guest.tap in ours or guest.tap not in present)]
        self._shut_out(stale)
        if ours:
            self._links.remove(list(ours.values()))
        return tuple(sorted(ours.keys() | {guest.tap for guest in stale}))

    def present(self) -> tuple[frozenset[str], frozenset[str]]:
        """Taps that are provably ours, and taps whose guests the firewall lets in; of what we may not see, nothing."""
        candidates = {name for _, name in socket.if_nameindex() if names.is_tap_name(name)}
        with _explained("look for taps and firewall entries"):
            links = self._netlink.links() if candidates else ()
            taps = frozenset(link.name for link in links if names.is_our_tap(link.name, link.alias))
            try:
                return taps, frozenset(guest.tap for guest in self._listed())
            except (HostShort, PermissionError):
                return taps, frozenset()
            except NftRefused as refused:
                if refused.is_forbidden:
                    return taps, frozenset()
                raise

    def close(self) -> None:
        """Let go of the sockets; what is on the host stays."""
        self._opened.close()

    @property
    def _netlink(self) -> Netlink:
        if self._netlink_opened is None:
            self._netlink_opened = Netlink()
            self._opened.callback(self._netlink_opened.close)
        return self._netlink_opened

    @property
    def _links(self) -> LinkSocket:
        if self._links_opened is None:
            self._links_opened = LinkSocket()
            self._opened.callback(self._links_opened.close)
        return self._links_opened

    @property
    def _nft(self) -> Nft:
        if self._nft_opened is None:
            self._nft_opened = open_nft()
            self._opened.callback(self._nft_opened.close)
        return self._nft_opened

    def _is_prepared(self) -> bool:
        """Looks again each time: an administrator's `nft flush ruleset` takes our tables along."""
        if not self._bridge or interface_index(self._config.bridge) != self._bridge or sysctl.read(sysctl.FORWARDING) != "1":
            return False
        held = (address.address for address in self._netlink.addresses() if address.index == self._bridge)
        return self._config.subnet in held and rules.has_tables(self._nft.list_json(rules.LIST_CHAINS))

    def _plug_in_again(self, host: HostView) -> None:
        """Guests whose bridge was deleted under them come back to the new one."""
        guests = {guest.tap: guest for guest in self._listed()} | self._guests
        for link in host.links:
            if link.name in guests and not link.master and names.is_our_tap(link.name, link.alias):
                self._links.join_bridge(link.index, bridge=self._bridge, alias=link.alias, mac=guests[link.name].mac, mtu=self._config.mtu)

    def _ensure_bridge(self) -> None:
        """What an attachment needs of `prepare`, at the cost of one look; `_let_in` sees for itself whether the tables are there."""
        if not self._bridge or interface_index(self._config.bridge) != self._bridge:
            with _explained("take over the guests' network"), self._claimed() as undo:
                self._set_up()
                undo.pop_all()

    def _let_in(self, guest: Guest) -> None:
        try:
            self._nft.run(rules.add_guests([guest]))
        except NftRefused as refused:
            if not refused.is_missing:
                raise
            # Somebody flushed the tables since they were prepared.
            self._replace_firewall(self._netlink.view())
            self._nft.run(rules.add_guests([guest]))

    def _take(self, step: Step) -> None:
        name = self._config.bridge
        match step:
            case MakeBridge():
                self._netlink.make_bridge(name, step.mac)
                self._netlink.set_alias(interface_index(name), names.BRIDGE_ALIAS)
                sysctl.disable_ipv6(name)
            case DropAddress():
                self._netlink.drop_address(interface_index(name), step.address)
            case AddAddress():
                self._netlink.add_address(interface_index(name), step.address)
            case BringUp():
                self._netlink.bring_up(interface_index(name), step.mtu)

    def _replace_firewall(self, host: HostView) -> None:
        """Fresh tables in one transaction, holding also the guests of an earlier daemon: their VMs run on until they are adopted."""
        alive = {link.name for link in host.links}
        self._nft.run(rules.ruleset(self._config, {guest for guest in self._listed() if guest.tap in alive} | set(self._guests.values())))

    def _listed(self) -> frozenset[Guest]:
        try:
            return rules.guests_in(self._nft.list_json(rules.LIST_GUESTS))
        except NftRefused as refused:
            if refused.is_missing:
                return frozenset()
            raise

    def _shut_out(self, guests: Sequence[Guest]) -> None:
        if not guests:
            return
        try:
            self._nft.run(rules.remove_guests(guests))
        except NftRefused as refused:
            # Without its table a guest has no rule either.
            if not refused.is_missing:
                raise

    def _remove_links(self, taps: Sequence[Tap]) -> None:
        doomed = [tap for tap in taps if tap.exists()]
        if any(tap.descriptor is None for tap in doomed):
            # Not held by us, so that name and alias have to prove that it is ours.
            proven = {link.index for link in self._netlink.links() if names.is_our_tap(link.name, link.alias)}
            doomed = [tap for tap in doomed if tap.descriptor is not None or tap.index in proven]
        self._links.remove([tap.index for tap in doomed])


@contextmanager
def _explained(action: str) -> Iterator[None]:
    """The host's refusal as a fault that says what was tried."""
    try:
        yield
    except NftRefused as refused:
        if refused.is_forbidden:
            raise _not_permitted(action) from refused
        raise NetworkFailed(
            f"could not {action}: nftables refused: {str(refused).splitlines()[0]}", hint="`dmesg` may say more"
        ) from refused
    except PermissionError as error:
        raise _not_permitted(action) from error
    except FileNotFoundError as error:
        hint = "load the kernel's module `tun`, or use `--network user`" if error.filename == "/dev/net/tun" else "`dmesg` may say more"
        raise NetworkFailed(f"could not {action}: {error.filename or 'the kernel'}: {error.strerror}", hint=hint) from error
    except OSError as error:
        if error.errno == errno.EXFULL:
            raise HostShort(
                f"could not {action}: the bridge has all the {MAX_BRIDGED_VMS:,} ports that the kernel gives one",
                hint="stop other VMs, or create this one with `--network user` or `none`",
            ) from error
        raise NetworkFailed(f"could not {action}: {error.strerror or error}", hint="`dmesg` may say more") from error


def _not_permitted(action: str) -> NetworkFailed:
    return NetworkFailed(
        f"could not {action}: that needs root (CAP_NET_ADMIN)", hint="run volantd as root, or create the VM with `--network user`"
    )
