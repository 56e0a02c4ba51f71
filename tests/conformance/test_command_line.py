"""`wri test` as a black box: status, messages, files, and nothing left behind."""

import signal
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.conftest import Done, Wri
from wri_conformance import schemas

INTERRUPTED = 2


def assert_valid(done: Done) -> None:
    problems = list(schemas.named("results.json").iter_errors(done.document()))
    assert not problems, schemas.explain(problems)


# -- a good server

ALL = [
    *("core", "legacy-ping", "data", "graphql", "control"),
    *("publish", "deltas"),
    *("request", "protobuf", "async"),
    *("subscribe", "store"),
]
"""The capabilities of the reference, in the order in which results name them."""


def test_the_reference_conforms(wri: Wri) -> None:
    done = wri.test("reference", "-n", "3", timeout=900)
    assert done.status == 0, done.out
    assert_valid(done)
    document = done.document()
    counts = document["summary"]["counts"]
    assert counts["pass"] > 90
    assert counts["not-applicable"] == 4, "cases of names that are endpoints"
    assert counts["pass"] + 4 == sum(counts.values())
    assert document["summary"]["complete"]
    assert document["summary"]["conforms_to"] == ALL
    assert f"conforms to: {', '.join(ALL)}" in done.out
    assert f"**Conforms to:** {', '.join(ALL)}" in (done.results / "summary.md").read_text(
        encoding="utf-8"
    )


def test_a_selection_never_earns_the_word(wri: Wri) -> None:
    done = wri.test("reference", "--select", "server/api")
    assert done.status == 0
    assert "conforms to" not in done.out
    assert "checks of a selection" in done.out
    assert not done.document()["summary"]["complete"]


@pytest.mark.parametrize("pattern", ["WRI-API-3", "server/api/list", "*::list::WRI-API-3"])
def test_a_selection_by_requirement_scenario_or_check(wri: Wri, pattern: str) -> None:
    done = wri.test("reference", "--select", pattern)
    assert [case["id"] for case in done.document()["scenarios"]] == ["server/api/list"]


def test_what_is_not_claimed_is_not_applicable(wri: Wri) -> None:
    command = [sys.executable, "-m", "wri", "serve", "{workflow}"]
    done = wri.test(wri.manifest(command), "--select", "server/ping", "--select", "publisher")
    assert done.status == 5
    assert "legacy-ping is not claimed" in done.out
    assert "nothing was tried" in done.out


# -- servers that are no use


def test_a_server_that_does_not_exist(wri: Wri) -> None:
    done = wri.test(wri.manifest(["no-such-program"]))
    assert done.status == 4
    assert "there is no program 'no-such-program'" in done.err
    assert "fix:" in done.err


def test_a_server_that_hangs_from_the_start(wri: Wri) -> None:
    done = wri.test(wri.manifest([sys.executable, "-c", "import time; time.sleep(1000)"]))
    assert done.status == 1
    assert "wrote no contact file in 2 s" in done.out
    assert done.document()["summary"]["counts"]["pass"] == 0
    assert done.document()["summary"]["counts"]["fail"] > 90
    assert_valid(done)


@pytest.mark.parametrize("status", [0, 3])
def test_a_server_that_exits_at_once(wri: Wri, status: int) -> None:
    program = f"print('something is missing'); raise SystemExit({status})"
    done = wri.test(wri.manifest([sys.executable, "-c", program]), "-n", "2")
    assert done.status == 1
    assert f"ended with status {status}" in done.out
    assert "something is missing" in done.out
    assert done.document()["summary"]["counts"]["pass"] == 0


