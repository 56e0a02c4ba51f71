"""Observes one implementation: everything that is looked at, in one profile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from wri_conformance.diffing import hostile, inside, probes
from wri_conformance.diffing.neutral import Neutral
from wri_conformance.diffing.questions import Questions
from wri_conformance.diffing.target import Target
from wri_conformance.diffing.watching import Life
from wri_conformance.mistakes import Mistake
from wri_conformance.peers import Missing
from wri_conformance.runs import StartError, Workshop

FORMAT: Final = 1
"""The number of the form that profiles have; changes with what is observed and how."""

_SERVERS: Final = 4  # that are sent what may kill them, at once


def observe(target: Target, say: Callable[[str], None], scale: float = 1.0) -> dict[str, Any]:
    """Return the profile of an implementation, valid against `profile.json`.

    `say` is told how far it is. `scale` multiplies every wait.

    Raises:
        Mistake: it cannot be started, or does not serve anybody.
    """
    workshop = Workshop(scale=scale)
    life, questions = Life(target, workshop, say), Questions(target, workshop, say)
    try:
        with ThreadPoolExecutor(3) as pool:
            looked = pool.submit(inside.look, target, workshop)
            asked = pool.submit(questions.observe)
            attacked = pool.submit(
                hostile.outcomes, target, workshop, probes.HOSTILE, _SERVERS, say
            )
            profile = {"format": FORMAT, "name": target.name, **life.observe(), **asked.result()}
            within, why = looked.result()
            profile["hostile"] = attacked.result()
    except (StartError, Missing) as error:
        raise Mistake(
            f"{target.name} cannot be observed: {error}",
            "see what it printed, or give it more time with --patience",
            target.manifest.path,
        ) from None
    finally:
        workshop.close()
    neutral = Neutral.of_package(profile["version"])
    profile["protobuf"] = None if within is None else within.pop("protobuf")
    profile["package"] = None if within is None else neutral(within)
    notes = [f"package, protobuf: {why}"] if why else []
    return {**profile, "notes": [*life.notes, *questions.notes, *notes]}
