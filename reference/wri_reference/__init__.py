"""The reference implementation of the Workflow Runtime Interface: a client and a server.

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
    from wri_reference.server import WorkflowRuntimeServer

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
    "WorkflowMoved",
    "WorkflowRuntimeClient",
    "WorkflowRuntimeServer",
    "WorkflowStopped",
    "expose",
]


def __getattr__(name: str) -> Any:
    # Both need ZeroMQ, which the rest does not, and a program seldom needs both.
    if name == "WorkflowRuntimeClient":
        from wri_reference.client import WorkflowRuntimeClient  # noqa: PLC0415

        return WorkflowRuntimeClient
    if name == "WorkflowRuntimeServer":
        from wri_reference.server import WorkflowRuntimeServer  # noqa: PLC0415

        return WorkflowRuntimeServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
