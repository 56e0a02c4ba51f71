"""Compares what two implementations wrote, published and showed. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from wri_conformance.diffing.changes import NEW_CLIENTS, OLD_CLIENTS, SERVERS, Change, Level

_BOTH: Final = (OLD_CLIENTS, NEW_CLIENTS)
_DEFINITIONS: Final = frozenset({"tasks", "families"})
_OTHERS: Final = frozenset({"task_proxies", "family_proxies", "edges", "jobs"})
_NEEDED_KEYS: Final = ("server.key", "client.key_secret")  # by clients
_MANDATORY: Final = {  # WRI-DATA-7, WRI-STORE-4
    "PbWorkflow": {
        "id",
        "name",
        "status",
        "stamp",
        "last_updated",
        "state_totals",
        "states_updated",
    },
    "PbTaskProxy": {"name", "cycle_point", "task", "state", "first_parent", "flow_nums"},
}


def endpoints(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    """Yield the endpoints that came and went."""
    for name in sorted(set(before) - set(after)):
        yield Change(
            "endpoints",
            "endpoint-removed",
            name,
            Level.BREAKING,
            (OLD_CLIENTS,),
            f"The endpoint `{name}` was removed.",
            name,
            None,
            "WRI-ROLE-1",
        )
    for name in sorted(set(after) - set(before)):
        yield Change(
            "endpoints",
            "endpoint-added",
            name,
            Level.BREAKING,
            (NEW_CLIENTS,),
            f"The endpoint `{name}` was added.",
            None,
            name,
            "WRI-ROLE-1",
        )


def contact(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what is otherwise in the contact file."""
    old, new = before["fields"], after["fields"]
    for key in sorted(old.keys() - new.keys()):
        optional = key.startswith("SCHEDULER_")
        yield _file(
            "contact-key-removed",
            key,
            Level.RISKY if optional else Level.BREAKING,
            (OLD_CLIENTS,),
            old[key],
            None,
            f"The contact file lacks `{key}`.",
            "WRI-DSC-10" if optional else "WRI-DSC-8",
        )
    for key in sorted(new.keys() - old.keys()):
        yield _file(
            "contact-key-added",
            key,
            Level.RISKY,
            (NEW_CLIENTS,),
            None,
            new[key],
            f"The contact file has `{key}`, {new[key]}.",
            "WRI-DSC-10",
        )
    for key in sorted(old.keys() & new.keys()):
        if old[key] != new[key]:
            yield _file(
                "contact-value",
                key,
                Level.RISKY,
                _BOTH,
                old[key],
                new[key],
                f"`{key}` was {old[key]} and is {new[key]}.",
                "WRI-DSC-8",
            )
    for name in ("mode", "sorted", "wrong_lines"):
        was, is_now = before.get(name), after.get(name)
        if was != is_now:
            yield _file(
                "contact-file",
                name,
                Level.RISKY,
                _BOTH,
                was,
                is_now,
                f"The contact file: {name} was {was} and is {is_now}.",
                "WRI-DSC-6",
            )


def keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what is otherwise about the key files."""
    old, new = before["files"], after["files"]
    for name in sorted(old.keys() - new.keys()):
        needed = name in _NEEDED_KEYS
        yield _file(
            "key-file-removed",
            name,
            Level.BREAKING if needed else Level.RISKY,
            (OLD_CLIENTS,),
            old[name],
            None,
            f"There is no key file `{name}` any more.",
            "WRI-SEC-1" if needed else "WRI-SEC-2",
        )
    for name in sorted(new.keys() - old.keys()):
        yield _file(
            "key-file-added",
            name,
            Level.SAFE,
            _BOTH,
            None,
            new[name],
            f"There is a key file `{name}`.",
            "WRI-SEC-2",
        )
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield _file(
                "key-file-mode",
                name,
                Level.RISKY,
                (SERVERS,),
                old[name],
                new[name],
                f"The mode of `{name}` was {old[name]} and is {new[name]}.",
                "WRI-SEC-4",
            )
    for name, what in (
        ("well_formed", "are well-formed"),
        ("same_secret", "are the same for both"),
    ):
        was, is_now = before.get(name), after.get(name)
        if was != is_now:
            yield _file(
                "key-files",
                name,
                Level.RISKY,
                _BOTH,
                was,
                is_now,
                f"That the keys {what} was {was} and is {is_now}.",
                "WRI-SEC-3",
            )


def left(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    """Yield what is left after a stop."""
    if before != after:
        was, is_now = (", ".join(names) or "nothing" for names in (before, after))
        yield _file(
            "left-after-stop",
            "stop",
            Level.RISKY,
            _BOTH,
            was,
            is_now,
            f"After a stop there is {is_now}; there was {was}.",
            "WRI-LIFE-6",
        )


def _file(
    kind: str,
    place: str,
    level: Level,
    sides: tuple[str, ...],
    was: Any,
    now: Any,
    told: str,
    requirement: str,
) -> Change:
    return Change("contact and keys", kind, place, level, sides, told, was, now, requirement)


def store(
    before: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
    shared: Callable[[str, str], bool],
) -> Iterator[Change]:
    """Yield the fields that only one of two stores of the same workflow has.

    `shared` tells whether both sides define a field of a message; the messages tell of the others.
    """
    for message in sorted(before.keys() & after.keys()):
        old, new = set(before[message]), set(after[message])
        for name in sorted(old - new):
            if shared(message, name):
                bad = name in _MANDATORY.get(message, ())
                yield Change(
                    "data store",
                    "field-unset",
                    f"{message}.{name}",
                    Level.BREAKING if bad else Level.RISKY,
                    (OLD_CLIENTS,),
                    f"No {message} has the field {name} any more.",
                    "set",
                    None,
                    "WRI-DATA-7" if bad else "WRI-VER-3",
                )
        for name in sorted(new - old):
            if shared(message, name):
                yield Change(
                    "data store",
                    "field-set",
                    f"{message}.{name}",
                    Level.SAFE,
                    _BOTH,
                    f"The field {name} of {message} is set, which it was not.",
                    None,
                    "set",
                    "WRI-VER-3",
                )


_WHEN: Final = {
    "start": "at the start",
    "hold": "when a task is held",
    "release": "when a task is released",
    "reload": "at a reload",
    "run": "in a run",
    "stop": "at a stop",
}


def publications(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what is published otherwise, by the phases that were seen of both.

    What is otherwise in several phases in the same way is told once.
    """
    found: dict[str, list[tuple[str, Change]]] = {}
    both = [one for one in before if before[one] is not None and after.get(one) is not None]
    for phase in both:
        for change in _phase(phase, before[phase], after[phase]):
            key = repr((change.kind, change.before, change.after, change.sentence))
            found.setdefault(key, []).append((phase, change))
    for group in found.values():
        phases = [_WHEN[phase] for phase, _ in group]
        when = ", ".join(phases[:-1]) + (" and " if phases[1:] else "") + phases[-1]
        change = group[0][1]
        sentence = change.sentence.replace("{when}", when[0].upper() + when[1:])
        yield evolve(change, sentence=sentence, place=", ".join(one.place for _, one in group))
    yield from _topics(
        *({t for p in both for t in side[p].get("topics", ())} for side in (before, after))
    )


def _topics(old: set[str], new: set[str]) -> Iterator[Change]:
    for name in sorted(old - new):
        yield _published(
            "topic-removed",
            name,
            Level.BREAKING,
            name,
            None,
            f"Nothing is published as `{name}` any more.",
            "WRI-PUB-8",
            (OLD_CLIENTS,),
        )
    for name in sorted(new - old):
        yield _published(
            "topic-added",
            name,
            Level.SAFE,
            None,
            name,
            f"There are publications with the topic `{name}`.",
            "WRI-PUB-7",
            _BOTH,
        )


