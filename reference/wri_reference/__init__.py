"""The reference implementation of the Workflow Runtime Interface: client, server and subscriber.

```
client = WorkflowRuntimeClient('my-workflow')
client('ping_workflow')
```
"""

from typing import TYPE_CHECKING, Any

from wri_reference._dispatch import expose
from wri_reference._errors import (
    ClientError,
    ClientTimeout,
    HandshakeRefused,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    ReplyError,
    RequestError,
    StartError,
    WorkflowMoved,
    WorkflowStopped,
)

if TYPE_CHECKING:
    from wri_reference.client import WorkflowRuntimeClient
    from wri_reference.datastore import WorkflowDataStore
    from wri_reference.server import WorkflowRuntimeServer
    from wri_reference.subscriber import WorkflowSubscriber

__all__ = [
    "ClientError",
    "ClientTimeout",
    "HandshakeRefused",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "ReplyError",
    "RequestError",
    "StartError",
    "WorkflowDataStore",
    "WorkflowMoved",
    "WorkflowRuntimeClient",
    "WorkflowRuntimeServer",
    "WorkflowStopped",
    "WorkflowSubscriber",
    "expose",
]


def __getattr__(name: str) -> Any:
    # They need ZeroMQ, which the rest does not, and a program seldom needs all of them.
    if name == "WorkflowRuntimeClient":
        from wri_reference.client import WorkflowRuntimeClient  # noqa: PLC0415

        return WorkflowRuntimeClient
    if name == "WorkflowRuntimeServer":
        from wri_reference.server import WorkflowRuntimeServer  # noqa: PLC0415

        return WorkflowRuntimeServer
    if name == "WorkflowDataStore":
        from wri_reference.datastore import WorkflowDataStore  # noqa: PLC0415

        return WorkflowDataStore
    if name == "WorkflowSubscriber":
        from wri_reference.subscriber import WorkflowSubscriber  # noqa: PLC0415

        return WorkflowSubscriber
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
