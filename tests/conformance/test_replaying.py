"""`wri replay`: recordings, what is in those that come with wri, and what is told of replays."""

import getpass
import gzip
import json
import re
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.conformance.conftest import Wri
from wri.data import root
from wri_conformance import deltas, streams
from wri_conformance import replay as suite
from wri_conformance.mistakes import Mistake
from wri_conformance.releases import KNOWN
from wri_conformance.replaying import display, recordings
from wri_conformance.replaying.neutral import Neutraliser, texts
from wri_conformance.replaying.outcome import Outcome, judge
from wri_conformance.replaying.recordings import Entry, Kind, Recording
from wri_proto.v1 import data_store_pb2 as pb

DRIVER = root() / "conformance" / "implementations" / "replay_store.py"
USER = "~user/streams"


def shipped(name: str) -> Recording:
    return recordings.read(recordings.find(name))


def messages(recording: Recording) -> list[Any]:
    found = []
    for entry in recording.entries:
        if entry.kind is Kind.SNAPSHOT:
            found.append(pb.PbEntireWorkflow.FromString(entry.payload))
        elif entry.topic in streams.DELTAS:
            found.append(streams.DELTAS[entry.topic].FromString(entry.payload))
    return found


def small(**more: Any) -> Recording:
    """A run of one workflow that was paused and is running."""
    before = pb.PbEntireWorkflow(
        workflow=pb.PbWorkflow(id="~u/w", status="paused", last_updated=1.0)
    )
    after = pb.PbEntireWorkflow(
        workflow=pb.PbWorkflow(id="~u/w", status="running", last_updated=2.0)
    )
    batch = pb.AllDeltas(
        workflow=pb.WDeltas(
            time=2.0, updated=pb.PbWorkflow(id="~u/w", status="running", last_updated=2.0)
        )
    )
    entries = (
        Entry(0.5, Kind.SNAPSHOT, payload=before.SerializeToString()),
        Entry(1.0, Kind.COMMAND, text="resume"),
        Entry(1.5, Kind.PUBLICATION, "all", batch.SerializeToString()),
        Entry(2.5, Kind.SNAPSHOT, payload=after.SerializeToString()),
        Entry(3.0, Kind.PUBLICATION, "shutdown", b"REQUEST(NOW)"),
    )
    found = Recording("small", "cylc-flow", "8.5.4", "~u/w", "2026-11-28", entries)
    return evolve(found, **more)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a recording; return its path."""

    def put(recording: Recording) -> str:
        path = tmp_path / f"{recording.name}{recordings.SUFFIX}"
        recordings.write(recording, path)
        return str(path)

    return put


# -- files ------------------------------------------------------------------------------------


def test_what_is_written_can_be_read(write: Callable[..., str]) -> None:
    path = write(small())
    assert recordings.read(Path(path)) == small()


def test_the_same_recording_gives_the_same_octets(tmp_path: Path) -> None:
    for name in ("one", "two"):
        recordings.write(small(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_snapshots_and_what_comes_between_them() -> None:
    recording = small()
    assert [entry.at for entry in recording.snapshots] == [0.5, 2.5]
    assert [entry.topic for entry in recording.publications] == ["all"]


HEAD = {
    "recording": 1,
    "implementation": "x",
    "version": "1",
    "workflow": "~u/w",
    "made": "2026-11-28",
}
SNAPSHOT = {"at": 1, "kind": "snapshot", "payload": ""}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "empty"),
        (["{"], "line 1 is no JSON"),
        ([{"recording": 2}], "line 1"),
        ([HEAD, {"at": 1, "kind": "snapshot", "payload": "abc"}], "line 2"),
        ([HEAD, {"at": 1, "kind": "snapshot", "payload": "0A"}], "line 2"),
        ([HEAD, SNAPSHOT, {"at": -1, "kind": "command", "text": "x"}], "line 3"),
        ([HEAD, {**SNAPSHOT, "topic": "all"}], "line 2"),
        ([HEAD, {"at": 1, "kind": "publication", "payload": ""}], "line 2"),
        ([HEAD, SNAPSHOT], "two snapshots"),
        ([HEAD, "[" * 100_000], "line 2 is no JSON"),
    ],
)
def test_what_is_no_recording_is_told_by_its_line(
    tmp_path: Path, lines: list[Any], why: str
) -> None:
    path = tmp_path / "x.jsonl.gz"
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(Mistake, match=why) as told:
        recordings.read(path)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"\xff"), gzip.compress(b"{}" * 99)[:-9], b""],
    ids=["no-gzip", "no-text", "cut", "empty"],
)
def test_what_is_no_gzip_of_text_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(Mistake, match=r"gzip of UTF-8|empty"):
        recordings.read(path)


def test_a_recording_is_read_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_LONGEST", 1000)
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 1001))
    with pytest.raises(Mistake, match="more than 1000 octets"):
        recordings.read(path)


# -- neutrality -------------------------------------------------------------------------------


def test_paths_processes_and_uuids_are_replaced() -> None:
    clean = Neutraliser({"/tmp/x": "/home/user"})
    uuid = "d0810256-f995-491f-959d-cb3e0dfbc4f2"

    def batch(pid: str) -> bytes:
        job = pb.PbJob(id="~u/w//1/a/01", stamp="~u/w//1/a/01@1", job_id=pid, messages=[uuid])
        log = pb.PbWorkflow(id="~u/w", workflow_log_dir="/tmp/x/log")
        message = pb.AllDeltas(
            jobs=pb.JDeltas(added=[job], checksum=7), workflow=pb.WDeltas(added=log)
        )
        return bytes(message.SerializeToString())

    found = pb.AllDeltas.FromString(clean.publication("all", batch("4711")))
    assert found.jobs.added[0].job_id == "1001"
    assert found.jobs.added[0].messages == ["00000000-0000-4000-8000-000000000001"]
    assert found.workflow.added.workflow_log_dir == "/home/user/log"
    assert (found.jobs.checksum, found.jobs.added[0].stamp) == (7, "~u/w//1/a/01@1")
    other = pb.AllDeltas.FromString(clean.publication("all", batch("4712")))
    again = pb.AllDeltas.FromString(clean.publication("all", batch("4711")))
    assert (other.jobs.added[0].job_id, again) == ("1002", found)


def test_texts_in_maps_are_replaced() -> None:
    clean = Neutraliser({"secret": "x"})
    proxy = pb.PbTaskProxy(id="~u/w//1/a", outputs={"o": pb.PbOutput(message="a secret")})
    payload = pb.PbEntireWorkflow(task_proxies=[proxy]).SerializeToString()
    found = pb.PbEntireWorkflow.FromString(clean.snapshot(payload))
    assert found.task_proxies[0].outputs["o"].message == "a x"


def test_identifiers_and_stamps_are_not_replaced_but_told() -> None:
    clean = Neutraliser({"root": "user"})
    payload = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id="~root/w")).SerializeToString()
    with pytest.raises(Mistake, match="~root/w"):
        clean.snapshot(payload)


def test_fields_that_nobody_knows_are_not_passed_on() -> None:
    inner = b"\xfa\x3f\x01x"  # field 1023, a text
    payload = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id="~u/w")).SerializeToString() + inner
    with pytest.raises(Mistake, match="does not have"):
        Neutraliser({}).snapshot(payload)


@pytest.mark.parametrize("name", KNOWN)
def test_nothing_of_a_machine_is_in_what_comes_with_wri(name: str) -> None:
    recording = shipped(name)
    said = [text for message in messages(recording) for text in texts(message)]
    said += [entry.payload.decode() for entry in recording.entries if entry.topic == "shutdown"]
    said += [entry.text for entry in recording.entries]
    assert len(said) > 1000
    for one in (str(Path.home()), socket.gethostname(), getpass.getuser(), "/tmp", "/root"):
        word = re.compile(rf"(?<![\w.-]){re.escape(one)}(?![\w.-])")
        if one not in {"root", "localhost", "user", "/"}:  # root is a family, too
            assert [text for text in said if word.search(text)] == []
    assert {text.partition("/")[0] for text in said if text.startswith("~")} == {"~user"}
    assert {text[:10] for text in said if text.startswith("/")} == {"/home/user"}
    uuids = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-(?!4000-8000)")
    assert [text for text in said if uuids.search(text)] == []
    pids = {job.job_id for m in messages(recording) for job in jobs(m) if job.job_id}
    assert pids == {str(1001 + n) for n in range(len(pids))}
    workflows = [m.workflow for m in messages(recording) if isinstance(m, pb.PbEntireWorkflow)]
    assert {(one.host, one.owner) for one in workflows} == {("localhost", "user")}


def jobs(message: Any) -> list[Any]:
    if isinstance(message, pb.PbEntireWorkflow):
        return list(message.jobs)
    part = message.jobs if isinstance(message, pb.AllDeltas) else message
    return [*part.added, *part.updated] if isinstance(part, pb.JDeltas) else []


# -- what the streams have in them ------------------------------------------------------------


def test_there_is_one_of_each_release() -> None:
    assert recordings.names() == list(KNOWN)
    assert [shipped(name).version for name in KNOWN] == list(KNOWN)
    assert max(recordings.find(name).stat().st_size for name in KNOWN) < 150_000


@pytest.mark.parametrize("name", KNOWN)
def test_a_stream_has_everything_in_it(name: str) -> None:
    recording = shipped(name)
    first, last = (pb.PbEntireWorkflow.FromString(entry.payload) for entry in recording.snapshots)
    assert first.workflow.status == "paused"
    assert first.workflow.cylc_version == name
    assert {one.name for one in last.families} == {"root", "OUTER", "INNER"}
    batches = [
        pb.AllDeltas.FromString(entry.payload)
        for entry in recording.publications
        if entry.topic == "all"
    ]
    states = {(job.id, job.state) for one in batches for job in jobs(one)}
    for job, state in (
        ("1/bad/01", "failed"),
        ("1/bad/02", "failed"),
        ("1/mend/01", "running"),
        ("3/b/01", "running"),
    ):
        assert (f"{USER}//{job}", state) in states
    proxies = [
        proxy for one in batches for proxy in (*one.task_proxies.added, *one.task_proxies.updated)
    ]
    assert {proxy.is_held for proxy in proxies if proxy.id == f"{USER}//1/end"} == {True, False}
    assert any(one.task_proxies.reloaded and one.workflow.reloaded for one in batches[4:])
    assert any(one.task_proxies.pruned for one in batches)
    assert any(one.jobs.pruned for one in batches)
    assert any("script" in one.workflow.updated.broadcasts for one in batches)
    assert recording.entries[-1].topic == "shutdown"
    assert recording.entries[-1].payload == b"REQUEST(NOW)"


@pytest.mark.parametrize("name", KNOWN)
def test_a_stream_is_as_the_specification_says(name: str) -> None:
    """WRI-PUB-4, 8 to 12 and WRI-DELTA-2, 3, 5 and 6; order and number of the frames."""
    published = [entry for entry in shipped(name).entries if entry.kind is Kind.PUBLICATION]
    stream = streams.Stream.received([(one.topic.encode(), one.payload) for one in published])
    found = streams.describe(stream)
    assert found["bursts_in_order"] is True
    assert found["undecodable"] == []
    assert found["all_differs"] == found["missing_from_all"] == found["missing_beside_all"] == []
    assert found["times"] == {"decreasing": 0, "differ_within_batch": 0}
    assert found["without_checksum"] == found["without_id"] == []
    assert found["after_shutdown"] == 0
    assert set(found["reloaded_topics"]) == set(deltas.MESSAGES)


@pytest.mark.parametrize("name", KNOWN)
def test_only_a_broadcast_changes_an_element_without_a_stamp(name: str) -> None:
    """WRI-DELTA-7, and the deviation from it that chapter 9 has a note on."""
    batches = [
        pb.AllDeltas.FromString(entry.payload)
        for entry in shipped(name).publications
        if entry.topic == "all"
    ]
    lacking = {
        (topic, one.id, tuple(field.name for field, _ in one.ListFields()))
        for batch in batches
        for topic, part in ((field.name, part) for field, part in batch.ListFields())
        for _, one in streams._to_be_stamped(topic, part)
        if not one.stamp
    }
    runtime = {("task_proxies", f"{USER}//1/a", ("id", "runtime"))}
    if name == "8.0.4":  # it has no `runtime`
        assert lacking == set()
    else:
        assert lacking >= runtime
        assert {(topic, names) for topic, _, names in lacking} == {
            ("task_proxies", ("id", "runtime"))
        }


@pytest.mark.parametrize("name", KNOWN)
def test_the_step_replay_of_the_suite(name: str) -> None:
    recording = shipped(name)
    published = [(entry.topic.encode(), entry.payload) for entry in recording.publications]
    batches = streams.Stream.received(published).batches
    first, last = (pb.PbEntireWorkflow.FromString(entry.payload) for entry in recording.snapshots)
    found = suite.replay(first, batches, last)
    assert found["differences"] == []
    assert found["checksums"]["wrong"] == []
    assert found["checksums"]["verified"] > 50


# -- what a replay came to --------------------------------------------------------------------


RESULT = {
    "deltas": 1,
    "skipped": 0,
    "checksums": {"right": 3, "wrong": []},
    "exceptions": [],
    "snapshot": small().snapshots[-1].payload.hex(),
}
"""What a driver prints whose store is equal to the last snapshot of the small recording."""


def outcome(**more: Any) -> Outcome:
    return judge(small(), "a store", {**RESULT, **more})


def test_equal() -> None:
    found = outcome()
    assert found.equal
    assert display.cell(found) == "✓ 3"


def test_differences_are_counted_by_kind() -> None:
    store = pb.PbEntireWorkflow(
        workflow=pb.PbWorkflow(id="~u/w", status="paused", last_updated=2.0),
        tasks=[pb.PbTask(id="~u/w//$namespace|a"), pb.PbTask(id="~u/w//$namespace|b")],
    )
    found = outcome(snapshot=store.SerializeToString().hex())
    assert not found.equal
    assert found.kinds == {"workflow status": 1, "tasks too many": 2}
    assert found.differences[0] == "workflow: status: 'paused' instead of 'running'"
    assert display.cell(found) == "✗ 3≠"


def test_exceptions_and_wrong_checksums_are_not_equal() -> None:
    raised = [{"where": f"jobs, batch {n}", "what": "ValueError in f: no"} for n in (1, 2)]
    found = outcome(exceptions=raised, checksums={"right": 1, "wrong": ["jobs, batch 1: …"]})
    assert not found.equal
    assert not outcome(exceptions=raised).equal
    assert not outcome(checksums={"right": 1, "wrong": ["jobs, batch 1: …"]}).equal
    assert display.cell(found) == "✗ 2! 1#"
    lines = "\n".join(display.lines([found, outcome()], width=100, colour=False))
    assert "2 × ValueError in f" in lines
    assert "1 of 2 checksums are wrong: jobs" in lines


def test_fields_that_the_store_does_not_know_are_not_compared_but_told() -> None:
    snapshot = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id="~u/w", last_updated=2.0))
    payload = snapshot.SerializeToString().hex()
    assert outcome(snapshot=payload).kinds == {"workflow status": 1}
    found = outcome(snapshot=payload, knows={"PbEntireWorkflow": [1], "PbWorkflow": [2, 13]})
    assert found.equal
    assert found.unknown == {"PbWorkflow.status": 1}


def test_what_lists_of_identifiers_may_have_is_counted() -> None:
    ids = ["~u/w//1/gone", "~u/w//1/gone"]
    workflow = pb.PbWorkflow(id="~u/w", status="running", last_updated=2.0, task_proxies=ids)
    found = outcome(snapshot=pb.PbEntireWorkflow(workflow=workflow).SerializeToString().hex())
    assert found.equal
    assert (found.repeated, found.dangling) == (1, 2)


# -- the command ------------------------------------------------------------------------------


def test_the_command_replays_into_both_stores_of_wri(wri: Wri) -> None:
    done = wri("replay", "8.0.4", "8.7.0", "--into", "reference", "--into", "suite")
    assert (done.status, done.err) == (0, "")
    head, *rows = done.out.splitlines()[:3]
    assert head.split() == ["stream", "reference", "suite"]
    assert [row.split()[0] for row in rows] == ["8.0.4", "8.7.0"]
    assert all(row.count("✓") == 2 for row in rows)
    assert "\x1b" not in done.out


def test_the_command_as_json(wri: Wri) -> None:
    done = wri("replay", "8.5.4", "--json")
    (found,) = json.loads(done.out)["replays"]
    assert (done.status, found["equal"], found["store"]) == (0, True, "reference")
    assert found["checksums"]["wrong"] == 0
    assert found["checksums"]["right"] > 50


def test_a_lost_batch_is_noticed(wri: Wri, write: Callable[..., str]) -> None:
    recording = shipped("8.5.4")
    batches = [entry for entry in recording.publications if entry.topic == "all"]
    changes = [pb.AllDeltas.FromString(entry.payload).task_proxies for entry in batches]
    last = max(n for n, delta in enumerate(changes) if delta.updated or delta.pruned)
    lost = max(n for n, delta in enumerate(changes[:last]) if delta.added)
    kept = tuple(entry for entry in recording.entries if entry is not batches[lost])
    done = wri("replay", write(evolve(recording, name="lossy", entries=kept)), "--json")
    (found,) = json.loads(done.out)["replays"]
    assert (done.status, found["equal"]) == (1, False)
    assert found["checksums"]["wrong"] > 0
    assert "task_proxies missing" in found["differences"]["kinds"]


def test_a_store_that_raises_is_told(wri: Wri, write: Callable[..., str]) -> None:
    program = wri.base / "broken.py"
    program.write_text(
        "import sys, runpy\n"
        f"sys.path.insert(0, {str(DRIVER.parent)!r})\n"
        "import replay_store\n"
        "class Broken(replay_store.SuiteStore):\n"
        "    def apply(self, topic, delta):\n"
        "        raise RuntimeError('no')\n"
        "replay_store.STORES['broken'] = Broken\n"
        "sys.argv[1:] = ['broken']\n"
        "replay_store.main()\n"
    )
    command = shlex.join([sys.executable, str(program)])
    done = wri("replay", write(small()), "--into", f"mine={command}")
    assert done.status == 1, done.err
    assert "1 × RuntimeError in apply" in done.out
    assert "✗ 1! 2≠" in done.out
    assert "0 of 1 replays" in done.out


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("print('{}')", "prints is no result"),
        ("print('x')", "prints is no result"),
        ("", "0 lines of results"),
        ("raise SystemExit('no store here')", "no store here"),
        (
            f"print({json.dumps({**RESULT, 'snapshot': 'ff'})!r})",
            "no PbEntireWorkflow",
        ),
    ],
)
def test_a_driver_that_does_not_work_is_a_mistake(
    wri: Wri, write: Callable[..., str], script: str, why: str
) -> None:
    command = shlex.join([sys.executable, "-c", script])
    done = wri("replay", write(small()), "--into", f"mine={command}")
    assert done.status == 4
    assert why in done.err
    assert "fix:" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["9.9.9"], "there is no recording 9.9.9"),
        (["8.5.4", "--into", "nothing"], "neither a release nor a directory"),
        (["8.5.4", "--into", "mine="], "names no program"),
        (["8.5.4", "--into", "mine='"], "is no command"),
        (["8.5.4", "--into", "mine=/no/such/program"], "names no program"),
        ([str(DRIVER)], "gzip"),
    ],
)
def test_bad_usage(wri: Wri, arguments: list[str], why: str) -> None:
    done = wri("replay", *arguments)
    assert (done.status, done.out) == (4, "")
    assert why in done.err
    assert "Traceback" not in done.err


@pytest.mark.cylc
def test_every_stream_in_the_store_of_cylc(wri: Wri, cylc_bin: Path) -> None:
    """With what 8.5.4 has for receivers; other releases are not needed for the tests."""
    command = shlex.join([str(cylc_bin.parent / "python"), str(DRIVER), "cylc"])
    done = wri("replay", "--into", f"8.5.4={command}", "--json")
    assert done.status == 0, done.out
    found = json.loads(done.out)["replays"]
    assert [one["stream"] for one in found] == list(KNOWN)
    assert {one["checksums"]["wrong"] for one in found} == {0}
