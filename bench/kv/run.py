#!/usr/bin/python3
"""kv against Debian's redis-server, in the same run on the same machine, with equal durability.

    bench/kv/run.py --mcloud BINARY --null BINARY [--only set,get,sync,large,keys,reopen,lag] [--sizes 100,4096]
                    [--pipelines 1,16] [--requests 500000] [--rounds 5] [--threads 1]

Peers: apt-get install redis-server redis-tools strace. All servers are started afresh on folders of their own below
--folder and asked in turn by the same client (redis-benchmark -c 50, random keys over 1 M, all of them there): ours,
the peer, the null server, ... . Ratios are medians over the rounds. The null server answers without doing anything: its
rate is the most that the client can ask, its CPU time what the kernel takes for the bytes.
"""
import argparse
import pathlib
import signal
import sys
import tempfile

from keys import measure_keys
from lag import measure_lag
from large import measure_large
from rates import measure_rates, measure_sync
from servers import Program, need, print_versions

ALL = "set,get,sync,large,keys,reopen,lag"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--null", required=True, help="the program kv_null_server")
    parser.add_argument("--only", default=ALL)
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="100,4096")
    parser.add_argument("--pipelines", default="1,16")
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--segment-mb", default="256")
    parser.add_argument("--folder", help="where the data goes; a temporary folder otherwise")
    options = parser.parse_args()
    wanted = options.only.split(",")
    options.with_reopen = "reopen" in wanted
    need("redis-server", "redis-benchmark", "strace")
    print_versions(options.mcloud)
    # Ended early it still ends its servers and says what it has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))
    lines = []
    try:
        measure(options, wanted, lines)
    finally:
        print("\n".join(lines))


def measure(options, wanted, lines):
    """Appends the final lines to `lines`."""
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-kv-", dir=options.folder) as name, \
            Program("null", [options.null]) as null:
        folder = pathlib.Path(name)
        commands = [command for command in ("set", "get") if command in wanted]
        if commands:
            measure_rates(options, folder, null, commands, lines)
        if "sync" in wanted:
            measure_sync(options, folder, null, lines)
        if "large" in wanted:
            measure_large(options, folder, lines)
        if "keys" in wanted or options.with_reopen:
            measure_keys(options, folder, lines)
        if "lag" in wanted:
            measure_lag(options, folder, lines)


if __name__ == "__main__":
    main()
