"""Which tasks are shown: those of the pool, and the ones not farther away than so many edges."""

from collections import Counter
from collections.abc import Iterator

from wri_reference._pool import Key
from wri_reference._workflow import Definition

Edge = tuple[Key, Key]


class Window:
    """Keeps the neighbourhood of the pool up to date as tasks come and go.

    Shown are all tasks within `extent` edges of a task of the pool, in either direction, and the
    edges among those that are near the same task of the pool.

    Attributes:
        touched: tasks that came, went, or changed their distance; the owner empties it.
        touched_edges: the same for edges.
    """

    def __init__(self, definition: Definition, extent: int = 1) -> None:
        self.extent = extent
        self.touched: set[Key] = set()
        self.touched_edges: set[Edge] = set()
        self._definition = definition
        self._walks: dict[Key, tuple[dict[Key, int], set[Edge]]] = {}
        self._depths: dict[Key, dict[int, int]] = {}
        self._edges: Counter[Edge] = Counter()
        self._neighbours: dict[str, tuple[list[tuple[str, int]], list[tuple[str, int]]]] = {}

    def depth(self, key: Key) -> int | None:
        """Return the distance from the pool, 0 for its tasks, None for what is not shown."""
        depths = self._depths.get(key)
        return min(depths) if depths else None

    def has_edge(self, edge: Edge) -> bool:
        """Tell whether an edge is shown."""
        return edge in self._edges

    def enter(self, key: Key) -> None:
        """Take in the surroundings of a task that enters the pool."""
        if key in self._walks:
            return
        walk = self._walk(key)
        self._walks[key] = walk
        nodes, edges = walk
        for node, depth in nodes.items():
            depths = self._depths.setdefault(node, {})
            depths[depth] = depths.get(depth, 0) + 1
        self.touched.update(nodes)
        self._edges.update(edges)
        self.touched_edges |= edges

    def leave(self, key: Key) -> None:
        """Let go of the surroundings of a task that leaves the pool."""
        nodes, edges = self._walks.pop(key, ({}, set()))
        for node, depth in nodes.items():
            depths = self._depths[node]
            depths[depth] -= 1
            if not depths[depth]:
                del depths[depth]
            if not depths:
                del self._depths[node]
        self.touched.update(nodes)
        for edge in edges:
            self._edges[edge] -= 1
            if not self._edges[edge]:
                del self._edges[edge]
        self.touched_edges |= edges

    def resize(self, extent: int) -> None:
        """Show more or fewer tasks around those of the pool."""
        self.extent = extent
        active = list(self._walks)
        for key in active:
            self.leave(key)
        for key in active:
            self.enter(key)

    def _walk(self, start: Key) -> tuple[dict[Key, int], set[Edge]]:
        nodes = {start: 0}
        edges: set[Edge] = set()
        task = self._definition.tasks[start.name]
        if not (task.children or task.dependencies):
            return nodes, edges
        front = [start]
        for depth in range(1, self.extent + 1):
            if not front:  # the extent may be as large as a number can be
                break
            reached: list[Key] = []
            for key in front:
                for edge, other in self._around(key):
                    edges.add(edge)
                    if other not in nodes:
                        nodes[other] = depth
                        reached.append(other)
            front = reached
        for key in front:
            edges.update(edge for edge, other in self._around(key) if other in nodes)
        return nodes, edges

    def _around(self, key: Key) -> Iterator[tuple[Edge, Key]]:
        if key.name not in self._neighbours:
            task = self._definition.tasks[key.name]
            self._neighbours[key.name] = (
                sorted({(one.task, one.offset) for some in task.children.values() for one in some}),
                sorted({(wanted.task, wanted.offset) for wanted in task.dependencies}),
            )
        children, parents = self._neighbours[key.name]
        last = len(self._definition.cycle_points) - 1
        for name, offset in children:
            if 0 <= key.point + offset <= last:
                other = Key(key.point + offset, name)
                yield (key, other), other
        for name, offset in parents:
            if 0 <= key.point + offset <= last:
                other = Key(key.point + offset, name)
                yield (other, key), other
