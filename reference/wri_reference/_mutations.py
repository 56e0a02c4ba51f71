"""What GraphQL mutations do: from their arguments to the commands of a scheduler (chapter 7)."""

import uuid
from collections.abc import Callable
from typing import Any

from graphql import GraphQLSchema
from graphql.pyutils import camel_to_snake

from wri_reference import _globs, _resolvers
from wri_reference._errors import RemoteProtocolError


def attach(schema: GraphQLSchema) -> None:
    """Give each mutation the command of the scheduler that has its name."""
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        command = camel_to_snake(name)
        field.resolve = _mutation("set_" if command == "set" else command)


def _mutation(command: str) -> Callable[..., dict[str, Any]]:
    def mutate(
        _: Any, info: _resolvers.Info, *, workflows: list[Any], **args: Any
    ) -> dict[str, Any]:
        workflow = info.context.store.workflow
        is_meant = _globs.workflow_filter(workflows)
        if not is_meant(workflow.owner, workflow.name, workflow.status):
            return {"result": [{"response": [False, f"only {workflow.id} is running here"]}]}
        given = {name: value for name, value in args.items() if value is not None}
        return {
            "result": [
                {"id": workflow.id, "response": _carry_out(info.context.scheduler, command, given)}
            ]
        }

    return mutate


def _carry_out(scheduler: Any, command: str, args: dict[str, Any]) -> Any:
    """Return the response to a command: queued under an id, or done, with what came of it."""
    try:
        response = getattr(scheduler, command)(**args)
    except RemoteProtocolError as error:
        return [False, str(error)]
    if response is None:
        return [True, str(uuid.uuid4())]
    return [True, response] if isinstance(response, str) else response
