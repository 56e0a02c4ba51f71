"""Runs inside the environment of an implementation: its command line, its client, its store.

Started by `forking.py` with the interpreter that has cylc-flow, which may be Python 3.7 or newer,
as `python driver.py fork` or `python driver.py api`. Both read one JSON object a line, and write
one.

`fork` carries out commands of the command line `cylc` in processes that are forked from this one,
which has imported all that they need: that costs a tenth of starting each of them anew. They do
what the program `cylc` does. {"id", "argv", "directory", "environment", "stdin", "stdout",
"stderr"}, the last three names of files, is answered with {"id", "pid"} and, when it has ended,
{"id", "status"}.

`api` asks with the client of the library: see `Api`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import json
import os
import pkgutil
import select
import sys
import threading
import time
import traceback
from typing import Any


def fork_loop() -> None:
    """Fork what is asked for, and tell how it ended."""
    import cylc.flow.scripts  # noqa: PLC0415
    from cylc.flow.scripts import cylc as program  # noqa: PLC0415

    for module in pkgutil.iter_modules(cylc.flow.scripts.__path__):
        if module.name in IMPORTED:
            importlib.import_module("cylc.flow.scripts." + module.name)
    with contextlib.suppress(ImportError):
        importlib.import_module("cylc.flow.scheduler")
    say({"ready": True})
    running: dict[int, int] = {}
    unread = b""
    while True:
        if select.select([0], [], [], TICK if running else IDLE)[0]:
            chunk = os.read(0, 1 << 16)
            if not chunk:
                os._exit(0)
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                task = json.loads(line.decode())
                pid = os.fork()
                if not pid:
                    carry_out(task, program)
                running[pid] = task["id"]
                say({"id": task["id"], "pid": pid})
        reap(running)


def reap(running: dict[int, int]) -> None:
    """Tell which processes have ended, and how."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        ended = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if pid in running:
            say({"id": running.pop(pid), "status": ended})


