"""How a large workflow serves others while it runs.

Measured are the delay of a small request that is repeated all the time, what `wri subscribe`
prints, how late and with how much memory, and requests over all tasks and over one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time

import psutil
from _served import MIB, WORKFLOW, Peer, served, timed

PAUSE = 0.02
QUERIES = {
    "graphql, nothing (loads the schema)": "{__typename}",
    "graphql, the last task": '{taskProxies(ids: ["1/t%06d"]) {id state}}',
    "graphql, running tasks": '{taskProxies(states: ["running"]) {id state}}',
    "graphql, all tasks": "{taskProxies {id state}}",
}


class Subscriber(threading.Thread):
    """Reads what `wri subscribe` prints.

    Attributes:
        lags: for each publication, the seconds from its time to the end of its line.
        memory: of its process, in MiB, at the first publication and at the last one.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        command = [sys.executable, "-m", "wri", "subscribe", WORKFLOW]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.lags: list[float] = []
        self.memory: list[float] = []
        self.start()

    def run(self) -> None:
        """Read to the end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            now = time.time()
            moment = json.loads(line).get("time")
            if moment is not None:
                self.lags.append(now - moment)
                self.memory.append(psutil.Process(self.process.pid).memory_info().rss / MIB)


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with served("--tasks", str(options.tasks)) as server:
        peer = Peer()
        first, _ = timed(peer.ask, "api")
        print(f"{options.tasks} tasks: the first request took {first:.3f} s")
        subscriber = Subscriber()
        delays, cpu, memory = [], server.cpu, server.memory
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            delays.append(timed(peer.ask, "api")[0])
            time.sleep(PAUSE)
        print(
            f"api while it runs: {len(delays)} requests, median {statistics.median(delays):.4f} s, "
            f"worst {max(delays):.3f} s"
        )
        print(
            f"server: {(server.cpu - cpu) / options.seconds:.0%} of a CPU, "
            f"{memory:.0f} MiB at first, {server.memory:.0f} MiB at last"
        )
        if subscriber.lags:
            print(
                f"wri subscribe: {len(subscriber.lags)} publications, lag median "
                f"{statistics.median(subscriber.lags):.3f} s, worst {max(subscriber.lags):.3f} s, "
                f"{subscriber.memory[0]:.0f} MiB at first, {subscriber.memory[-1]:.0f} MiB at last"
            )
        for title, query in QUERIES.items():
            text = query % (options.tasks - 1) if "%" in query else query
            seconds, reply = timed(peer.ask, "graphql", request_string=text)
            print(f"{title}: {seconds:.3f} s, {len(reply) / 1e6:.3f} MB, {reply[:75]!r}")
        subscriber.process.terminate()
        subscriber.process.wait()


if __name__ == "__main__":
    main()
