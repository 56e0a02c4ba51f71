"""Installs what a manifest names under `environment:`, once."""

from collections.abc import Callable
from pathlib import Path

from wri_conformance import interpreters, releases, venvs
from wri_conformance.manifest import Manifest


def prepare(manifest: Manifest, say: Callable[[str], None]) -> Path | None:
    """Return the directory of the programs of an implementation; None if it names no packages.

    `say` is told what takes long.

    Raises:
        Mistake: they cannot be installed.
    """
    if manifest.release:
        return _release(manifest.release, say)
    return venvs.ensure(manifest.pip, say) if manifest.pip else None


def _release(name: str, say: Callable[[str], None]) -> Path:
    if not releases.is_checkout(name):
        # To look for interpreters takes seconds, and is not needed for what is there already.
        one = releases.find(name, [])
        there = (venvs.present(one.packages, python) for python in one.pythons)
        if found := next(filter(None, there), None):
            return found
    works, fails = interpreters.examine(interpreters.candidates())
    one = releases.find(name, works)
    python = releases.interpreter(one, works, [f"{path}: {why}" for path, why in fails.items()])
    return venvs.ensure(one.packages, say, python.path)