def carry_out(task: Any, program: Any) -> None:
    """Be the program `cylc` with these arguments; never returns."""
    status = 1
    try:
        os.setsid()
        for number, name, flags in (
            (0, task["stdin"], os.O_RDONLY),
            (1, task["stdout"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
            (2, task["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        ):
            opened = os.open(name, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.environ.clear()
        os.environ.update(task["environment"])
        os.chdir(task["directory"])
        sys.argv = task["argv"]
        try:
            program.main()
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
            if error.code is not None and not isinstance(error.code, int):
                print(error.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
    os._exit(status & 255)


TICK, IDLE = 0.02, 5.0  # seconds between two looks
IMPORTED = {
    "broadcast", "client", "cat_log", "dump", "ext_trigger", "get_workflow_contact",
    "get_workflow_version", "hold", "kill", "message", "pause", "ping", "play", "poll", "release",
    "reload", "remove", "reinstall", "scan", "set", "set_outputs", "set_verbosity", "show", "stop",
    "subscribe", "trigger", "tui", "validate", "validate_reinstall", "verbosity", "workflow_state",
}  # fmt: skip

_writing = threading.Lock()


def say(answer: Any) -> None:
    """Write a line."""
    line = json.dumps(answer).encode() + b"\n"
    with _writing:
        while line:
            line = line[os.write(OUTPUT, line) :]


OUTPUT = 1


class Api:
    """Asks with WorkflowRuntimeClient, and follows with WorkflowSubscriber.

    {"do": "request", "workflow", "command", "args", "timeout"} → {"outcome": "success", "data" |
    "bytes", "parsed", "again"} or another outcome with "text"; "parsed" and "again" are what the
    client's own messages found in the bytes. {"do": "follow", "workflow"}, then {"do": "load",
    "workflow"}; {"do": "followed", "workflow", "wait"} → what came of it so far.
    """

    def __init__(self) -> None:
        from cylc.flow import data_messages_pb2 as messages  # noqa: PLC0415
        from cylc.flow.network.client import WorkflowRuntimeClient  # noqa: PLC0415
        from cylc.flow.network.subscriber import WorkflowSubscriber  # noqa: PLC0415

        self.client, self.subscriber, self.messages = (
            WorkflowRuntimeClient,
            WorkflowSubscriber,
            messages,
        )
        self.kept: list[Any] = []  # a client that is collected may hang
        self.followers: dict[str, Follower] = {}

    def serve(self) -> None:
        """Answer line by line."""
        say({"ready": True})
        for line in sys.stdin:
            task = json.loads(line)
            try:
                answer = getattr(self, task["do"])(task)
            except BaseException as error:  # noqa: BLE001
                answer = failure(error)
            answer["id"] = task["id"]
            say(answer)
        os._exit(0)

    def request(self, task: Any) -> dict[str, Any]:
        """Ask once, on a client of its own."""
        client = self.client(task["workflow"], timeout=task["timeout"])
        self.kept.append(client)
        data = client(task["command"], task["args"])
        client.stop(stop_loop=False)
        if not isinstance(data, bytes):
            return {"outcome": "success", "data": data}
        answer: dict[str, Any] = {"outcome": "success", "bytes": base64.b64encode(data).decode()}
        if task.get("message"):
            message = getattr(self.messages, task["message"])()
            message.ParseFromString(data)
            answer["parsed"] = bool(message.ListFields()) or not data
            answer["again"] = base64.b64encode(message.SerializeToString()).decode()
        return answer

    def follow(self, task: Any) -> dict[str, Any]:
        """Subscribe to everything, and keep a data store if the release has the code for one."""
        follower = Follower(self, task["workflow"])
        self.followers[task["workflow"]] = follower
        follower.thread.start()
        return {"outcome": "success"}

    def load(self, task: Any) -> dict[str, Any]:
        """Get the snapshot for the store, and apply what has come since."""
        follower = self.followers[task["workflow"]]
        client = self.client(task["workflow"], timeout=5)
        self.kept.append(client)
        data = client("pb_entire_workflow", {})
        client.stop(stop_loop=False)
        follower.load(data)
        return {"outcome": "success"}

    def followed(self, task: Any) -> dict[str, Any]:
        """Say what has come so far."""
        follower = self.followers[task["workflow"]]
        deadline = time.time() + task.get("wait", 0)
        while time.time() < deadline and not follower.shutdown and not follower.problem:
            time.sleep(0.05)
        return {
            "outcome": "success",
            "topics": dict(follower.topics),
            "shutdown": follower.shutdown,
            "problem": follower.problem,
            "wrong": follower.wrong,
            "checked": follower.checked,
            "store": follower.store_json(),
        }


def failure(error: BaseException) -> dict[str, Any]:
    """Return what an exception of the client tells."""
    names = {cls.__name__ for cls in type(error).__mro__}
    text = f"{type(error).__name__}: {error}"
    if "ClientTimeout" in names:
        return {"outcome": "timeout", "text": text}
    if "CylcError" in names:
        return {"outcome": "error", "text": text}
    return {
        "outcome": "crash",
        "text": "".join(traceback.format_exception_only(type(error), error)),
    }


class Follower:
    """A subscription, and the release's own store fed from it."""

    def __init__(self, api: Api, workflow: str) -> None:
        self.api = api
        self.workflow = workflow
        self.topics: dict[str, int] = {}
        self.shutdown: str | None = None
        self.problem = ""
        self.wrong: list[str] = []
        self.checked = 0
        self.data: Any = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.waiting: list[Any] = []
        self.manager: Any = None
        self.times: dict[str, float] = {}
        self.lock = threading.Lock()
        try:
            from cylc.flow import data_store_mgr  # noqa: PLC0415

            self.manager = data_store_mgr
        except ImportError:
            self.manager = None

    def load(self, data: bytes) -> None:
        """Make the store of a snapshot, and apply what came in the meantime."""
        if self.manager is None:
            return
        snapshot = self.api.messages.PbEntireWorkflow()
        snapshot.ParseFromString(data)
        with self.lock:
            self.data = {
                key: {one.id: one for one in getattr(snapshot, key)}
                for key in self.manager.DELTAS_MAP
                if key not in ("all", self.manager.WORKFLOW)
            }
            self.data[self.manager.WORKFLOW] = snapshot.workflow
            self.times = dict.fromkeys(self.data, snapshot.workflow.last_updated)
            for batch in self.waiting:
                self.apply(batch)

    def run(self) -> None:
        """Take what is published until the end."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            subscriber = self.api.subscriber(self.workflow, topics=[b"all", b"shutdown"])
            self.subscriber = subscriber
            loop.run_until_complete(subscriber.subscribe(self.take))
        except BaseException as error:  # noqa: BLE001
            if self.shutdown is None:
                self.problem = f"{type(error).__name__}: {error}"

    def take(self, topic: Any, payload: Any, *_: Any) -> None:
        """Take one publication."""
        name = topic if isinstance(topic, str) else topic.decode()
        self.topics[name] = self.topics.get(name, 0) + 1
        if name == "shutdown":
            self.shutdown = payload.decode() if isinstance(payload, bytes) else str(payload)
            return
        try:
            batch = self.api.messages.AllDeltas()
            batch.ParseFromString(payload)
            with self.lock:
                if self.data is None:
                    self.waiting.append(batch)
                else:
                    self.apply(batch)
        except BaseException as error:  # noqa: BLE001
            self.wrong.append(f"{type(error).__name__}: {error}")

    def apply(self, batch: Any) -> None:
        """Apply a batch with the release's own code, and compare the checksums."""
        manager = self.manager
        for field, delta in batch.ListFields():
            key = field.name
            if delta.reloaded and key != manager.WORKFLOW:
                self.data[key].clear()
            elif delta.time < self.times.get(key, 0):
                continue
            self.times[key] = delta.time
            manager.apply_delta(key, delta, self.data)
            if key != manager.WORKFLOW and not delta.reloaded and delta.HasField("checksum"):
                name = "id" if key == manager.EDGES else "stamp"
                have = manager.generate_checksum(
                    [getattr(one, name) for one in self.data[key].values()]
                )
                self.checked += 1
                if have != delta.checksum:
                    self.wrong.append(f"the checksum of {key}")

    def store_json(self) -> dict[str, Any] | None:
        """Return the states of tasks and jobs in the store."""
        if not self.data:
            return None
        found = {}
        for key in ("task_proxies", "jobs"):
            for id_, element in list(self.data.get(key, {}).items()):
                found[id_] = element.state
        status = getattr(self.data.get("workflow"), "status", "")
        return {"status": status, "states": found}


if __name__ == "__main__":
    OUTPUT = os.dup(1)
    os.dup2(2, 1)
    if sys.argv[1] == "fork":
        fork_loop()
    else:
        Api().serve()
