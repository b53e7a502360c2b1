"""The terminal UI, `volant tui`. Importing it loads nothing: `main` says what is loaded when."""
