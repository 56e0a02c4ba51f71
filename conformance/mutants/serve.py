"""Runs one mutant: `python serve.py --fault NAME WORKFLOW`."""

import argparse
import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the directory of this package

from mutants import SUBJECTS, reach  # noqa: E402
from mutants.front import Front  # noqa: E402
from mutants.peer import Mutant, Router  # noqa: E402
from mutants.registry import FAULTS, Fault  # noqa: E402

ROLES = ["server", "publisher"]


def control(fault: Fault) -> str:
    """Return the name of the server without a fault that a mutant derives from."""
    return f"none-{reach.control(fault.server).__name__.lower()}"


CONTROLS = {
    control(fault): fault._replace(name=control(fault))
    for server in (Mutant, Router, Front)
    for fault in (Fault("", "Nothing is wrong.", (), server),)
}


def load() -> dict[str, Fault]:
    """Return all servers by name, those without a fault among them."""
    for subject in SUBJECTS:
        importlib.import_module(f"mutants.{subject}")
    return FAULTS | CONTROLS


def main() -> None:
    """Serve the workflow until told to stop, with the fault that is asked for."""
    known = load()
    parser = argparse.ArgumentParser(
        description="A server with one fault.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name}\n    {one.about}" for name, one in known.items()),
    )
    parser.add_argument("--fault", required=True, choices=known, metavar="NAME")
    parser.add_argument("--pause", action="store_true", help="as that of wri serve")
    parser.add_argument("workflow")
    options = parser.parse_args()
    known[options.fault].server(options.workflow, options.pause).run()


if __name__ == "__main__":
    main()
