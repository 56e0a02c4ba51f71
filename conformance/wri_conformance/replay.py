"""Plays a stream of deltas into the suite's store and compares it with a snapshot. Pure."""

from collections.abc import Sequence
from typing import Any

from wri_conformance.deltas import ORDER, Store, differences, shorten
from wri_conformance.streams import Batch


def replay(snapshot: Any, batches: Sequence[Batch], until: Any) -> dict[str, Any]:
    """Return what a `replay` step observes.

    Args:
        snapshot: the PbEntireWorkflow to begin with, or None for an empty store.
        batches: what was published, in order.
        until: the PbEntireWorkflow that the store has to be equal to in the end.

    What the snapshot contains already is skipped, and what came after `until` is not applied:
    the `last_updated` in the change of the workflow tells, or, in a batch that has none, the
    time of the batch as far as it can.
    """
    store = Store() if snapshot is None else Store.of(snapshot)
    begin = 0.0 if snapshot is None else snapshot.workflow.last_updated
    applied = skipped = beyond = verified = 0
    wrong: list[str] = []
    for number, batch in enumerate(batches, start=1):
        if beyond or _updated(batch) > until.workflow.last_updated:
            beyond += 1
            continue
        if _contained(batch, begin):
            skipped += 1
            continue
        old = [t for t in ORDER if t in batch.parts and not store.apply(t, batch.parts[t])]
        applied += 1
        for topic in ORDER:
            part = batch.parts.get(topic)
            if part is None or topic in old or topic == "workflow" or not part.HasField("checksum"):
                continue
            if (ours := store.checksum(topic)) == part.checksum:
                verified += 1
            else:
                wrong.append(f"{topic}, batch {number}: {part.checksum} instead of {ours}")
    found = differences(store, Store.of(until))
    return {
        "equal": not found if applied else None,
        "differences": found if applied else None,
        "batches": len(batches),
        "applied": applied,
        "skipped": skipped,
        "beyond": beyond,
        "checksums": {
            "verified": verified,
            "wrong": shorten(wrong) if verified or wrong else None,
        },
        "unknown_updates": store.unknown_updates,
        "unknown_pruned": store.unknown_pruned,
    }


def _updated(batch: Batch) -> float:
    """Return when the workflow says that it was updated; 0 if the batch does not tell."""
    workflow = batch.parts.get("workflow")
    if workflow is None:
        return 0.0
    return float(max(workflow.added.last_updated, workflow.updated.last_updated))


def _contained(batch: Batch, begin: float) -> bool:
    told = _updated(batch)
    return told <= begin if told else max(batch.times, default=0.0) < begin
