#!/usr/bin/python3
"""kv against Debian's redis-server: requests per second and the servers' CPU time per request.

    bench/kv/run.py --mcloud BINARY --null BINARY [--requests 500000] [--rounds 5] [--only set,get,sync] [--threads 1]
Peers: apt-get install redis-server redis-tools. Both servers are started afresh for each kind of durability, on a folder
of their own below --folder, and asked in turn by the same client (redis-benchmark -c 50, random keys over 1 M): ours,
the peer, ours, ... . Ratios are medians over the rounds. The null server answers +OK and does nothing: its rate is the
most that the client can ask.
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
KEYS = 1_000_000
SYNC_SEGMENT_MB = 16  # small, so that a run spans several and their zeroing is inside it


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Program:
    """A server process, asked on `port`; ended with the `with` block."""

    def __init__(self, name, words, port=None):
        self.name, self.words = name, [str(word) for word in words]
        self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = port or int(re.search(r"port (\d+)", self.process.stdout.readline())[1])
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"{name} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def measure(server, command, size, pipeline, requests):
    """(requests per second, CPU microseconds of the server per request)"""
    before = cpu_seconds(server.process.pid)
    out = subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-c", "50", "-n", str(requests),
                          "-r", str(KEYS), "-d", str(size), "-P", str(pipeline), "-t", command, "--csv"],
                         capture_output=True, text=True, timeout=400)
    used = cpu_seconds(server.process.pid) - before
    found = re.search(r'^"\w+","([\d.]+)"', out.stdout, re.M)
    if not found:
        raise SystemExit(f"redis-benchmark against {server.name}: {out.stdout} {out.stderr}")
    return float(found[1]), used / requests * 1e6


def versions():
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout.strip()
    print("peer:", redis)


def start_both(options, folder, durability):
    ours, peers = folder / f"ours-{durability}", folder / f"redis-{durability}"
    peers.mkdir()
    fsync = {"interval": "everysec", "always": "always"}[durability]
    port = free_port()
    us = Program("mcloud kv", [options.mcloud, "kv", "serve", "--data", ours, "--dialect", "redis", "--port", "0",
                               "--durability", durability, "--threads", options.threads, "--segment-mb",
                               SYNC_SEGMENT_MB if durability == "always" else options.segment_mb])
    peer = Program("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", peers, "--save", "",
                             "--appendonly", "yes", "--appendfsync", fsync, "--daemonize", "no", "--logfile", peers / "log"],
                   port)
    for server in (us, peer):
        print("command line:", " ".join(server.words))
    print(f"durability: ours {durability}, peer appendonly yes, appendfsync {fsync}"
          + (" (both: on the disk once a second)" if durability == "interval" else " (both: on the disk before the reply)"))
    return us, peer


def compare(options, us, peer, null, name, command, size, pipeline, requests):
    """Rounds of ours and the peer in turn; prints a row and the metric lines."""
    rates, costs, ratios, cost_ratios, ceiling = [], [], [], [], []
    for number in range(options.rounds):
        order = [us, peer] if number % 2 == 0 else [peer, us]
        got = {server.name: measure(server, command, size, pipeline, requests) for server in order}
        ceiling.append(measure(null, command, size, pipeline, requests)[0])
        (our_rate, our_cost), (peer_rate, peer_cost) = got[us.name], got[peer.name]
        rates.append((our_rate, peer_rate))
        costs.append((our_cost, peer_cost))
        ratios.append(our_rate / peer_rate)
        cost_ratios.append(our_cost / max(peer_cost, 0.01))
    ours, theirs = (statistics.median(column) for column in zip(*rates))
    our_cost, peer_cost = (statistics.median(column) for column in zip(*costs))
    most = statistics.median(ceiling)
    print(f"{name:16} null server {most:9.0f}/s  ours {ours:9.0f}/s = {ours / most:4.2f} of it  redis {theirs:9.0f}/s")
    return [f"metric={name} ours={ours:.0f} peer={theirs:.0f} peer_name=redis ratio={statistics.median(ratios):.2f} "
            f"unit=requests/s null={most:.0f} of_null={ours / most:.2f}",
            f"metric={name}_cpu_us ours={our_cost:.2f} peer={peer_cost:.2f} peer_name=redis "
            f"ratio={statistics.median(cost_ratios):.2f} unit=us/request"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--null", required=True, help="the program kv_null_server")
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="set,get,sync")
    parser.add_argument("--sizes", default="100,4096")
    parser.add_argument("--pipelines", default="1,16")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--segment-mb", default="256")
    parser.add_argument("--folder", help="where the data goes; a temporary folder otherwise")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        sys.exit("needs redis-server and redis-benchmark: apt-get install redis-server redis-tools")
    versions()
    lines = []
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-kv-", dir=options.folder) as name, \
            Program("null", [options.null]) as null:
        folder = pathlib.Path(name)
        for durability, commands in (("interval", [c for c in ("set", "get") if c in wanted]),
                                     ("always", ["set"] if "sync" in wanted else [])):
            if not commands:
                continue
            us, peer = start_both(options, folder, durability)
            with us, peer:
                for size in map(int, options.sizes.split(",")):
                    for command in commands:
                        for pipeline in map(int, options.pipelines.split(",")):
                            word = "sync" if durability == "always" else command
                            metric = f"kv_{word}_p{pipeline}" + ("_4k" if size == 4096 else "" if size == 100 else f"_{size}")
                            lines += compare(options, us, peer, null, metric, command, size, pipeline, options.requests)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
