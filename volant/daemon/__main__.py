"""`python -m volant.daemon` is `volantd`."""

from volant.daemon.main import entry

entry()
