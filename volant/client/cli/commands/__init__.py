"""One module for each family of commands; `cli.tree` says which."""
