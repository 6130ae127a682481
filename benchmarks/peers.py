"""This project beside others: the same work in the same run, each in an environment of its own.

    python -m benchmarks.peers [--database postgresql] [--seconds 15] [--load ...] [--peer ...]

The environments are made when they are first needed. It needs what the benchmarks of the
runner need, and Redis on this machine with its ``redis-cli``. Keep the machine otherwise quiet.
"""

import argparse
import sys

from benchmarks.databases import DATABASES
from benchmarks.environments import versions
from benchmarks.peer_sites import PEERS
from benchmarks.sites import Load
from benchmarks.tables import Table

LOADS = {
    "10-jobs": Load(10, 0.1),
    "100-jobs": Load(100),
    "1000-jobs": Load(1000),
    "8-reruns": Load(8, rerun=True),
}


def compare(database, load, peers, seconds):
    """Print a row for each of ``peers``."""
    if load.rerun:
        what = f"{load.jobs} jobs that rerun at once"
        columns = ["executions/s"]
    else:
        what = f"{load.jobs} jobs every {load.interval:g} s"
        columns = ["done", "late, p99", "drift a period"]
    table = Table(
        f"{what} ({database.kind})",
        *columns,
        "in the history",
        "CPU s per 1000",
        "the server's",
        "memory",
        "threads",
        "connections",
    )
    for peer in peers:
        try:
            with peer(database, load) as site:
                result = site.measure(seconds, warm_up=5.0)
                kept = site.kept_history()
        except RuntimeError as error:
            print(f"{peer.title}: {error}", file=sys.stderr)
            table.row(peer.title, "did not run")
            continue
        table.row(
            peer.title,
            *_kept_pace(result),
            f"{100 * kept:.0f} %" if kept else "none",
            *_cost(result),
        )


def _kept_pace(result):
    if result.load.rerun:
        return [f"{result.rate:,.0f}"]
    punctuality = result.punctuality
    return [
        f"{100 * result.done:.1f} %",
        f"{1e3 * punctuality.lateness:.1f} ms" if punctuality else "-",
        f"{1e3 * punctuality.drift:.2f} ms" if punctuality else "-",
    ]


def _cost(result):
    return [
        f"{result.per_1000(result.cpu):.2f}",
        f"{result.per_1000(result.server_cpu):.2f}",
        f"{result.memory / 2**20:.0f} MB",
        result.threads,
        result.connections,
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=DATABASES, default="postgresql")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--load", action="append", choices=LOADS)
    parser.add_argument("--peer", action="append", choices=[peer.__name__ for peer in PEERS])
    options = parser.parse_args()
    peers = [peer for peer in PEERS if not options.peer or peer.__name__ in options.peer]
    for peer in peers:
        print(f"{peer.title}: {', '.join(versions(peer.environment_name))}", file=sys.stderr)
    for name in options.load or LOADS:
        compare(DATABASES[options.database](), LOADS[name], peers, options.seconds)


if __name__ == "__main__":
    main()
