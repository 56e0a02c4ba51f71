"""`wri interop` as a user meets it."""

import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conformance.conftest import Wri
from wri_conformance import schemas

SOME = ("--operations", "api/api", "--operations", "graphql/mutation/hold")


def matrix(base: Path) -> Any:
    path = base / "wri-results" / "interop" / "interop.json"
    return json.loads(path.read_text(encoding="utf-8"))


def verdicts(document: Any) -> dict[tuple[str, str, str], str]:
    return {(c["client"], c["server"], c["operation"]): c["verdict"] for c in document["cells"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing",), "neither a release nor a directory"),
        (("9.9.9.yaml",), "no manifest"),
        (("reference", "--operations", "nothing"), "no operation matches"),
        (("reference", "-n", "0"), "give a number from 1"),
        (("reference", "-n", "x"), "invalid int"),
        (("reference", "--patience", "-1"), "give a number above 0"),
        (("reference", "--nonsense"), "nonsense"),
        (("reference", *SOME, "--results", "file"), "no results can be written"),
    ],
)
def test_bad_usage(wri: Wri, arguments: tuple[str, ...], says: str) -> None:
    (wri.base / "file").write_text("in the way")
    done = wri("interop", *arguments)
    assert done.status == 4
    assert says in done.err
    assert "Traceback" not in done.err


def test_list_shows_the_operations_and_does_nothing(wri: Wri) -> None:
    done = wri("interop", "--list", "--operations", "cli/hold")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()] == [
        "cli/hold/task",
        "cli/hold/glob",
        "cli/hold/after",
    ]
    assert not (wri.base / "wri-results").exists()


def test_a_pair_and_then_only_what_is_missing(wri: Wri) -> None:
    done = wri("interop", "reference", *SOME)
    assert done.status == 0, done.err
    document = matrix(wri.base)
    assert schemas.explain(schemas.named("interop.json").iter_errors(document)) == ""
    assert set(verdicts(document).values()) == {"ok"}
    assert "reference" in done.out
    hold = next(c for c in document["cells"] if c["operation"] == "graphql/mutation/hold")
    assert any("held: false -> true" in change for change in hold["changes"])
    assert [event["direction"] for event in hold["trace"]][:2] == ["→", "←"]
    assert "mutation" in hold["trace"][0]["frames"][1]

    place = wri.base / "wri-results" / "interop" / "cells" / "reference--reference.json"
    before = json.loads(place.read_text())
    kept = [cell for cell in before["cells"] if cell["operation"] != "api/api"]
    for cell in kept:
        cell["reason"] = "it was kept"
    place.write_text(json.dumps({**before, "cells": kept}))
    done = wri("interop", "reference", *SOME, "--resume")
    assert done.status == 0, done.err
    reasons = {c["operation"]: c["reason"] for c in matrix(wri.base)["cells"]}
    assert reasons["graphql/mutation/hold"] == "it was kept"
    assert "what the scheduler has" in reasons["api/api"]

    done = wri("interop", "reference", *SOME, "--resume")
    assert "1 of 1 pairs are there from before" in done.err
    place.write_text(json.dumps({**before, "server": {**before["server"], "version": "0"}}))
    done = wri("interop", "reference", *SOME, "--resume")
    assert "from before" not in done.err  # it was another version


def test_an_interrupted_run_says_how_to_go_on_and_leaves_nothing(wri: Wri) -> None:
    process = wri.popen("interop", "reference")
    cells = wri.base / "wri-results" / "interop" / "cells"
    deadline = time.monotonic() + 60
    family: list[psutil.Process] = []
    while not any("serve" in one.cmdline() for one in family if one.is_running()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--resume" in err
    assert not list(cells.glob("*.part"))
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


@pytest.mark.cylc
def test_a_release_and_the_reference_both_ways(wri: Wri, cylc_bin: Path) -> None:
    chosen = ("cli/hold/task", "cli/stop", "cli/dump/tasks", "graphql/mutation/hold", "stream/")
    done = wri(
        "interop",
        "8.5.4",
        "reference",
        *(part for one in chosen for part in ("--operations", one)),
        timeout=600,
    )
    assert wri.leftovers() == []
    assert done.status == 0, done.err
    document = matrix(wri.base)
    assert schemas.explain(schemas.named("interop.json").iter_errors(document)) == ""
    found = verdicts(document)
    for server in ("8.5.4", "reference"):
        for operation in ("cli/hold/task", "cli/stop/now", "cli/dump/tasks", "stream/subscription"):
            assert found["8.5.4", server, operation] == "ok", (server, operation)
        assert found["reference", server, "cli/hold/task"] == "not-applicable"
        assert found["reference", server, "graphql/mutation/hold"] == "ok"
    assert Counter(found.values()).keys() == {"ok", "not-applicable"}
    assert str(Path.home()) not in json.dumps(document)
