"""`wri fuzz` as a black box: what it finds, says, and leaves behind."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conformance.conftest import Done, Wri
from wri_conformance import commands

MUTANTS = Path(__file__).parents[2] / "conformance" / "mutants" / "serve.py"
CLAIMS = ["core", "legacy-ping", "data", "graphql", "control"]


def mutant(wri: Wri, fault: str) -> str:
    command = ["{python}", str(MUTANTS), "--fault", fault, "--pause", "{workflow}"]
    return wri.manifest(command, server={"capabilities": CLAIMS, "ready": 20})


def fuzz(wri: Wri, *args: str) -> Done:
    done = wri("fuzz", *args, "--results", "results")
    assert "Traceback" not in done.out + done.err
    assert wri.leftovers() == []
    return done


def found(wri: Wri) -> dict[str, dict[str, str]]:
    """Return the failures by the names of their scenarios."""
    text = (wri.base / "results" / "fuzz" / "fuzz.json").read_text(encoding="utf-8")
    return {one["scenario"].removesuffix(".yaml"): one for one in json.loads(text)["failures"]}


FIRST = ("--time", "60", "-x", "--seed", "1", "--servers", "1", "--patience", "0.2")


def test_a_deadly_message_is_found_and_made_simple(wri: Wri) -> None:
    path = mutant(wri, "dies-of-command-type")
    done = fuzz(wri, path, *FIRST)
    assert done.status == 1, done.out + done.err
    assert list(found(wri)) == ["dead-command-wrong-type"]
    assert 'sent      {"command":0,"args":{}}\n' in done.out
    assert "A server MUST go on serving after any message" in done.out
    assert "1 distinct failure" in done.out
    assert f"play them:  wri test {path} --scenarios results/fuzz" in done.out
    # The scenario fails here, and passes where the fault is not.
    options = ("--scenarios", "results/fuzz", "--patience", "0.2")
    failed = wri.test(path, *options)
    assert failed.status == 1
    assert "FAIL  dead-command-wrong-type::serves-on::WRI-LIM-1" in failed.out
    assert "/results/fuzz --select 'dead-command-wrong-type'" in failed.out
    fine = wri.test("reference", *options)
    assert fine.status == 0, fine.out
    assert "conforms to" not in fine.out, "scenarios of others decide about no capability"


@pytest.mark.parametrize(
    ("fault", "failure", "told"),
    [
        ("needs-no-delimiter", "more-envelope-no-delimiter", "one more reply than requests"),
        (
            "reverses-the-envelope",
            "envelope-envelope-frames-before-the-delimiter",
            "the envelope of a reply is not its request's",
        ),
    ],
)
def test_a_wrong_answer_is_found(wri: Wri, fault: str, failure: str, told: str) -> None:
    done = fuzz(wri, mutant(wri, fault), *FIRST)
    assert done.status == 1, done.out + done.err
    assert list(found(wri)) == [failure]
    assert told in done.out


def test_nothing_is_wrong_with_the_reference(wri: Wri) -> None:
    done = fuzz(wri, "reference", "--time", "3", "--seed", "1", "--servers", "2")
    assert done.status == 0, done.out + done.err
    assert "no failure was found" in done.out
    assert ", seed 1: " in done.out
    assert found(wri) == {}


def test_an_interrupt_ends_it_with_the_summary(wri: Wri) -> None:
    process = wri.popen("fuzz", "reference", "--time", "100", "--seed", "1")
    deadline = time.monotonic() + 60
    while not list((wri.base / "tmp").glob("wri-*/*/cylc-run/main")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2, out + err
    assert "interrupted" in out
    assert "messages (" in out
    assert "Traceback" not in out + err
    assert wri.leftovers() == []


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["reference", "--time", "0"], "the time must be a number of seconds greater than 0"),
        (["reference", "--time", "nan"], "the time must be a number of seconds greater than 0"),
        (["reference", "--servers", "0"], "at least one server has to be fuzzed"),
        (["reference", "--patience", "-1"], "the patience must be a number greater than 0"),
        (["cylc-client"], "the manifest describes no server"),
        (["no-such"], "there is no manifest 'no-such'"),
        (["reference", "--results", "file/in"], "no results can be written to file/in/fuzz"),
    ],
)
def test_mistakes(
    args: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert commands.fuzz(args) == 4
    error = capsys.readouterr().err
    assert error.startswith("wri fuzz: ")
    assert told in error
    assert "fix: " in error


def test_a_server_that_never_starts(wri: Wri) -> None:
    done = fuzz(wri, wri.manifest([sys.executable, "-c", "raise SystemExit(3)"]))
    assert done.status == 1
    assert "ended with status 3 before its contact file was there" in done.err


def test_a_directory_without_scenarios_is_a_mistake(wri: Wri) -> None:
    (wri.base / "empty").mkdir()
    for name, told in (("empty", "there are no scenarios in"), ("none", "there is no directory")):
        done = wri("test", "reference", "--scenarios", name, "--results", "results")
        assert done.status == 4
        assert told in done.err
