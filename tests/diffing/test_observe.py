"""Real implementations are observed, twice: nothing may differ but what does."""

from pathlib import Path
from typing import Any

import pytest

from wri_conformance import schemas
from wri_conformance.diffing import observe, profile, target
from wri_conformance.diffing.changes import Level
from wri_conformance.diffing.compare import compare, unseen


def observed(name: str) -> Any:
    return observe.observe(target.find(name, print), lambda _: None)


def test_the_reference_does_not_differ_from_itself() -> None:
    first, second = observed("reference"), observed("reference")
    assert schemas.problems("profile.json", first) == []
    assert compare(first, second) == []
    assert set(unseen(first, second)) <= {"protobuf", "package", "publications at start"}
    assert all(one["serves"] for one in first["hostile"].values())
    assert first["publications"]["run"] is not None
    assert first["publications"]["stop"] == {"shutdown": ["REQUEST(NOW)"]}
    assert first["left"] == []


@pytest.mark.cylc
@pytest.mark.usefixtures("cylc_bin")
def test_cylc_is_observed_as_it_was_recorded() -> None:
    recorded = profile.read(Path(__file__).parent / "profiles" / "8.5.4.json.gz")
    now = observed("8.5.4")
    assert schemas.problems("profile.json", now) == []
    # Libraries that are not pinned may say some errors in other words.
    assert [one for one in compare(recorded, now) if one.level is not Level.SAFE] == []
    assert unseen(recorded, now) == []