def _phase(phase: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what is otherwise in one phase; `{when}` in a sentence stands for the phase."""
    if "batches" in old and "batches" in new:
        yield from _batches(phase, old["batches"], new["batches"])
    yield from _updates(phase, old, new)
    for topic, facts in sorted(old.get("relations", {}).items()):
        others = new.get("relations", {}).get(topic)
        if others is not None:
            yield from _relations(phase, topic, facts, others)
    if old.get("shutdown") != new.get("shutdown"):
        was, is_now = (", ".join(one.get("shutdown") or ["nothing"]) for one in (old, new))
        yield _published(
            "shutdown",
            phase,
            Level.RISKY,
            was,
            is_now,
            f"{{when}} the reason that `shutdown` gives was {was} and is {is_now}.",
            "WRI-PUB-20",
            _BOTH,
        )


def _updates(phase: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    was, is_now = old.get("states_updated"), new.get("states_updated")
    if was != is_now:
        yield _published(
            "states-updated",
            phase,
            Level.RISKY,
            was,
            is_now,
            f"{{when}}, `states_updated` in an update of the workflow was {was} and is {is_now}. "
            "Where it is true, a subscriber has to drop the states that it has, even if none come.",
            "WRI-DELTA-16",
            _BOTH,
        )
    # Whether the first status is added or updated depends on how fast the scheduler is.
    chance = {"status", "status_msg"} if phase == "start" else set()
    fields = set(old.get("workflow", ())) - chance, set(new.get("workflow", ())) - chance
    if lost := ", ".join(sorted(fields[0] - fields[1])):
        yield _published(
            "workflow-updates",
            phase,
            Level.RISKY,
            lost,
            None,
            f"{{when}} the workflow is updated without {lost}.",
            "WRI-DELTA-15",
            (OLD_CLIENTS,),
        )
    if won := ", ".join(sorted(fields[1] - fields[0] - {"states_updated"})):
        yield _published(
            "workflow-updates",
            phase,
            Level.SAFE,
            None,
            won,
            f"{{when}} the workflow is updated with {won}, too.",
            "WRI-DELTA-15",
            _BOTH,
        )
    if phase == "reload" and old.get("told", []) != new.get("told", []):
        was, is_now = ("; ".join(one.get("told", ())) or "nothing" for one in (old, new))
        yield _published(
            "status-texts",
            phase,
            Level.SAFE,
            was,
            is_now,
            f"{{when}} `status_msg` says: {is_now}. It said: {was}.",
            "WRI-STORE-10",
            _BOTH,
        )
    gone = set(old.get("pruned", ())), set(new.get("pruned", ()))
    if gone[0] != gone[1]:
        was, is_now = (", ".join(sorted(one)) or "nothing" for one in gone)
        yield _published(
            "pruned",
            phase,
            Level.RISKY,
            was,
            is_now,
            f"{{when}}, what is pruned is of {is_now}; it was of {was}.",
            "WRI-DELTA-19",
            _BOTH,
        )


def _published(
    kind: str,
    place: str,
    level: Level,
    was: Any,
    now: Any,
    told: str,
    requirement: str,
    sides: tuple[str, ...],
) -> Change:
    return Change("publications", kind, place, level, sides, told, was, now, requirement)


def _batches(
    phase: str, old: Sequence[Mapping[str, str]], new: Sequence[Mapping[str, str]]
) -> Iterator[Change]:
    flags = [
        {topic for batch in batches for topic, text in batch.items() if text.startswith("reloaded")}
        for batches in (old, new)
    ]
    if flags[0] != flags[1]:
        was, is_now = (_some(one, "none") for one in flags)
        yield _published(
            "reloaded",
            phase,
            Level.RISKY,
            was,
            is_now,
            f"{{when}}, deltas with `reloaded`: {is_now}. They were: {was}.",
            "WRI-DELTA-8",
            _BOTH,
        )
    was, is_now = story(old), story(new)
    if was != is_now:
        yield _published(
            "sequence",
            phase,
            Level.RISKY,
            was,
            is_now,
            f"{{when}} comes {is_now}. It was {was}.",
            "WRI-DELTA-9",
            _BOTH,
        )
    elif list(old) != list(new):
        yield _published(
            "counts",
            phase,
            Level.SAFE,
            old,
            new,
            "{when} the numbers of elements in the batches differ.",
            "WRI-DELTA-1",
            _BOTH,
        )


def _some(topics: set[str], nothing: str) -> str:
    everything = len(topics) == len(_DEFINITIONS | _OTHERS) + 1
    return "every delta" if everything else ", ".join(sorted(topics)) or nothing


def story(batches: Sequence[Mapping[str, str]]) -> str:
    """Return a sequence of batches in words, such as `definitions (reloaded) → the same again`."""
    return " → ".join(map(_chapter, batches)) or "nothing"


def _chapter(batch: Mapping[str, str]) -> str:
    if "*" in batch:
        return "the same again"
    words = []
    added = {topic for topic, text in batch.items() if " added" in text}
    updated = {topic for topic, text in batch.items() if " updated" in text}
    for kinds, name in ((_DEFINITIONS, "definitions"), (_OTHERS, "proxies")):
        if added & kinds:
            both = " and updated" if updated & added & kinds else ""
            words.append(f"{name} added{both}")
        elif updated & kinds:
            words.append(f"{name} updated")
    if any(" of " in text for text in batch.values()):
        words.append("some twice")
    if any(" pruned" in text for text in batch.values()):
        words.append("some pruned")
    flag = " (reloaded)" if any(text.startswith("reloaded") for text in batch.values()) else ""
    return (", ".join(words) or "the workflow") + flag


_HOLDS: Final = {
    "updates_held": "what is added holds {now} of what the same delta updates; it held {was}",
    "ids_twice": "a list of identifiers of what is added {now} one twice, because of an update in "
    "the same delta; it {was}",
    "added_twice": "an element that is updated {now} twice in `added`; it {was}",
    "updated_twice": "an element that is added {now} twice in `updated`; it {was}",
}


def _relations(
    phase: str, topic: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for name, sentence in _HOLDS.items():
        was, is_now = old.get(name), new.get(name)
        if was == is_now:
            continue
        words = {"was": was, "now": is_now}
        if name == "ids_twice":
            words = {
                "was": "did" if was else "did not",
                "now": "holds" if is_now else "never holds",
            }
        elif name != "updates_held":
            words = {"was": "was" if was else "was not", "now": "is" if is_now else "is never"}
        told = f"{{when}}, of {topic}, {sentence.format(**words)}."
        yield _published(
            f"added-{name.replace('_', '-')}",
            f"{phase}: {topic}",
            Level.RISKY,
            was,
            is_now,
            told,
            "WRI-DELTA-17",
            _BOTH,
        )


def package(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what is otherwise about the Python package: its client, exceptions, and Pythons."""
    yield from _exceptions(before["exceptions"], after["exceptions"])
    for peer in ("client", "subscriber"):
        yield from _needs(peer, before[f"{peer}_needs"], after[f"{peer}_needs"])
    facts = (
        ("requires_python", Level.RISKY, (NEW_CLIENTS, SERVERS), "The package needs Python"),
        ("zmq_context", Level.SAFE, (NEW_CLIENTS,), "When a client stops, its ZeroMQ context is"),
    )
    for name, level, sides, words in facts:
        was, is_now = before[name], after[name]
        if was != is_now:
            yield _api(name, name, level, sides, f"{words} {is_now}; it was {was}.", was, is_now)
    for name, who in (
        ("dead_scheduler", "A client"),
        ("dead_scheduler_in_a_job", "A client in a job"),
    ):
        was, is_now = (_dead(one[name]) for one in (before, after))
        if was != is_now:
            told = f"{who} of a scheduler that is dead: {is_now}. It was: {was}."
            yield _api(
                "dead-scheduler", name, Level.RISKY, (NEW_CLIENTS,), told, was, is_now, "WRI-CLI-17"
            )


def _dead(found: Mapping[str, str]) -> str:
    if "outcome" not in found:
        return f"cannot be tried ({found.get('failed')})"
    return f"{found['outcome']}, contact file {found['contact']}"


def _exceptions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted(before.keys() - after.keys()):
        yield _api(
            "exception-removed",
            name,
            Level.BREAKING,
            (OLD_CLIENTS,),
            f"The exception {name} was removed.",
            name,
            None,
        )
    for name in sorted(after.keys() - before.keys()):
        parents = ", ".join(after[name])
        yield _api(
            "exception-added",
            name,
            Level.RISKY,
            (NEW_CLIENTS,),
            f"There is a new exception {name} ({parents}).",
            None,
            parents,
        )
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            was, is_now = (", ".join(one[name]) for one in (before, after))
            yield _api(
                "exception-bases",
                name,
                Level.RISKY,
                (OLD_CLIENTS,),
                f"{name} is a {is_now}; it was a {was}.",
                was,
                is_now,
            )


def _needs(peer: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        was, is_now = before.get(key), after.get(key)
        if was == is_now:
            continue
        told = (
            f"A {peer} needs `{key}` in the contact file: without it, {is_now}."
            if was is None
            else f"A {peer} does without `{key}` in the contact file."
            if is_now is None
            else f"A {peer} without `{key}` in the contact file: {is_now}; it was {was}."
        )
        level = Level.SAFE if is_now is None else Level.RISKY
        yield _api(
            "contact-needed",
            f"{peer}: {key}",
            level,
            (NEW_CLIENTS,),
            told,
            was,
            is_now,
            "WRI-DSC-22",
        )


def _api(
    kind: str,
    place: str,
    level: Level,
    sides: tuple[str, ...],
    told: str,
    was: Any,
    now: Any,
    requirement: str = "",
) -> Change:
    return Change("Python API", kind, place, level, sides, told, was, now, requirement)
