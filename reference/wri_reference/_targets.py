"""Which tasks a command means: from identifiers to the pool and what lies outside of it."""

from collections.abc import Sequence
from typing import Any

from wri_reference import _globs
from wri_reference._broadcasts import EVERY
from wri_reference._errors import RemoteProtocolError
from wri_reference._ids import Tokens
from wri_reference._messages import quote
from wri_reference._pool import Key, Node, Pool, descends


class Targets:
    """Finds tasks, and warns in the log of identifiers that mean none."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def match(self, ids: Sequence[Tokens], *, others: bool = True) -> tuple[list[Node], list[Key]]:
        """Return the tasks of the pool that are meant and, if wanted, others; warn of the rest."""
        active, unmatched = _globs.match_active(ids, list(self._pool))
        keys: dict[Key, None] = {}
        for tokens in ids if others else ():
            exact = _globs.exact(tokens)
            found = self._members(*exact) if exact is not None else []
            keys.update(dict.fromkeys(key for key in found if self._pool.get(key) is None))
            if found and tokens in unmatched:
                unmatched.remove(tokens)
        for tokens in unmatched:
            self._pool.listener.log("WARNING", self._complaint(tokens))
        return active, list(keys)

    def point(self, cycle: str) -> int | None:
        """Return the place of a cycle point among those of the workflow, if it is one of them."""
        for index, point in enumerate(self._pool.definition.cycle_points):
            if _globs.same_point(point, cycle):
                return index
        return None

    def exact(self, text: Any) -> Key:
        """Return the one task that is meant, in the pool or not.

        Raises:
            RemoteProtocolError: it is not a task of the workflow.
        """
        tokens = _globs.parse_tasks([text])[0]
        exact = _globs.exact(tokens)
        point = None if exact is None else self.point(exact[0])
        if exact is None or point is None or exact[1] not in self._pool.definition.tasks:
            raise RemoteProtocolError(f"{quote(str(text))} is not a task of the workflow")
        return Key(point, exact[1])

    def _members(self, cycle: str, name: str) -> list[Key]:
        point = self.point(cycle)
        if point is None:
            return []
        if name in self._pool.definition.tasks:
            return [Key(point, name)]
        if name not in self._pool.definition.families:
            return []
        tasks = self._pool.definition.tasks.values()
        return [Key(point, task.name) for task in tasks if descends(task, name)]

    def _complaint(self, tokens: Tokens) -> str:
        exact = _globs.exact(tokens)
        names = {*self._pool.definition.tasks, *self._pool.definition.families}
        if exact is None or (exact[1] in names and self.point(exact[0]) is not None):
            task = tokens.task or EVERY
            task += f":{tokens.task_selector}" if tokens.task_selector else ""
            return f"No active tasks matching: {tokens.cycle}/{task}"
        if exact[1] not in names:
            return f"No matching tasks found: {exact[1]}"
        return f"Invalid cycle point for task: {exact[1]}, {exact[0]}"
