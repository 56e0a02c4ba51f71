"""Drop-in: the command line of Cylc drives the reference server, unmodified.

What counts is what changed in the data store, not what a command prints or returns.
"""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyte
import pytest

from tests.reference.conftest import ENDPOINTS, WAIT, WORKFLOW, Home
from wri.data import root
from wri_proto.v1.data_store_pb2 import JDeltas, PbEntireWorkflow
from wri_reference import WorkflowRuntimeClient

pytestmark = pytest.mark.cylc

PATIENCE = 3 * WAIT  # seconds for a command: each starts a Python of its own
FIXTURES = root() / "conformance" / "fixtures"


class Bench:
    """A server that runs a fixture, and the commands of Cylc beside it."""

    def __init__(
        self, home: Home, cylc: Path, start: Callable[..., Any], fixture: str, *, paused: bool
    ) -> None:
        self.home = home
        self.cylc = cylc
        run_dir = home.service.parent
        shutil.copytree(FIXTURES / fixture, run_dir)
        self.process = start(*(["--pause"] if paused else []))
        self.client = WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)

    def run(self, *args: str, stdin: str = "") -> str:
        """Run a command of Cylc, which has to succeed, and return what it printed."""
        done = subprocess.run(
            [str(self.cylc), *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, query: str) -> Any:
        return self.client("graphql", {"request_string": f"{{ {query} }}"})

    def ids(self, query: str) -> set[str]:
        """Return what the tasks or jobs that a query selects are called in the workflow."""
        (found,) = self.ask(f"{query} {{ id }}").values()
        return {one["id"].partition("//")[2] for one in found}

    def becomes(self, query: str, expected: Any) -> None:
        """Wait until the answer to a query, or the ids that it selects, are as expected."""
        look = self.ids if isinstance(expected, set) else self.ask
        deadline = time.monotonic() + WAIT
        while (seen := look(query)) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        assert seen == expected

    @property
    def status(self) -> str:
        return str(self.ask("workflows { status }")["workflows"][0]["status"])

    def has_status(self, expected: str) -> None:
        self.becomes("workflows { status }", {"workflows": [{"status": expected}]})


Make = Callable[..., Bench]


@pytest.fixture
def bench(
    home: Home, cylc_bin: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Make:
    monkeypatch.setenv("PATH", f"{cylc_bin.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NO_COLOR", "1")

    def make(fixture: str = "globs", *, paused: bool = True) -> Bench:
        return Bench(home, cylc_bin, serve, fixture, paused=paused)

    return make


def test_looking(bench: Make) -> None:
    it = bench()
    fields = it.home.fields()
    port, pid = fields["CYLC_WORKFLOW_PORT"], fields["CYLC_WORKFLOW_PID"]
    assert it.run("scan", "--color=never").split() == [WORKFLOW, f"localhost:{port}", pid]
    assert f"localhost:{port}" in it.run("ping", WORKFLOW)
    contact = dict(
        line.split("=", 1) for line in it.run("get-workflow-contact", WORKFLOW).splitlines()
    )
    assert contact == fields
    tasks = it.run("dump", "--tasks", WORKFLOW)
    assert set(re.findall(r"^([\w/]+):waiting", tasks, re.MULTILINE)) == it.ids(
        "taskProxies (graphDepth: 0)"
    )
    assert "status=paused" in it.run("dump", "--global", WORKFLOW)
    shown = it.run("show", f"{WORKFLOW}//1/late", "--color=never")
    assert "state: waiting" in shown
    assert "1/ready succeeded" in shown
    assert "1/bad succeeded" in shown


def test_the_generic_client(bench: Make) -> None:
    it = bench()
    assert json.loads(it.run("client", "-n", WORKFLOW, "api")) == ENDPOINTS
    query = json.dumps({"request_string": "{ workflows { status } }"})
    answer = json.loads(it.run("client", WORKFLOW, "graphql", stdin=query))
    assert answer == {"workflows": [{"status": "paused"}]}
    snapshot = json.loads(it.run("client", "-n", WORKFLOW, "pb_entire_workflow"))
    whole = PbEntireWorkflow.FromString(it.client("pb_entire_workflow"))
    assert snapshot["workflow"]["id"] == whole.workflow.id
    assert len(snapshot["taskProxies"]) == len(whole.task_proxies) == 18
    it.run("trigger", f"{WORKFLOW}//1/long")
    it.becomes('jobs (ids: ["1/long/01"], states: ["running"])', {"1/long/01"})
    args = '{"element_type": "jobs"}'
    shown = json.loads(it.run("client", WORKFLOW, "pb_data_elements", stdin=args))
    jobs = JDeltas.FromString(it.client("pb_data_elements", {"element_type": "jobs"}))
    assert [job["id"] for job in shown["added"]] == [job.id for job in jobs.added]


def test_holding(bench: Make) -> None:
    it = bench()
    held = "taskProxies (isHeld: true)"
    it.run("hold", f"{WORKFLOW}//1/bad", f"{WORKFLOW}//*/SUB")
    it.becomes(held, {"1/bad", "1/long", "2/long", "10/long"})
    it.run("release", f"{WORKFLOW}//*/long")
    it.becomes(held, {"1/bad"})
    it.run("release", "--all", WORKFLOW)
    it.becomes(held, set())
    it.run("hold", "--after=2", WORKFLOW)
    it.becomes(held, {f"10/{name}" for name in ("ready", "bad", "long", "lost")})
    it.run("release", "--all", WORKFLOW)
    it.becomes(held, set())


def test_pausing_and_going_on(bench: Make) -> None:
    it = bench(paused=False)
    it.becomes(
        'taskProxies (ids: ["*/long"], states: ["running"])', {"1/long", "2/long", "10/long"}
    )
    it.run("pause", WORKFLOW)
    it.has_status("paused")
    it.run("play", WORKFLOW)
    it.has_status("running")


def test_running_jobs(bench: Make) -> None:
    it = bench()
    it.run("trigger", f"{WORKFLOW}//1/long", f"{WORKFLOW}//2/long", f"{WORKFLOW}//10/never")
    it.becomes('jobs (ids: ["*/long"], states: ["running"])', {"1/long/01", "2/long/01"})
    it.becomes('jobs (ids: ["10/never"], states: ["succeeded", "running"])', {"10/never/01"})
    it.run("poll", f"{WORKFLOW}//2/long")
    it.run("kill", f"{WORKFLOW}//1/long")
    it.becomes('jobs (ids: ["*/long"], states: ["failed"])', {"1/long/01"})
    assert it.ids('jobs (ids: ["*/long"], states: ["running"])') == {"2/long/01"}
    it.run("message", WORKFLOW, "2/long/01", "--", "WARNING:the river is high")
    it.becomes(
        'jobs (ids: ["2/long/01"]) { state messages }',
        {"jobs": [{"state": "running", "messages": ["started", "the river is high"]}]},
    )
    it.run("message", WORKFLOW, "2/long/01", "--", "succeeded")
    # a task that has succeeded leaves the data store, and its job with it
    it.becomes('jobs (ids: ["*/long"], states: ["running"])', set())
    assert it.ids('jobs (ids: ["*/long"], states: ["failed"])') == {"1/long/01"}


def test_outputs_prerequisites_and_removal(bench: Make) -> None:
    it = bench()
    it.run("set", f"{WORKFLOW}//1/ready")
    it.becomes('taskProxies (ids: ["*/*"], states: ["succeeded"])', {"1/ready"})
    it.run("set", "--out=failed", f"{WORKFLOW}//1/bad")
    it.becomes('taskProxies (ids: ["*/*"], states: ["failed"])', {"1/bad"})
    it.run("set", "--pre=2/bad:succeeded", f"{WORKFLOW}//2/late")
    conditions = "prerequisites { conditions { taskId satisfied } }"
    it.becomes(
        f'taskProxies (ids: ["2/late"]) {{ {conditions} }}',
        {
            "taskProxies": [
                {
                    "prerequisites": [
                        {"conditions": [{"taskId": "2/ready", "satisfied": False}]},
                        {"conditions": [{"taskId": "2/bad", "satisfied": True}]},
                    ]
                }
            ]
        },
    )
    it.run("remove", f"{WORKFLOW}//2/lost")
    it.becomes('taskProxies (ids: ["*/lost"])', {"1/lost", "10/lost"})


def test_broadcasts(bench: Make) -> None:
    it = bench()

    def broadcasts() -> Any:
        return it.ask("workflows { broadcasts }")["workflows"][0]["broadcasts"]

    setting = {"bad": {"script": "true"}}
    it.run("broadcast", WORKFLOW, "-p", "1", "-p", "2", "-n", "bad", "-s", "script=true")
    it.becomes(
        "workflows { broadcasts }", {"workflows": [{"broadcasts": {"1": setting, "2": setting}}]}
    )
    assert re.search(r"script +true", it.run("broadcast", "--display", WORKFLOW))
    it.run("broadcast", WORKFLOW, "-p", "1", "-n", "bad", "--cancel=script")
    it.becomes("workflows { broadcasts }", {"workflows": [{"broadcasts": {"2": setting}}]})
    it.run("broadcast", "--clear", WORKFLOW)
    it.becomes("workflows { broadcasts }", {"workflows": [{"broadcasts": {}}]})
    assert broadcasts() == {}


def test_reloading(bench: Make) -> None:
    it = bench()
    file = it.home.service.parent / "workflow.yaml"
    file.write_text(
        file.read_text().replace("  never: {parent: IDLE}", "  never: {parent: IDLE}\n  extra: {}")
        + "  - {after: extra}\n"
    )
    it.run("verbosity", "DEBUG", WORKFLOW)
    it.run("reload", WORKFLOW)
    it.becomes('tasks (ids: ["extra"])', {"$namespace|extra"})
    assert it.status == "paused"


def test_external_triggers(bench: Make) -> None:
    it = bench("external", paused=False)
    waiting = it.ids('taskProxies (states: ["waiting"])')
    assert len(waiting) > 1
    proxy = it.ask("taskProxies { name externalTriggers { id satisfied } }")["taskProxies"][0]
    message = proxy["externalTriggers"][0]["id"]
    it.run("ext-trigger", WORKFLOW, message, "the-id-of-an-event")
    it.becomes(f'jobs (ids: ["*/{proxy["name"]}"])', {f"1/{proxy['name']}/01"})
    assert len(it.ids('taskProxies (states: ["waiting"])')) == len(waiting) - 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "REQUEST(CLEAN)"),
        (["--kill"], "REQUEST(KILL)"),
        (["--now"], "REQUEST(NOW)"),
        (["--now", "--now"], "REQUEST(NOW-NOW)"),
    ],
    ids=str,
)
def test_stopping(bench: Make, options: list[str], reason: str) -> None:
    it = bench()
    subscriber = subprocess.Popen(
        [str(it.cylc), "subscribe", WORKFLOW], stdout=subprocess.PIPE, text=True
    )
    try:
        assert subscriber.stdout is not None
        assert "Connecting" in subscriber.stdout.readline()
        time.sleep(1)  # for its subscription, which nothing confirms, to arrive
        it.run("stop", *options, WORKFLOW)
        heard, _ = subscriber.communicate(timeout=WAIT)
    finally:
        subscriber.kill()
        subscriber.wait()
    assert it.process.wait(WAIT) == 0
    assert not it.home.contact.exists()
    assert '"status": "stopping"' in heard
    assert heard.rstrip().endswith(reason)
    assert subscriber.returncode == 0
    assert it.run("scan", "--color=never") == ""