def test_a_server_that_answers_null(wri: Wri) -> None:
    command = wri.answering("""b'{"data": null, "cylc_version": "8.5.4"}'""")
    done = wri.test(wri.manifest(command), "-n", "2", "--patience", "0.3")
    assert done.status == 1
    assert_valid(done)
    verdicts = {
        result["id"]: result["verdict"]
        for case in done.document()["scenarios"]
        for result in case["results"]
    }
    assert verdicts["server/api/list::list::WRI-API-1"] == "fail"
    assert verdicts["server/errors/unknown-endpoint::refused::WRI-ERR-2"] == "fail"
    alive = [verdict for name, verdict in verdicts.items() if name.endswith("WRI-LIM-1")]
    assert set(alive) == {"fail", "not-applicable"}, "null is no sign of life"


def test_a_server_that_never_answers(wri: Wri) -> None:
    program = wri.base / "silent.py"
    program.write_text(
        "import sys, time\n"
        "from wri_reference import WorkflowRuntimeServer\n"
        "class Server(WorkflowRuntimeServer):\n"
        "    def operate(self):\n"
        "        time.sleep(1000)\n"
        "Server(sys.argv[1]).start()\n",
        encoding="utf-8",
    )
    start = [sys.executable, str(program), "{workflow}"]
    done = wri.test(wri.manifest(start), "--patience", "0.3")
    assert done.status == 1
    assert "never answered" in done.out
    assert done.document()["summary"]["counts"]["pass"] == 0


# -- failures


def test_a_failure_shows_what_a_maintainer_needs(wri: Wri) -> None:
    command = wri.answering("""b'{"data": 7, "cylc_version": "8.5.4"}'""")
    done = wri.test(wri.manifest(command), "--select", "server/api/list")
    assert done.status == 1
    for part in (
        "FAIL  server/api/list::list::WRI-API-1",
        "MUST be an array of the names of all endpoints",
        "spec/07-endpoints.md:",
        'sent      {"command": "api", "args": {}}',
        "expected  {",
        'actual    {"data": 7',
        "wire trace",
        "→",
        "←",
        "--select 'server/api/list'",
    ):
        assert part in done.out, part
    (case,) = done.document()["scenarios"]
    assert any(event["direction"] == "←" for event in case["trace"])


