"""A tool of the tree as a module of its test: a call of its main is one process less than a start of it."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys

sys.dont_write_bytecode = True


def load(path):
    """The module of a script, which need not be called .py; what lies beside it can be imported."""
    sys.path.insert(0, os.path.dirname(path))
    loader = importlib.machinery.SourceFileLoader(os.path.basename(path), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def run(module, *words):
    """(exit status, what it says) of module.main() with these words of a command line."""
    said, argv = io.StringIO(), sys.argv
    sys.argv = [module.__file__, *words]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            module.main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
        if isinstance(status, str):  # the last words, as the interpreter has it
            status, _ = 1, said.write(status + '\n')
    finally:
        sys.argv = argv
    return status, said.getvalue()
