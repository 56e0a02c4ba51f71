"""What changed on the wire between releases of cylc-flow, from profiles that were made of each.

`wri diff 8.4.0 --save tests/diffing/profiles/8.4.0.json.gz` makes one.
"""

import functools
import getpass
import itertools
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from wri_conformance.diffing import profile
from wri_conformance.diffing.changes import Change, Level
from wri_conformance.diffing.compare import compare, unseen
from wri_conformance.specification import load

DIRECTORY = Path(__file__).parent / "profiles"
RELEASES = sorted(path.name.removesuffix(".json.gz") for path in DIRECTORY.glob("*.json.gz"))

NEIGHBOURS = list(itertools.pairwise(RELEASES))


@functools.cache
def recorded(release: str) -> Any:
    return profile.read(DIRECTORY / f"{release}.json.gz")


@functools.cache
def changes(before: str, after: str) -> list[Change]:
    return compare(recorded(before), recorded(after))


# The releases before and after, then area, kind and a part of the place of a change.
TIME_LINE = [
    ("8.0.4", "8.1.4", "protobuf", "MESSAGE_ADDED", "PbRuntime"),
    ("8.0.4", "8.1.4", "protobuf", "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", "PbJob.env_script"),
    ("8.0.4", "8.1.4", "protobuf", "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", "PbJob.param_var"),
    ("8.0.4", "8.1.4", "GraphQL schema", "VALUE_REMOVED_FROM_ENUM", "LogLevels.FATAL"),
    ("8.0.4", "8.1.4", "GraphQL schema", "VALUE_ADDED_TO_ENUM", "LogLevels.NORMAL"),
    ("8.0.4", "8.1.4", "mutations", "mutation-answer", "message without eventTime"),
    ("8.1.4", "8.2.2", "protobuf", "FIELD_ADDED", "PbWorkflow.states_updated"),
    ("8.1.4", "8.2.2", "protobuf", "MESSAGE_NO_DELETE", "PbClockTrigger"),
    (
        *("8.1.4", "8.2.2", "protobuf", "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"),
        "PbTaskProxy.clock_trigger",
    ),
    ("8.1.4", "8.2.2", "publications", "states-updated", "hold"),
    ("8.2.2", "8.2.3", "protobuf", "FIELD_ADDED", "PbTaskProxy.graph_depth"),
    ("8.2.2", "8.2.3", "protobuf", "FIELD_ADDED", "PbFamilyProxy.graph_depth"),
    ("8.2.2", "8.2.3", "protobuf", "FIELD_ADDED", "PbWorkflow.n_edge_distance"),
    ("8.2.2", "8.2.3", "GraphQL schema", "ARG_ADDED", "Queries.taskProxies(graphDepth:)"),
    ("8.2.2", "8.2.3", "publications", "reloaded", "start"),
    ("8.2.2", "8.2.3", "publications", "sequence", "start"),
    ("8.2.2", "8.2.3", "publications", "sequence", "reload"),
    ("8.2.7", "8.3.6", "GraphQL schema", "FIELD_REMOVED", "Mutations.setOutputs"),
    ("8.2.7", "8.3.6", "GraphQL schema", "FIELD_ADDED", "Mutations.set"),
    ("8.2.7", "8.3.6", "GraphQL schema", "ARG_DEFAULT_VALUE_CHANGE", "Mutations.trigger(flow:)"),
    ("8.2.7", "8.3.6", "protobuf", "FIELD_NO_DELETE", "PbJob.extra_logs"),
    ("8.2.7", "8.3.6", "mutations", "mutation-text", "hold"),
    ("8.2.7", "8.3.6", "mutations", "mutation-answer", "hold of a bad identifier"),
    ("8.2.7", "8.3.6", "Python API", "dead-scheduler", "dead_scheduler_in_a_job"),
    ("8.3.6", "8.4.0", "GraphQL schema", "ARG_ADDED", "Mutations.remove(flow:)"),
    ("8.3.6", "8.4.0", "GraphQL schema", "ARG_ADDED", "Mutations.trigger(onResume:)"),
    ("8.3.6", "8.4.0", "protobuf", "FIELD_ADDED", "PbRuntime.run_mode"),
    ("8.4.0", "8.4.1", "envelope", "member-added", "api"),
    ("8.4.0", "8.4.1", "envelope", "member-removed", "exception in a method"),
    ("8.4.0", "8.4.1", "GraphQL answers", "error-place", "unknown field"),
    ("8.4.0", "8.4.1", "Python API", "exception-added", "RequestError"),
    ("8.4.4", "8.5.4", "GraphQL answers", "texts", "syntax error"),
    ("8.4.4", "8.5.4", "envelope", "argument-injected", "user"),
    ("8.4.4", "8.5.4", "robustness", "hidden-method", "configure_curve"),
    ("8.4.4", "8.5.4", "robustness", "dies", "body an array"),
    ("8.4.4", "8.5.4", "robustness", "dies", "args null with meta"),
    ("8.4.4", "8.5.4", "robustness", "dies", "method operate"),
    ("8.4.4", "8.5.4", "robustness", "dies", "result not JSON"),
    ("8.4.4", "8.5.4", "Python API", "contact-needed", "client: CYLC_VERSION"),
    ("8.4.4", "8.5.4", "protobuf", "FIELD_ADDED", "PbWorkflow.log_records"),
    ("8.4.4", "8.5.4", "protobuf", "FIELD_ADDED", "PbTaskProxy.is_retry"),
    ("8.4.4", "8.5.4", "protobuf", "FIELD_ADDED", "PbFamilyProxy.is_wallclock"),
    ("8.4.4", "8.5.4", "GraphQL schema", "ARG_ADDED", "Mutations.reload(reloadGlobal:)"),
    ("8.4.4", "8.5.4", "GraphQL schema", "ARG_DEFAULT_VALUE_CHANGE", "Mutations.remove(flow:)"),
    ("8.4.4", "8.5.4", "GraphQL answers", "outcome", "subscription"),
    ("8.4.4", "8.5.4", "mutations", "mutation-answer", "message without eventTime"),
    ("8.5.4", "8.6.0", "protobuf", "FIELD_ADDED", "PbJob.estimated_finish_time"),
    ("8.5.4", "8.6.0", "Python API", "requires_python", "requires_python"),
    ("8.6.0", "8.6.1", "publications", "added-ids-twice", "reload: task_proxies"),
    ("8.6.1", "8.6.2", "protobuf", "FIELD_ADDED", "PbWorkflow.contains_held"),
    ("8.6.1", "8.6.2", "protobuf", "FIELD_ADDED", "PbWorkflow.contains_retry"),
    ("8.6.5", "8.7.0", "protobuf", "FIELD_NO_DELETE", "PbTask.proxies"),
    ("8.6.5", "8.7.0", "protobuf", "FIELD_NO_DELETE", "PbFamily.proxies"),
    ("8.6.5", "8.7.0", "GraphQL schema", "FIELD_REMOVED", "Task.proxies"),
    ("8.6.5", "8.7.0", "GraphQL schema", "FIELD_REMOVED", "Family.proxies"),
    ("8.6.5", "8.7.0", "Python API", "zmq_context", "zmq_context"),
]