def test_the_junit_file_is_filled(wri: Wri) -> None:
    command = wri.answering("""b'{"data": 7, "cylc_version": "8.5.4"}'""")
    done = wri.test(wri.manifest(command), "--select", "server/api/list")
    suite = ET.parse(done.results / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    (case,) = suite.findall("testcase")
    failure = case.find("failure")
    assert failure is not None
    assert "WRI-API-1" in (failure.text or "")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["server/api/list::list::WRI-API-1"] == "fail"


def test_a_broken_should_is_a_warning(wri: Wri) -> None:
    command = wri.answering("""b'{"data": ["b", "api"], "cylc_version": "8.5.4"}'""")
    manifest = wri.manifest(command)
    assert wri.test(manifest, "--select", "WRI-API-3").status == 0
    done = wri.test(manifest, "--select", "WRI-API-3", "--strict")
    assert done.status == 1
    assert "WARN  server/api/list::list::WRI-API-3" in done.out


# -- more rounds than one


FICKLE = """(
    b'{"data": ["api", "b"], "cylc_version": "8.5.4"}'
    if self.__dict__.setdefault("turns", []).append(0) or len(self.turns) % 2
    else b'{"data": 7, "cylc_version": "8.5.4"}'
)"""


def test_what_comes_out_now_so_now_so_has_failed_and_a_rate_is_told(wri: Wri) -> None:
    manifest = wri.manifest(wri.answering(FICKLE))
    done = wri.test(manifest, "--select", "server/api/list", "--repeat", "4")
    assert done.status == 1
    assert_valid(done)
    (scenario,) = done.document()["scenarios"]
    rounds = {result["id"]: result.get("rounds") for result in scenario["results"]}
    counts = rounds["server/api/list::list::WRI-API-1"]
    assert set(counts) == {"pass", "fail"}
    assert sum(counts.values()) == 4
    assert "4 rounds" in done.out
    assert f"{25 * counts['pass']}.0 % pass  server/api/list::list::WRI-API-1" in done.out


def test_what_is_the_same_in_all_rounds_is_told_to_be(wri: Wri) -> None:
    done = wri.test("reference", "--select", "server/api/list", "--repeat", "3", "-n", "2")
    assert done.status == 0
    assert "came to the same verdict every time" in done.out
    (scenario,) = done.document()["scenarios"]
    assert {tuple(r["rounds"].items()) for r in scenario["results"]} == {(("pass", 3),)}


# -- known failures


KNOWN = {"reason": "it always says seven"}


def test_known_failures_do_not_fail_the_run(wri: Wri) -> None:
    command = wri.answering("""b'{"data": 7, "cylc_version": "8.5.4"}'""")
    entries = [
        {"match": f"server/api/list::list::WRI-{name}", **KNOWN}
        for name in ("API-1", "API-2", "API-3", "ROLE-2")
    ]
    manifest = wri.manifest(command, known_failures=entries)
    done = wri.test(manifest, "--select", "server/api/list")
    assert done.status == 0, done.out
    assert "it always says seven" in done.out
    done = wri.test(manifest, "--select", "server/api/list", "--runxfail")
    assert done.status == 1, "--runxfail shows them in full"


def test_a_known_failure_that_passes_fails_the_run(wri: Wri) -> None:
    command = [sys.executable, "-m", "wri", "serve", "{workflow}"]
    entry = {"match": "server/api/list::list::WRI-API-1", **KNOWN}
    manifest = wri.manifest(command, known_failures=[entry])
    done = wri.test(manifest, "--select", "server/api/list")
    assert done.status == 1
    assert "passes although" in done.out
    assert wri.test(manifest, "--select", "server/api/describe").status == 0


def test_a_known_failure_that_matches_nothing_fails_the_run(wri: Wri) -> None:
    command = [sys.executable, "-m", "wri", "serve", "{workflow}"]
    entry = {"match": "server/gone::list::WRI-API-1", **KNOWN}
    manifest = wri.manifest(command, known_failures=[entry])
    done = wri.test(manifest, "--select", "server/api/describe")
    assert done.status == 1
    assert "matches no check" in done.out


# -- usage


@pytest.mark.parametrize(
    "args",
    [["test"], ["test", "gone.yaml"], ["show", "gone"], ["explain", "WRI-GONE-1"], ["gone"]],
)
def test_bad_usage_is_status_4(wri: Wri, args: list[str]) -> None:
    done = wri(*args)
    assert done.status == 4
    assert done.err
    assert "Traceback" not in done.err


def test_a_bad_manifest_is_status_4_and_names_the_line(wri: Wri) -> None:
    path = Path(wri.manifest(["x"]))
    path.write_text("name: x\nversion: '1'\nrolls: {}\n", encoding="utf-8")
    done = wri.test(str(path))
    assert done.status == 4
    assert "manifest.yaml:3: unknown key 'rolls'" in done.err
    assert "fix:" in done.err


def test_nothing_selected_is_status_5(wri: Wri) -> None:
    assert wri.test("reference", "--select", "server/gone").status == 5


def test_pytest_options_work(wri: Wri) -> None:
    done = wri.test("reference", "-k", "describe and unknown", "-v")
    assert done.status == 0
    assert {case["id"].rpartition("/")[0] for case in done.document()["scenarios"]} == {
        "server/api/describe-unknown"
    }
    command = wri.answering("b'7'")
    done = wri.test(wri.manifest(command), "-x", "--select", "server/api", "--patience", "0.2")
    assert done.status == 1
    failed = [
        any(result["verdict"] == "fail" for result in case["results"])
        for case in done.document()["scenarios"]
    ]
    assert failed.count(True) == 1
    assert failed[-1], "-x stops at the first failure"
    done = wri.test(str(wri.base / "manifest.yaml"), "-x", "-n", "2", "--select", "server/api")
    assert done.status == 1, "stopping early is no interruption by the user"


def test_list_is_complete_and_fast(wri: Wri) -> None:
    began = time.monotonic()
    done = wri("list", "--checks")
    assert done.status == 0
    assert len(done.out.splitlines()) >= 90
    assert len(set(done.out.splitlines())) == len(done.out.splitlines())
    assert time.monotonic() - began < 20, "it takes half a second on a quiet machine"


def test_show_and_explain(wri: Wri) -> None:
    shown = wri("show", "server/errors/unknown-endpoint")
    assert shown.status == 0
    assert "no_such_endpoint" in shown.out
    assert "WRI-ERR-2: A server MUST answer" in shown.out
    explained = wri("explain", "err-2")
    assert explained.status == 0
    assert "server/errors/unknown-endpoint::refused::WRI-ERR-2" in explained.out
    assert "not checked: unobserved: a client that is told" in wri("explain", "WRI-VER-1").out


def test_results_that_cannot_be_written_are_bad_usage(wri: Wri) -> None:
    (wri.base / "file").write_text("")
    done = wri("test", "reference", "--results", "file")
    assert done.status == 4
    assert "no results can be written to file" in done.err


def test_an_unknown_placeholder_is_told(wri: Wri) -> None:
    done = wri.test(wri.manifest(["serve", "{workflw}"]))
    assert done.status == 4
    assert "nothing stands for {workflw}" in done.err
    assert "{workflow}" in done.err


def test_a_run_of_nothing_leaves_an_earlier_result_alone(wri: Wri) -> None:
    wri.test("reference", "--select", "server/api/list")
    assert wri.test("reference", "--select", "server/gone").status == 5
    assert len(Done(0, "", "", wri.base / "results").document()["scenarios"]) == 1


# -- what must not be lost


def test_a_server_that_ends_shows_its_last_words(wri: Wri) -> None:
    command = wri.answering("""sys.exit('a screw is loose') or b''""")
    done = wri.test(wri.manifest(command), "--select", "server/api/list", "--patience", "0.5")
    assert done.status == 1
    assert "a screw is loose" in done.out


def test_the_words_of_a_server_may_be_no_text(wri: Wri) -> None:
    answer = """b'{"data": "' + chr(92).encode() + b'ud800", "cylc_version": "8.5.4"}'"""
    done = wri.test(wri.manifest(wri.answering(answer)), "--select", "server/api", "-n", "2")
    assert done.status == 1
    assert done.document()["summary"]["counts"]["error"] == 0


def test_a_lost_worker_is_no_success(wri: Wri) -> None:
    program = (
        "import os, signal, sys\n"
        "from wri_reference import WorkflowRuntimeServer\n"
        "if sys.argv[1] == 'main':\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "server = WorkflowRuntimeServer(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, lambda *_: server.stop('x'))\n"
        "server.start()\n"
    )
    start = [sys.executable, "-c", program, "{workflow}"]
    done = wri(
        "test",
        wri.manifest(start),
        "-n",
        "1",
        "--select",
        "server/api/list",
        "--results",
        "results",
        "--max-worker-restart",
        "0",
    )
    assert done.status == 3, done.out
    assert done.document()["summary"]["exit"] == 3
    assert done.document()["summary"]["counts"]["error"] > 0


# -- interruption


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    wri: Wri,
    interrupted: Callable[[signal.Signals, str], Done],
    number: signal.Signals,
    workers: str,
) -> None:
    done = interrupted(number, workers)
    assert done.status == INTERRUPTED, done.out + done.err
    assert "no verdict" in done.out
    assert wri.leftovers() == []


def test_a_killed_run_leaves_nothing_for_long(
    wri: Wri, interrupted: Callable[[signal.Signals, str], Done]
) -> None:
    assert interrupted(signal.SIGKILL, "0").status == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while wri.leftovers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert wri.leftovers() == []
