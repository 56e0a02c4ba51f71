"""Compares two profiles: the list of everything that changed. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from wri_conformance.diffing import answers, descriptors, observations, sdl
from wri_conformance.diffing.changes import Change, ordered
from wri_conformance.diffing.probes import MUTATIONS

_ENDPOINT: Final = "pb_data_elements"

Profile = Mapping[str, Any]


def compare(before: Profile, after: Profile) -> list[Change]:
    """Return what is otherwise in `after`, in the order in which it is shown.

    What is null in either profile was not observed, and is not compared; see `unseen`.
    """
    return ordered(_changes(before, after))


def unseen(before: Profile, after: Profile) -> list[str]:
    """Return the parts that cannot be compared, since one side was not observed."""
    parts = [
        name
        for name in ("graphql", "protobuf", "package")
        if before[name] is None or after[name] is None
    ]
    phases = [
        f"publications at {name}"
        for name, one in before["publications"].items()
        if one is None or after["publications"].get(name) is None
    ]
    return [*parts, *phases]


def _changes(before: Profile, after: Profile) -> Iterator[Change]:
    def both(name: str, how: Callable[[Any, Any], Iterator[Change]]) -> Iterator[Change]:
        if before[name] is not None and after[name] is not None:
            yield from how(before[name], after[name])

    yield from both("endpoints", observations.endpoints)
    # Element types are requests as well; they are told by the endpoint.
    old, new = (
        {**one["requests"], **{f"{_ENDPOINT} {k}": v for k, v in one["elements"].items()}}
        for one in (before, after)
    )
    yield from answers.requests(old, new)
    yield from both("operations", lambda a, b: answers.requests(a, b, "GraphQL answers"))
    yield from both("injected", answers.injected)
    yield from both("hidden", answers.hidden)
    yield from both("hostile", answers.hostile)
    yield from both("contact", observations.contact)
    yield from both("keys", observations.keys)
    yield from both("left", observations.left)
    yield from both("graphql", sdl.compare)
    yield from both("protobuf", descriptors.compare)
    yield from both("publications", observations.publications)
    yield from both("package", observations.package)
    shared = _allowed(before, after)
    yield from answers.mutations(
        {name: shape for name, shape in before["mutations"].items() if name in shared},
        after["mutations"],
        lambda name: MUTATIONS[name].good,
    )
    yield from observations.store(before["store"], after["store"], _shared(before, after))


def _allowed(before: Profile, after: Profile) -> set[str]:
    """Return the mutations that both schemas allow: the schema tells of the others."""
    texts = {name: one.text for name, one in MUTATIONS.items()}
    for one in (before, after):
        if one["graphql"] is not None:
            allowed = sdl.valid(one["graphql"], texts.values())
            texts = {name: text for name, text in texts.items() if text in allowed}
    return set(texts)


def _shared(before: Profile, after: Profile) -> Callable[[str, str], bool]:
    def shared(message: str, field: str) -> bool:
        known = [descriptors.defines(one["protobuf"], message, field) for one in (before, after)]
        return False not in known

    return shared
