"""Man pages, written from what the commands and the settings declare: `python -m volant.manpages DIR`."""
