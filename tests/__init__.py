"""Tests mirror the rooms; `kits/` and `fakes/` are shared."""
