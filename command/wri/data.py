"""Finds the specification, schemas and scenarios, in a checkout as in an installed wheel."""

from pathlib import Path

_HERE = Path(__file__).resolve()


def root() -> Path:
    """Return the directory that holds `spec/`, `schemas/` and `conformance/`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for candidate in (_HERE.parents[1] / "wri_data", _HERE.parents[2]):
        if (candidate / "spec").is_dir() and (candidate / "schemas").is_dir():
            return candidate
    raise FileNotFoundError(
        f"the data of wri (spec/, schemas/) are neither beside {_HERE.parent} nor in a checkout "
        "around it: install wri again"
    )
