"""`wri replay`: replays recorded streams into stores, and tells whether they come out right."""

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from wri_conformance.interop.views import width
from wri_conformance.mistakes import Mistake
from wri_conformance.replaying import display, recordings, stores
from wri_conformance.replaying.outcome import Outcome, judge
from wri_conformance.replaying.recordings import Recording
from wri_conformance.replaying.stores import Store
from wri_conformance.verdict import Exit

_WORKERS = 2


def run(streams: Sequence[str], into: Sequence[str], *, as_json: bool) -> Exit:
    """Replay, print, and return the exit status.

    Args:
        streams: names or paths of recordings; none means all that come with wri.
        into: names of stores, see `stores.find`.
        as_json: print JSON in place of the table.

    Raises:
        Mistake: a name means nothing, a recording is none, or a store cannot be driven.
    """
    chosen = dict.fromkeys(recordings.find(name) for name in streams or recordings.names())
    read = [recordings.read(path) for path in chosen]
    if not read:
        raise Mistake(f"no recordings in {recordings.directory()}", "install wri again")
    found = stores.find(into, lambda text: print(text, file=sys.stderr, flush=True))
    outcomes = replay(read, found)
    if as_json:
        print(json.dumps({"replays": [one.document() for one in outcomes]}, indent=2))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        for line in display.lines(outcomes, width=width(), colour=colour):
            print(line)
    equal = all(one.equal for one in outcomes)
    return Exit.CONFORMANT if equal else Exit.NOT_CONFORMANT


def replay(read: Sequence[Recording], into: Sequence[Store]) -> list[Outcome]:
    """Replay each recording into each store, some stores at the same time.

    Raises:
        Mistake: a store cannot be driven.
    """

    def all_into(store: Store) -> list[Outcome]:
        told = stores.replay(store, read)
        return [judge(one, store.name, found) for one, found in zip(read, told, strict=True)]

    with ThreadPoolExecutor(_WORKERS) as pool:
        by_store = list(pool.map(all_into, into))
    return [outcome for row in zip(*by_store, strict=True) for outcome in row]
