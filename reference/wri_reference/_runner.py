"""Runs the jobs of a simulated workflow: what each does is known from the start."""

import heapq
from typing import Final, NamedTuple

from wri_reference._pool import BUSY, FINAL, Job, Key, Node, Pool

LATENCY: Final = 0.2
"""Seconds from preparing to submitted, and from submitted to running."""

_FIRST_JOB_ID = 1001
_SUBMITTED = "submitted"
_SUBMIT_FAILED = "submit-failed"


class _Event(NamedTuple):
    """Something that will happen to a job; events of the same time happen in order."""

    due: float
    order: int
    key: Key
    submit: int
    text: str


class Runner:
    """Submits tasks and carries out what their jobs do."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._events: list[_Event] = []
        self._count = 0
        self._job_id = _FIRST_JOB_ID

    @property
    def due(self) -> float | None:
        """Return when the next thing happens, if any."""
        return self._events[0].due if self._events else None

    def submit_ready(self, now: float) -> None:
        """Submit as many of the queued tasks as may run."""
        for node in self.pool.next_ready():
            self.submit(node, now)

    def submit(self, node: Node, now: float) -> None:
        """Submit a task, whatever it waits for."""
        if node.is_queued:
            self.pool.dequeue(node)
        node.is_runahead = False
        node.submits += 1
        if node.state in FINAL:
            node.done.clear()
            self.pool.listener.changed(node, "outputs")
        self.pool.set_state(node, "preparing")
        outcome = _SUBMIT_FAILED if node.task.outcome == _SUBMIT_FAILED else _SUBMITTED
        self._at(now + LATENCY, node, outcome)

    def advance(self) -> None:
        """Let the next thing happen, at the time at which it is due."""
        event = heapq.heappop(self._events)
        node = self.pool.nodes.get(event.key)
        if node is None or node.submits != event.submit:
            return
        if event.text in {_SUBMITTED, _SUBMIT_FAILED}:
            if node.state == "preparing" and node.in_pool:
                self._begin(node, event.text, event.due)
        else:
            self.receive(node, "INFO", event.text, event.due)

    def receive(self, node: Node, severity: str, text: str, now: float) -> None:
        """Take a message of the last job of a task: what it says happens to the task."""
        job = node.job
        if job is None or job.finished is not None:
            return
        job.messages.append(text)
        self.pool.listener.changed(node, "jobs")
        label = {message: label for label, message in node.task.outputs.items()}.get(text)
        if text == "started":
            self._started(node, job, now)
        elif text == "succeeded":
            self._ended(node, job, "succeeded", text, now)
        elif text.partition("/")[0] == "failed":
            self._ended(node, job, "failed", text, now)
        elif label is not None:
            self.pool.complete(node, label)
        elif severity in {"WARNING", "ERROR", "CRITICAL"}:
            self.pool.listener.log(severity, f"[{self._name(node)}] {text}")

    def kill(self, node: Node, now: float) -> bool:
        """End the job of a task, which is held from then on; False if there is none to kill."""
        if node.state not in BUSY:
            return False
        self.pool.hold(node)
        if node.state == "running":
            assert node.job is not None
            self._ended(node, node.job, "failed", "failed/KILLED", now)
        elif node.job is not None and node.job.finished is None and node.state == _SUBMITTED:
            node.job.state = _SUBMIT_FAILED
            node.job.finished = now
            self._submit_failed(node)
        else:
            self._begin(node, _SUBMIT_FAILED, now)
        return True

    def force(self, node: Node, label: str) -> None:
        """Set an output by hand; the last one decides the state of the task."""
        if label in FINAL:
            if node.is_queued:
                self.pool.dequeue(node)
            self.pool.set_state(node, label)
        self.pool.complete(node, label)

    def _begin(self, node: Node, outcome: str, now: float) -> None:
        node.jobs.append(Job(node.submits, str(self._job_id), outcome, submitted=now))
        self._job_id += 1
        self.pool.listener.changed(node, "jobs")
        if outcome == _SUBMIT_FAILED:
            node.jobs[-1].finished = now
            self._submit_failed(node)
            return
        self.pool.set_state(node, _SUBMITTED)
        self.pool.complete(node, _SUBMITTED)
        start = now + LATENCY
        self._at(start, node, "started")
        for text in node.task.outputs.values():
            self._at(start + node.task.seconds / 2, node, text)
        end = "failed/ERR" if node.task.outcome == "failed" else "succeeded"
        self._at(start + node.task.seconds, node, end)

    def _submit_failed(self, node: Node) -> None:
        self.pool.listener.changed(node, "jobs")
        self.pool.listener.log("ERROR", f"[{self._name(node)}] submission failed")
        self._finish(node, _SUBMIT_FAILED)

    def _started(self, node: Node, job: Job, now: float) -> None:
        job.state = "running"
        job.started = now
        if node.in_pool and node.state in {_SUBMITTED, "preparing"}:
            self.pool.set_state(node, "running")
            self.pool.complete(node, "started")

    def _ended(self, node: Node, job: Job, state: str, text: str, now: float) -> None:
        job.state = state
        job.started = now if job.started is None else job.started
        job.finished = now
        self.pool.listener.changed(node, "jobs")
        if not (node.in_pool and node.state in BUSY):
            return
        if state == "failed":
            self.pool.listener.log("ERROR", f"[{self._name(node)}] {text}")
        if state == "succeeded":
            self.pool.listener.ended(node, now - job.started)
        self._finish(node, state)

    def _finish(self, node: Node, state: str) -> None:
        self.pool.set_state(node, state)
        self.pool.complete(node, state)
        if node.in_pool:
            self.pool.listener.log(
                "WARNING",
                f"[{self._name(node)}] did not complete the required outputs: "
                f"{node.task.completion}",
            )

    def _name(self, node: Node) -> str:
        held = "(held)" if node.is_held else ""
        return f"{node.relative}/{node.submits:02}:{node.state}{held}"

    def _at(self, due: float, node: Node, text: str) -> None:
        self._count += 1
        heapq.heappush(self._events, _Event(due, self._count, node.key, node.submits, text))
