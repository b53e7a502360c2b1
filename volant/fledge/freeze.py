"""Finds and compiles what a Python program imports. Runs alone, by a bare interpreter (`python -I -S freeze.py ROOT MODULE...`).

It imports the modules (found in the standard library, else below ROOT) and those that any of them lists in `LAZY_MODULES`
because they are imported only when needed, then takes stock of everything that is loaded. Hence it may import nothing
itself before that, not even `__future__`. The answer on stdout is one `marshal` value, see `stock`.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def imported(root: str, names: list[str]) -> "dict[str, ModuleType]":
    """Import `names` and their lazy ones; every module that is loaded then, by the name it was imported as."""
    sys.path.append(root)
    pending = set(names)
    while pending:
        for name in sorted(pending):
            __import__(name)
        pending = {lazy for module in sys.modules.values() for lazy in getattr(module, "LAZY_MODULES", ())} - set(sys.modules)
    return dict(sys.modules)


def stock(root: str, modules: "dict[str, ModuleType]") -> dict[str, object]:
    """What has to be in an image so that `modules` load there.

    `stdlib`: the folder of the standard library; `folders`: those that must exist, be they empty; `files`: path -> compiled
    module; `extensions`: paths of native modules.
    """
    import marshal
    import os
    from importlib.machinery import PathFinder
    from importlib.util import MAGIC_NUMBER, source_hash

    stdlib = os.path.dirname(os.__file__)
    files: dict[str, bytes] = {}
    extensions: list[str] = []
    # An interpreter finds its library by the file of `os`, be that imported or not.
    modules = modules | {"os": os}
    for name in sorted(modules):
        spec = getattr(modules[name], "__spec__", None)
        if spec is not None and spec.name != name and "." in name:
            # A module that puts another in its place, as collections.abc does, is imported all the same.
            spec = PathFinder.find_spec(name, getattr(modules[name.rpartition(".")[0]], "__path__", []))
        path = os.__file__ if name == "os" else getattr(spec, "origin", None)
        if path is None or path in ("built-in", "frozen"):
            continue  # inside the interpreter itself
        if not path.endswith(".py"):
            extensions.append(path)
            continue
        ours = path.startswith(root + "/")
        place = os.path.join(stdlib, os.path.relpath(path, root)) if ours else path
        with open(path, "rb") as file:
            source = file.read()
        # Ours keep their docstrings: a dataclass without one derives it from its signature at import, which costs more.
        code = compile(source, place, "exec", dont_inherit=True, optimize=1 if ours else 2)
        # PEP 552: an unchecked hash, so that nothing depends on the time of a file that isn't there.
        files[place + "c"] = MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(source) + marshal.dumps(code)
    folders = [stdlib, *(path for path in sys.path if path.endswith("lib-dynload"))]
    return {"stdlib": stdlib, "folders": folders, "files": files, "extensions": extensions}


if __name__ == "__main__":
    loaded = imported(sys.argv[1], sys.argv[2:])
    import marshal

    sys.stdout.buffer.write(marshal.dumps(stock(sys.argv[1], loaded)))
