"""Volant runs microVMs on one Linux host as easily as containers."""

__version__ = "0.1.0"
