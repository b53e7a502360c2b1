"""Durable memory: one SQLite file, one writer thread. `store.open_store` is the way in; docs/store.md tells what is kept."""
