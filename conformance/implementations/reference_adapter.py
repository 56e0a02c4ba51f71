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
    """Carries out commands with the classes of the reference."""

    capabilities = ("request", "protobuf", "async", "subscribe", "store")
    client, subscriber = wri.WorkflowRuntimeClient, wri.WorkflowSubscriber
    store = wri.WorkflowDataStore

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}

    async def do(self, do: str, connection: str = "", **more: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        peer: Any = self.connections.get(connection)
        timeout = more.get("timeout")
        answer: dict[str, Any] = {"result": "done"}
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

    async def answer(self, number: int, command: dict[str, Any]) -> None:
        """Print the answer to a command."""
        try:
            result = await self.do(**command)
        except tuple(OUTCOMES) as error:
            kind = next(name for cls, name in OUTCOMES.items() if isinstance(error, cls))
            result = {"result": kind, "message": str(error)}
        print(json.dumps({"id": number, **result}), flush=True)

    async def serve(self) -> None:
        """Answer until the input ends; a failure that is no outcome ends the program."""
        async with asyncio.TaskGroup() as tasks:
            while line := await asyncio.to_thread(sys.stdin.readline):
                command = json.loads(line)
                tasks.create_task(self.answer(command.pop("id"), command))


def data(value: Any, **more: str) -> dict[str, Any]:
    """Return the answer with a JSON value, or with bytes."""
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else None
    return {"result": "data", **({"data": value} if text is None else {"bytes": text, **more})}


if __name__ == "__main__":
    asyncio.run(Adapter().serve())
