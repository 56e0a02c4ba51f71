"""Faults of clients: what they send, and what they make of what comes."""

from typing import Any

from mutants.registry import adapter_fault
from wri_reference import WorkflowRuntimeClient


@adapter_fault("falsy-data", ["client/replies/data/null::returned::WRI-CLI-1"])
class FalsyData(WorkflowRuntimeClient):
    """Takes data that is null for an empty object."""

    async def async_request(self, *args: Any, **more: Any) -> Any:
        return await super().async_request(*args, **more) or {}
