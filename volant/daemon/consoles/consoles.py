"""Every VM's console; satisfies `ports.Consoles`."""

from __future__ import annotations

from pathlib import Path

from volant.daemon.consoles.console import Console


class ConsoleRoom:
    """Consoles by VM id, made when first asked for."""

    def __init__(self) -> None:
        self._consoles: dict[str, Console] = {}

    def console(self, vm_id: str, log_path: Path) -> Console:
        """The holder; the same one for the same VM."""
        found = self._consoles.get(vm_id)
        if found is None:
            found = self._consoles[vm_id] = Console(vm_id, log_path)
        return found

    def forget(self, vm_id: str) -> None:
        """The VM is destroyed: end its readers."""
        console = self._consoles.pop(vm_id, None)
        if console is not None:
            console.close()
