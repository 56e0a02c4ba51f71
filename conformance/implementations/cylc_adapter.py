"""The adapter of cylc-flow's client and subscriber; see conformance/ADAPTERS.md.

It is run by the interpreter that has cylc-flow, of any release of Cylc 8, which may be Python 3.8.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

from cylc.flow import exceptions
from cylc.flow.exceptions import ClientError, ClientTimeout, CylcError, WorkflowStopped
from cylc.flow.network.client import WorkflowRuntimeClient
from cylc.flow.network.subscriber import WorkflowSubscriber

# CylcError is the documented base of the others, ClientError among them. What is none of them is
# not an outcome, and ends the program.
OUTCOMES = (
    (ClientTimeout, "timeout"),
    (WorkflowStopped, "stopped"),
    (CylcError, "client-error"),
)
# What the server returned as an error. Before 8.4.1 it has no exception of its own: it is the only
# ClientError that a request raises, while the others are raised where a client is made.
RETURNED = getattr(exceptions, "RequestError", ClientError)


class Subscription:
    """A subscriber, with what it handed on and nobody has taken yet."""

    def __init__(self, workflow: str, topics: list[str]) -> None:
        self.subscriber = WorkflowSubscriber(workflow, topics=[topic.encode() for topic in topics])
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(self.feed())

    async def feed(self) -> None:
        """Queue what comes, and the exception that ends it behind that."""
        try:
            await self.subscriber.subscribe(lambda *item: self.items.put_nowait(item))
        except Exception as error:  # noqa: BLE001 - raised again where it is taken
            self.items.put_nowait(error)

    async def receive(self, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109
        try:
            item = await asyncio.wait_for(self.items.get(), timeout)
        except asyncio.TimeoutError:  # noqa: UP041 - another one before Python 3.11
            return {"result": "timeout", "message": "nothing was published"}
        if isinstance(item, Exception):
            raise item
        topic, payload = item
        return data(payload, topic=topic.decode())

    def stop(self, **options: Any) -> None:
        self.task.cancel()
        self.subscriber.stop(**options)


class Adapter:
    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}

    async def do(self, do: str, connection: str = "", **more: Any) -> Any:
        """Return the answer to a command."""
        peer: Any = self.connections.get(connection)
        timeout = more.get("timeout")
        if do == "capabilities":
            capabilities = ["request", "protobuf", "async", "subscribe"]
            return {"result": do, "protocol": 1, "capabilities": capabilities}
        if do == "request":
            return data(await peer.async_request(more["command"], more["args"], timeout))
        if do == "receive":
            return await peer.receive(timeout)
        if do == "connect":
            peer = WorkflowRuntimeClient(more["workflow"], timeout=timeout)
        elif do == "subscribe":
            peer = Subscription(more["workflow"], more["topics"])
        elif do == "close":
            self.connections.pop(connection).stop(stop_loop=False)
            return {"result": "done"}
        else:
            return {"result": "unsupported"}
        self.connections[connection] = peer
        return {"result": "done"}

    async def answer(self, id: int, **command: Any) -> None:  # noqa: A002
        try:
            result = await self.do(**command)
        except CylcError as error:
            kind = next(kind for cls, kind in OUTCOMES if isinstance(error, cls))
            if command["do"] == "request" and type(error) is RETURNED:
                kind = "error"
            result = {"result": kind, "message": str(error)}
        print(json.dumps({"id": id, **result}), flush=True)

    async def serve(self) -> None:
        """Answer until the input ends; a failure that is no outcome ends the program."""
        lines = asyncio.StreamReader(limit=1 << 26)
        protocol = asyncio.StreamReaderProtocol(lines)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        tasks: set[asyncio.Task[Any]] = {asyncio.create_task(lines.readline())}
        while tasks:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for line in filter(None, [task.result() for task in done]):  # an answer returns None
                tasks.add(asyncio.create_task(self.answer(**json.loads(line))))
                tasks.add(asyncio.create_task(lines.readline()))


def data(value: Any, **more: str) -> dict[str, Any]:
    """Return the answer with a JSON value, or with bytes."""
    if isinstance(value, bytes):
        return {"result": "data", "bytes": base64.b64encode(value).decode(), **more}
    return {"result": "data", "data": value}


if __name__ == "__main__":
    asyncio.run(Adapter().serve())