@pytest.mark.parametrize(("before", "after", "area", "kind", "place"), TIME_LINE)
def test_the_time_line(before: str, after: str, area: str, kind: str, place: str) -> None:
    found = [one for one in changes(before, after) if (one.area, one.kind) == (area, kind)]
    assert any(place in one.place.split(", ") for one in found), [one.place for one in found]


@pytest.mark.parametrize(("before", "after"), NEIGHBOURS)
def test_neighbours_are_compared_in_full(before: str, after: str) -> None:
    assert unseen(recorded(before), recorded(after)) == []
    known = load().requirements
    for one in changes(before, after):
        assert not one.requirement or one.requirement in known
        assert "{wh" not in one.sentence  # {where}, {when}


@pytest.mark.parametrize(("before", "after"), NEIGHBOURS)
def test_the_other_way_round_breaks_the_others(before: str, after: str) -> None:
    """What breaks clients of A with B breaks new clients with old servers the other way."""
    there = {one.place for one in changes(before, after) if one.kind == "FIELD_REMOVED"}
    back = {one.place for one in changes(after, before) if one.kind == "FIELD_ADDED"}
    assert there <= back


@pytest.mark.parametrize(("before", "after"), [("8.2.3", "8.2.7"), ("8.6.2", "8.6.5")])
def test_maintenance_releases_break_nothing(before: str, after: str) -> None:
    assert not [one for one in changes(before, after) if one.level is not Level.SAFE]


def test_what_is_published_since_8_6_1_holds_its_first_update_only() -> None:
    (change,) = [one for one in changes("8.6.0", "8.6.1") if one.area == "publications"]
    assert (change.before, change.after) == (True, False)


@pytest.mark.parametrize("release", RELEASES)
def test_a_profile_tells_nothing_of_who_made_it(release: str) -> None:
    document = {k: v for k, v in recorded(release).items() if k not in {"graphql", "protobuf"}}
    text = str(document)
    assert not re.search(r"/(home|root|tmp|Users)/", text)
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)
    for name in {getpass.getuser(), socket.gethostname()} - {"root", "localhost"}:
        assert not re.search(rf"\b{re.escape(name)}\b", text)
    assert (DIRECTORY / f"{release}.json.gz").stat().st_size < 100_000
