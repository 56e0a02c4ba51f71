"""The adapter of the reference client, subscriber and data store; see conformance/ADAPTERS.md."""

import asyncio
import base64
import json
import sys
from collections.abc import Mapping
from typing import Any

import wri_reference as wri

CAPABILITIES = ["request", "protobuf", "async", "subscribe", "store"]
OUTCOMES = {
    wri.RequestError: "error",
    wri.ClientTimeout: "timeout",
    wri.WorkflowStopped: "stopped",
    wri.ClientError: "client-error",
}
connections: dict[str, Any] = {}


def data(value: Any, **more: str) -> dict[str, Any]:
    """Return an answer with bytes or with a JSON value."""
    if isinstance(value, bytes):
        return {"result": "data", "bytes": base64.b64encode(value).decode(), **more}
    return {"result": "data", "data": value}


async def do(command: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a command and return the answer to it."""
    verb, name, timeout = command["do"], command.get("connection"), command.get("timeout")
    if verb == "capabilities":
        return {"result": "capabilities", "protocol": 1, "capabilities": CAPABILITIES}
    if verb == "connect":
        connections[name] = wri.WorkflowRuntimeClient(command["workflow"], timeout=timeout)
    elif verb == "subscribe":
        topics = [topic.encode() for topic in command["topics"]]
        connections[name] = wri.WorkflowSubscriber(command["workflow"], topics=topics)
    elif verb == "follow":
        connections[name] = wri.WorkflowDataStore(command["workflow"])
    elif verb == "close":
        connections.pop(name).close()
    elif verb == "request":
        client = connections[name]
        return data(await client.async_request(command["command"], command["args"], timeout))
    elif verb == "receive":
        publication = await asyncio.to_thread(connections[name].receive, timeout)
        if publication is None:
            return {"result": "timeout", "message": "nothing was published"}
        return data(publication.payload, topic=publication.topic.decode())
    elif verb == "store":
        store = await asyncio.to_thread(connections[name].current, timeout)
        return data(store.snapshot_bytes())
    else:
        return {"result": "unsupported"}
    return {"result": "done"}


async def answer(line: str) -> None:
    """Answer one line."""
    command = json.loads(line)
    try:
        result = await do(command)
    except tuple(OUTCOMES) as error:
        kind = next(name for cls, name in OUTCOMES.items() if isinstance(error, cls))
        result = {"result": kind, "message": str(error)}
    print(json.dumps({"id": command["id"], **result}), flush=True)


async def main() -> None:
    """Answer until the input ends."""
    async with asyncio.TaskGroup() as tasks:
        while line := await asyncio.to_thread(sys.stdin.readline):
            tasks.create_task(answer(line))


if __name__ == "__main__":
    asyncio.run(main())
