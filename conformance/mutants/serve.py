"""Runs one mutant: `python serve.py --fault NAME WORKFLOW`."""

import argparse
import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the directory of this package

from mutants import SUBJECTS  # noqa: E402
from mutants.front import Front  # noqa: E402
from mutants.peer import Mutant, Router  # noqa: E402
from mutants.registry import FAULTS, Fault  # noqa: E402

CONTROLS = {
    f"none-{server.__name__.lower()}": Fault("", "Nothing is wrong.", (), server)
    for server in (Mutant, Router, Front)
}


def main() -> None:
    """Serve the workflow until told to stop, with the fault that is asked for."""
    for subject in SUBJECTS:
        importlib.import_module(f"mutants.{subject}")
    known = FAULTS | CONTROLS
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
