"""Runs the adapter of one mutant of a client or subscriber: `python adapt.py --fault NAME`."""

import argparse
import asyncio
import importlib
import sys
from pathlib import Path

_CONFORMANCE = Path(__file__).resolve().parent.parent
sys.path[0] = str(_CONFORMANCE)  # the directory of this package
sys.path.insert(1, str(_CONFORMANCE / "implementations"))

from reference_adapter import Adapter  # noqa: E402

from mutants import PEERS  # noqa: E402
from mutants.registry import ADAPTER_FAULTS, AdapterFault  # noqa: E402

SEAMS = {
    "WorkflowRuntimeClient": "client",
    "WorkflowSubscriber": "subscriber",
    "WorkflowDataStore": "store",
}

BEGINS = {"client": ["connect"], "subscriber": ["subscribe"], "store": ["follow"]}
"""By seam, the commands with which it begins (`conformance/ADAPTERS.md`)."""


def adapter(peer: type) -> Adapter:
    """Return an adapter of a client, subscriber or data store, or an adapter as it is."""
    if issubclass(peer, Adapter):
        return peer()
    mutant: Adapter = type("Mutant", (Adapter,), {_seam(peer): peer})()
    return mutant


def _seam(peer: type) -> str:
    return next(SEAMS[base.__name__] for base in peer.__mro__ if base.__name__ in SEAMS)


def roles(fault: AdapterFault) -> list[str]:
    """Return the roles that a mutant plays: that of its class, or those of what it breaks."""
    if issubclass(fault.peer, Adapter):
        return sorted({pattern.split("/")[0] for pattern in fault.breaks})
    return ["client" if _seam(fault.peer) == "client" else "subscriber"]


def begins(fault: AdapterFault) -> list[str] | None:
    """Return the commands that make use of what a mutant replaces; None for all."""
    return None if issubclass(fault.peer, Adapter) else BEGINS[_seam(fault.peer)]


def load() -> dict[str, AdapterFault]:
    """Return all clients and subscribers by name, those without a fault among them."""
    for subject in PEERS:
        importlib.import_module(f"mutants.{subject}")
    return ADAPTER_FAULTS


def main() -> None:
    """Adapt until the input ends, with the fault that is asked for."""
    known = load()
    parser = argparse.ArgumentParser(
        description="A client and a subscriber, one of them with a fault.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name}\n    {one.about}" for name, one in known.items()),
    )
    parser.add_argument("--fault", required=True, choices=known, metavar="NAME")
    asyncio.run(adapter(known[parser.parse_args().fault].peer).serve())


if __name__ == "__main__":
    main()
