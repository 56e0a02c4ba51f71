"""What a phase of the published stream shows: facts that are the same in every run. Pure."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from wri_conformance.deltas import MESSAGES
from wri_conformance.streams import Batch, Publication, Stream

# They change whenever anything does, or tell the time.
_EVERYWHERE: Final = frozenset({"id", "stamp", "last_updated"})
# Where and when it runs decides about these.
_BY_CHANCE: Final = frozenset({"log_records", "latest_state_tasks"})


def complete(batches: Sequence[Batch]) -> bool:
    """Tell whether a stream begins with the first batch of all: one that adds the workflow."""
    return bool(batches) and any(
        "workflow" in batch.parts and batch.parts["workflow"].HasField("added")
        for batch in batches[:1]
    )


def facts(stream: Stream) -> dict[str, Any]:
    """Return what a phase in which nothing else happens shows.

    `batches` has an entry for each batch with more than changes of the workflow: by topic, such as
    `reloaded, 6 added, 2 updated`, or `same as before`. The others are told by `workflow`, the
    fields that were updated, and `told`, the texts of `status_msg` in their order. `relations` is
    about elements that are added and updated in one batch; see `relations`.
    """
    batches = stream.batches
    return {
        "topics": sorted({one.topic for one in stream.publications}),
        "batches": [_shown(before, batch) for before, batch in _pairs(batches)],
        "workflow": sorted(_workflow_fields(batches)),
        "told": _told(batches),
        "states_updated": _states_updated(batches),
        "pruned": sorted({t for b in batches for t, part in b.parts.items() if part.pruned}),
        "relations": relations(batches),
        **_endings(stream.publications),
    }


def _pairs(batches: Sequence[Batch]) -> Iterator[tuple[Batch | None, Batch]]:
    some = [batch for batch in batches if _substantial(batch)]
    yield from zip([None, *some][: len(some)], some, strict=True)


def _substantial(batch: Batch) -> bool:
    """Tell whether a batch is more than a change of the workflow, whose number varies."""
    return set(batch.parts) != {"workflow"} or batch.parts["workflow"].HasField("added")


def _shown(before: Batch | None, batch: Batch) -> dict[str, str]:
    if before is not None and _equal(before, batch):
        return {"*": "same as before"}
    return {topic: _counts(topic, batch.parts[topic]) for topic in sorted(batch.parts)}


def _equal(one: Batch, other: Batch) -> bool:
    return one.parts.keys() == other.parts.keys() and all(
        _timeless(part) == _timeless(other.parts[topic]) for topic, part in one.parts.items()
    )


def _timeless(part: Any) -> Any:
    copy = type(part)()
    copy.CopyFrom(part)
    copy.ClearField("time")
    return copy


def _counts(topic: str, part: Any) -> str:
    words = ["reloaded"] if part.reloaded else []
    for name in ("added", "updated", "pruned"):
        value = getattr(part, name)
        number = int(part.HasField(name)) if topic == "workflow" else len(value)
        distinct = 0 if topic == "workflow" else len({getattr(one, "id", one) for one in value})
        if number:
            twice = f" of {distinct}" if distinct and distinct != number else ""
            words.append(f"{number} {name}{twice}")
    return ", ".join(words) or "empty"


def _updates(batches: Iterable[Batch]) -> Iterator[Any]:
    for batch in batches:
        if "workflow" in batch.parts and batch.parts["workflow"].HasField("updated"):
            yield batch.parts["workflow"].updated


def _workflow_fields(batches: Iterable[Batch]) -> set[str]:
    names = {field.name for one in _updates(batches) for field, _ in one.ListFields()}
    return names - _EVERYWHERE - _BY_CHANCE


def _told(batches: Iterable[Batch]) -> list[str]:
    texts = [one.status_msg for one in _updates(batches) if one.HasField("status_msg")]
    return [text for text, _ in itertools.groupby(texts)]


def _states_updated(batches: Iterable[Batch]) -> str:
    """Return whether updates of the workflow say that its states are to be replaced."""
    seen = {one.states_updated for one in _updates(batches) if one.HasField("states_updated")}
    return " and ".join(sorted(str(one).lower() for one in seen)) or "absent"


def relations(batches: Iterable[Batch]) -> dict[str, Any]:
    """Return, by topic, what elements in `added` hold of their own updates in the same delta.

    `updates_held` is whether the values of the updates are in what was added already, `all`, `some`
    or `none`; `ids_twice` whether lists of identifiers in `added` hold one twice; `added_twice` and
    `updated_twice` whether an element is there several times.
    """
    found: dict[str, dict[str, Counter[bool]]] = defaultdict(lambda: defaultdict(Counter))
    for batch in batches:
        for topic in MESSAGES.keys() - {"workflow"} & batch.parts.keys():
            part = batch.parts[topic]
            added = {one.id: one for one in part.added}
            updated = Counter(one.id for one in part.updated)
            both = [one for one in part.updated if one.id in added]
            if not both:
                continue
            seen = found[topic]
            seen["updates_held"].update(_holds(added[one.id], one) for one in both)
            seen["ids_twice"].update(map(_twice, (added[one.id] for one in both)))
            seen["added_twice"][len(part.added) > len(added)] += 1
            seen["updated_twice"][max(updated.values()) > 1] += 1
    return {
        topic: {
            name: ("all" if not counts[False] else "some" if counts[True] else "none")
            if name == "updates_held"
            else bool(counts[True])
            for name, counts in sorted(seen.items())
        }
        for topic, seen in sorted(found.items())
    }


def _holds(added: Any, updated: Any) -> bool:
    for field, value in updated.ListFields():
        there = getattr(added, field.name)
        if field.is_repeated and field.message_type is None:
            if Counter(value) - Counter(there):
                return False
        elif field.name not in _EVERYWHERE and there != value:
            return False
    return True


def _twice(element: Any) -> bool:
    return any(
        field.is_repeated and field.message_type is None and len(set(value)) < len(value)
        for field, value in element.ListFields()
    )


def _endings(publications: Sequence[Publication]) -> dict[str, Any]:
    """Return the text of `shutdown`, if there is one."""
    texts = [
        one.payload.decode("utf-8", "replace") for one in publications if one.topic == "shutdown"
    ]
    return {"shutdown": texts} if texts else {}
