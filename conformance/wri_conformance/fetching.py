"""`wri fetch`: installs implementations beside each other, several at a time."""

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from wri_conformance import interpreters, releases, venvs
from wri_conformance.mistakes import Mistake
from wri_conformance.releases import Implementation
from wri_conformance.verdict import Exit

_AT_ONCE = 2  # what pip does is half waiting for the network


def run(names: Sequence[str]) -> Exit:
    """Install what is named, `all` for every release that is known.

    Raises:
        Mistake: a name is neither a release nor a checkout.
    """
    works, fails = interpreters.examine(interpreters.candidates())
    every = [known for name in names for known in (releases.KNOWN if name == "all" else [name])]
    wanted = [releases.find(name, works) for name in dict.fromkeys(every)]
    told = [f"{path}: {why}" for path, why in fails.items()]
    lock = threading.Lock()

    def say(text: str) -> None:
        with lock:
            print(text, file=sys.stderr, flush=True)

    def install(one: Implementation) -> bool:
        try:
            found = releases.interpreter(one, works, told)
            programs = venvs.ensure(one.packages, say, found.path)
        except Mistake as error:
            say(_mark(f"✗ {one.name}: {error}", 31))
            return False
        with lock:
            python = ".".join(map(str, found.version))
            print(f"{_mark(f'✓ {one.name:<8}', 32)} Python {python:<8} {programs}", flush=True)
        return True

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = list(pool.map(install, wanted))
    return Exit.CONFORMANT if all(done) else Exit.NOT_CONFORMANT


def _mark(text: str, colour: int) -> str:
    painted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{colour}m{text}\x1b[0m" if painted else text
