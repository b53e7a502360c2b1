"""Numbered steps of the schema. Each file is frozen once released: its models are copies, so that changing `models` changes no history."""
