"""The adapter of the reference client, subscriber and data store; see conformance/ADAPTERS.md."""

import asyncio
import base64
import json
import sys
from typing import Any

import wri_reference as wri

OUTCOMES = {
    wri.RequestError: "error",
    wri.ClientTimeout: "timeout",
    wri.WorkflowStopped: "stopped",
    wri.ClientError: "client-error",
}


class Adapter:
    capabilities = ("request", "protobuf", "async", "subscribe", "store")
    client, subscriber = wri.WorkflowRuntimeClient, wri.WorkflowSubscriber
    store = wri.WorkflowDataStore

    def __init__(self) -> None:
        self.connections: Any = {}

    async def do(self, do: str, connection: str = "", **more: Any) -> Any:
        """Return the answer to a command."""
        peer, timeout = self.connections.get(connection), more.get("timeout")
        answer: Any = {"result": "done"}
        if do == "capabilities":
            answer = {"result": do, "protocol": 1, "capabilities": self.capabilities}
        elif do == "connect":
            self.connections[connection] = self.client(more["workflow"], timeout=timeout)
        elif do == "subscribe":
            topics = [topic.encode() for topic in more["topics"]]
            self.connections[connection] = self.subscriber(more["workflow"], topics=topics)
        elif do == "follow":
            self.connections[connection] = self.store(more["workflow"])
        elif do == "close":
            self.connections.pop(connection).close()
        elif do == "request":
            answer = data(await peer.async_request(more["command"], more["args"], timeout))
        elif do == "receive":
            answer = {"result": "timeout", "message": "nothing was published"}
            if publication := await asyncio.to_thread(peer.receive, timeout):
                answer = data(publication.payload, topic=publication.topic.decode())
        elif do == "store":
            answer = data((await asyncio.to_thread(peer.current, timeout)).snapshot_bytes())
        else:
            answer = {"result": "unsupported"}
        return answer

    async def answer(self, id: int, **command: Any) -> None:  # noqa: A002
        try:
            result = await self.do(**command)
        except tuple(OUTCOMES) as error:
            kind = next(name for cls, name in OUTCOMES.items() if isinstance(error, cls))
            result = {"result": kind, "message": str(error)}
        print(json.dumps({"id": id, **result}), flush=True)

    async def serve(self) -> None:
        """Answer until the input ends; a failure that is no outcome ends the program."""
        lines = asyncio.StreamReader(limit=1 << 26)
        protocol = asyncio.StreamReaderProtocol(lines)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        async with asyncio.TaskGroup() as tasks:
            while line := await lines.readline():
                tasks.create_task(self.answer(**json.loads(line)))


def data(value: Any, **more: str) -> dict[str, Any]:
    """Return the answer with a JSON value, or with bytes."""
    if isinstance(value, bytes):
        return {"result": "data", "bytes": base64.b64encode(value).decode(), **more}
    return {"result": "data", "data": value}


if __name__ == "__main__":
    asyncio.run(Adapter().serve())
