"""Requests leave nothing behind in the server."""

import gc
import tracemalloc
from pathlib import Path

import pytest

from wri_reference import WorkflowRuntimeServer
from wri_reference._elements import Identity
from wri_reference._messages import encode_request
from wri_reference._scheduler import Scheduler
from wri_reference._workflow import synthetic

ROUNDS = 200
BOUND = 32 * 1024  # some is remembered by libraries, and comes and goes

REQUESTS = [
    encode_request("api", {}, {}),
    encode_request("ping_workflow", {}, {}),
    encode_request("pb_entire_workflow", {}, {}),
    encode_request("pb_data_elements", {"element_type": "task_proxies"}, {}),
    encode_request("graphql", {"request_string": "{taskProxies {id state}}"}, {}),
    encode_request("graphql", {"request_string": "{nothing}"}, {}),
    encode_request("no_such_endpoint", {}, {}),
    b"\xff",
]


def test_requests_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    server = WorkflowRuntimeServer("w")
    server._scheduler = Scheduler(synthetic(10), Identity("me", "w"), 0.0, paused=True)

    def memory(rounds: int) -> int:
        for _ in range(rounds):
            for request in REQUESTS:
                server.receiver([request])
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = memory(20)
        assert memory(ROUNDS) < before + BOUND
    finally:
        tracemalloc.stop()
