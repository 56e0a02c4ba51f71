"""Replay: what a real scheduler published makes our store equal to its own."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.json_format import MessageToDict

from tests.reference.conftest import WAIT, WORKFLOW, Home
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import ClientError, WorkflowRuntimeClient, WorkflowStopped, WorkflowSubscriber
from wri_reference._follow import ALL, SHUTDOWN, Follower, decode
from wri_reference._store import TOPICS, DataStore
from wri_reference.subscriber import Publication

pytestmark = pytest.mark.cylc

# Four cycle points of 14 tasks. Those that skip save half a minute and change the store all the
# same; the others have jobs that run, send messages, and fail.
FLOW: Final = """
[scheduler]
    UTC mode = True
[scheduling]
    cycling mode = integer
    initial cycle point = 1
    final cycle point = 4
    runahead limit = P3
    [[graph]]
        P1 = '''
            start => A:succeed-all => middle => B:finish-all => end
            start => bad? => never
            bad:fail? => mend => end
            end[-P1] => end
        '''
[runtime]
    [[root]]
        run mode = skip
        script = true
    [[A, B]]
    [[SUB]]
        inherit = A
    [[a1, a2]]
        inherit = A
    [[a3, a4]]
        inherit = SUB
    [[b1, b2, b3, b4]]
        inherit = B
    [[mend, never, end]]
    [[start, middle]]
        run mode = live
    [[bad]]
        run mode = live
        script = false