def test_stopping_after_a_task(bench: Make) -> None:
    it = bench("dates")
    it.run("hold", f"{WORKFLOW}//20000102T0000Z/foo")
    it.becomes("taskProxies (isHeld: true)", {"20000102T0000Z/foo"})
    it.run("stop", f"{WORKFLOW}//20000101T0000Z/foo")
    it.run("play", WORKFLOW)
    assert it.process.wait(WAIT) == 0


class Terminal:
    """A terminal of 100 columns and 40 lines, in which a program runs."""

    def __init__(self, command: list[str]) -> None:
        self.screen = pyte.Screen(100, 40)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def shows(self, pattern: str) -> None:
        """Wait until a line of the screen matches."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, "\n".join(self.screen.display), re.MULTILINE):
            assert time.monotonic() < deadline, "\n".join([pattern, *self.screen.display])
            if select.select([self._master], [], [], 0.1)[0]:
                self._stream.feed(os.read(self._master, 65536))

    def close(self) -> None:
        # Tui has a process of its own that fetches the data, in the same group.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Callable[[list[str]], Terminal]:
    def start(command: list[str]) -> Terminal:
        made = Terminal(command)
        request.addfinalizer(made.close)
        return made

    return start


def test_tui(bench: Make, terminal: Callable[[list[str]], Terminal]) -> None:
    it = bench(paused=False)
    tui = terminal([str(it.cylc), "tui", WORKFLOW])
    tui.shows(rf"{WORKFLOW} - running")
    tui.shows(r"FAM")
    tui.shows(r"late$|late +")
    tui.press("\x1b[B")  # down, to the workflow
    tui.press("\r")
    tui.shows(r"< pause +>")
    tui.press("\x1b[B\x1b[B\x1b[B\r")  # past cancel, clean and log
    it.has_status("paused")
    tui.shows(rf"{WORKFLOW} - paused")
