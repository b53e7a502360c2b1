"""`python -m volant.client.cli` is the `volant` command."""

from volant.client.cli.main import entry

if __name__ == "__main__":
    entry()