"""

RELATIONS: Final = {
    "childFamilies",
    "childTasks",
    "edges",
    "familyProxies",
    "jobs",
    "proxies",
    "taskProxies",
}


@dataclass
class Recording:
    """What one run published, and snapshots of it: the last one was taken in silence."""

    stream: list[Publication] = field(default_factory=list)
    snapshots: dict[str, bytes] = field(default_factory=dict)
    silent_at: int = 0
    finished: bool = False


class Run:
    """A scheduler under way, watched from its first publication on."""

    def __init__(self, cylc: Path, recording: Recording) -> None:
        self.recording = recording
        self.scheduler = subprocess.Popen(
            [str(cylc), "play", "--no-detach", "--pause", WORKFLOW],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.subscriber = self._subscribe()
        self.client = WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)
        self.thread = threading.Thread(target=self._record)
        self.thread.start()

    def _subscribe(self) -> WorkflowSubscriber:
        topics = {*(topic.encode() for topic in TOPICS), ALL, SHUTDOWN}
        deadline = time.monotonic() + WAIT
        while True:  # the contact file is written in several steps
            try:
                return WorkflowSubscriber(WORKFLOW, topics=topics)
            except (ClientError, WorkflowStopped):
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def _record(self) -> None:
        with self.subscriber as publications:
            for publication in publications:
                self.recording.stream.append(publication)

    def command(self, name: str, arguments: str = "") -> None:
        text = f'mutation {{ {name}(workflows: ["{WORKFLOW}"] {arguments}) {{ result }} }}'
        result = self.client("graphql", {"request_string": text})[name]["result"]
        assert result[0]["response"][0] is True, result

    def snapshot(self, name: str) -> pb.PbEntireWorkflow:
        self.recording.snapshots[name] = self.client("pb_entire_workflow")
        return pb.PbEntireWorkflow.FromString(self.recording.snapshots[name])

    def wait(self, condition: Callable[[pb.PbEntireWorkflow], object]) -> None:
        deadline = time.monotonic() + 6 * WAIT
        while not condition(self.snapshot("now")):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.2)

    def wait_for_silence(self) -> None:
        """Take a snapshot that no publication belongs to but those that came before."""
        deadline = time.monotonic() + 6 * WAIT
        count = -1
        while count != (count := len(self.recording.stream)):
            assert time.monotonic() < deadline, "it did not become silent"
            self.snapshot("last")
            time.sleep(3)
        self.recording.silent_at = count

    def close(self) -> None:
        if self.scheduler.poll() is None:
            os.killpg(self.scheduler.pid, signal.SIGKILL)
        self.scheduler.wait(WAIT)
        self.thread.join(WAIT)


def state(snapshot: pb.PbEntireWorkflow, task: str) -> str:
    states = [proxy.state for proxy in snapshot.task_proxies if proxy.id.endswith(f"//{task}")]
    return states[0] if states else ""


@pytest.fixture(scope="module")
def recording(cylc_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with pytest.MonkeyPatch.context() as environment:
        home = Home(tmp_path_factory.mktemp("home"))
        environment.setenv("HOME", str(home.path))
        environment.setenv("CYLC_CONF_PATH", str(home.path))
        environment.setenv("PATH", f"{cylc_bin.parent}{os.pathsep}{os.environ['PATH']}")
        # Jobs start in a login shell, which has a PATH of its own.
        (home.path / "global.cylc").write_text(
            f"[platforms]\n[[localhost]]\ncylc path = {cylc_bin.parent}\n"
        )
        home.service.parent.mkdir(parents=True)
        (home.service.parent / "flow.cylc").write_text(FLOW)
        recording = Recording()
        run = Run(cylc_bin, recording)
        try:
            carry_out(run)
        finally:
            run.close()
        return recording


def carry_out(run: Run) -> None:
    run.wait(lambda now: state(now, "1/start"))
    run.snapshot("first")
    run.command("hold", 'tasks: ["1/middle", "4/end"]')
    run.command("resume")
    # Not in the snapshots: a failure may have left the store before the next one is taken.
    run.wait(
        lambda _: any(
            job.state == "failed"
            for topic, payload in list(run.recording.stream)
            if topic == b"jobs"
            for job in decode(topic, payload).updated
        )
    )
    run.snapshot("before the reload")
    run.command("reload")
    run.snapshot("during the reload, perhaps")
    run.command("release", 'tasks: ["1/middle"]')
    run.command("trigger", 'tasks: ["2/never"]')
    run.wait(lambda now: state(now, "3/middle") == "succeeded" or not state(now, "3/middle"))
    run.snapshot("after the reload")
    run.wait(
        lambda now: (
            all(state(now, f"4/{task}") == "succeeded" for task in ("b1", "b2", "b3", "b4", "mend"))
            and state(now, "3/end") in {"succeeded", ""}
        )
    )
    run.wait_for_silence()
    run.command("stop", "mode: Now")
    run.thread.join(WAIT)


def as_json(store: pb.PbEntireWorkflow) -> dict[str, Any]:
    """Return the elements by id, with lists of ids as sets of those that are elements."""
    ids = {element.id for topic in TOPICS[:-1] for element in getattr(store, topic)}

    def comparable(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: set(item) & ids if key in RELATIONS and isinstance(item, list) else found
                for key, item in value.items()
                if (found := comparable(item)) != {}
            }
        return [comparable(item) for item in value] if isinstance(value, list) else value

    elements = {
        element.id: comparable(MessageToDict(element))
        for topic in TOPICS[:-1]
        for element in getattr(store, topic)
    }
    elements["workflow"] = comparable(MessageToDict(store.workflow))
    for element in elements.values():
        for key in RELATIONS & element.keys():
            if not element[key]:
                del element[key]
    return elements


def check_the_run_had_everything(recording: Recording) -> None:
    stream = recording.stream
    batches = [decode(*message) for message in stream if message.topic == ALL]
    tasks = {proxy.id for batch in batches for proxy in batch.task_proxies.added}
    jobs = {job.id for batch in batches for job in batch.jobs.added}
    states = {job.state for batch in batches for job in batch.jobs.updated}
    assert len(tasks) >= 50
    assert len(jobs) >= 12
    assert {"running", "failed"} <= states
    assert any(proxy.is_held for batch in batches for proxy in batch.task_proxies.updated)
    assert all(getattr(batches[0], topic).reloaded for topic in TOPICS), "the start was missed"
    assert any(batch.task_proxies.reloaded for batch in batches[3:]), "no reload"
    assert stream[-1] == (SHUTDOWN, b"REQUEST(NOW)")


def check_replay(recording: Recording, start: str, *, together: bool) -> None:
    store = DataStore()
    if start != "nothing":
        store.load(pb.PbEntireWorkflow.FromString(recording.snapshots[start]))
    verified, wrong = 0, []
    for topic, payload in recording.stream[: recording.silent_at]:
        if (topic == ALL) is not together:
            continue
        delta = decode(topic, payload)
        if together:
            wrong += store.apply(delta)
            verified += sum(
                getattr(delta, part).HasField("checksum")
                for part in TOPICS[:-1]
                if delta.HasField(part)
            )
        else:
            mismatch = store.apply_delta(topic.decode(), delta)
            wrong += [mismatch] if mismatch else []
            verified += topic != b"workflow"
    last = pb.PbEntireWorkflow.FromString(recording.snapshots["last"])
    assert wrong == [], start
    print(f"from {start}: {verified} checksums are right")
    assert verified > 50
    assert as_json(store.snapshot()) == as_json(last), start


def check_a_lost_batch_shows(recording: Recording) -> None:
    batches = [decode(*message) for message in recording.stream if message.topic == ALL]
    lost = next(batch for batch in batches[4:] if batch.task_proxies.added)
    store = DataStore()
    wrong = [mismatch for batch in batches if batch is not lost for mismatch in store.apply(batch)]
    assert "task_proxies" in {mismatch.topic for mismatch in wrong}


def check_following(recording: Recording) -> None:
    follower = Follower()
    half = recording.silent_at // 2
    for publication in recording.stream[:half]:
        follower.feed(*publication)
    follower.load(recording.snapshots["before the reload"])
    for publication in recording.stream[half:]:
        follower.feed(*publication)
    assert (follower.trouble, follower.stopped) == (None, "REQUEST(NOW)")


def test_replay(recording: Recording) -> None:
    """One test, so that tests in parallel do not play the workflow several times."""
    check_the_run_had_everything(recording)
    for start in ("nothing", *recording.snapshots.keys() - {"now", "last"}):
        check_replay(recording, start, together=True)
        check_replay(recording, start, together=False)
    check_a_lost_batch_shows(recording)
    check_following(recording)
