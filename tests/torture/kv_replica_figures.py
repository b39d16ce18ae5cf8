#!/usr/bin/python3
"""Figures of replication over loopback: how far a follower is behind under full SET load, how fast a copy is made and
catches up, what MIN-REPLICAS 1 costs. Needs redis-benchmark. One JSON line.
  kv_replica_figures.py --mcloud build/release/mcloud [--seconds 8]"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time

from kv_replicas import Client, until


class Server:
    def __init__(self, mcloud, folder, *options):
        self.process = subprocess.Popen([mcloud, "kv", "serve", "--data", folder, "--dialect", "redis", "--port", "0",
                                         *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r"port (\d+)", self.process.stdout.readline())[1])

    def ask(self, *words):
        client = Client(self.port, timeout=60)
        answer = client.ask(*words)
        client.close()
        return answer

    def info(self, name):
        return re.search(rf"^{name}:(.*?)\r?$", self.ask("INFO"), re.M)[1]

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def benchmark(port, count, size, clients=50, pipeline=16):
    """Writes per second."""
    out = subprocess.run(["redis-benchmark", "-p", str(port), "-t", "set", "-n", str(count), "-d", str(size), "-c",
                          str(clients), "-P", str(pipeline), "-r", "1000000", "-q"], capture_output=True, text=True,
                         check=True, timeout=170).stdout
    return float(re.findall(r"SET: ([\d.]+) requests per second", out)[-1])


def lags(master, follower, stop):
    """Milliseconds from an acknowledged write to its being seen at the follower."""
    writer, reader, found, number = Client(master), Client(follower), [], 0
    while not stop.is_set():
        number += 1
        writer.ask("SET", "probe", number)
        begun = time.monotonic()
        while reader.ask("GET", "probe") != str(number):
            if time.monotonic() - begun > 20:
                return found + [20000.0]
        found.append((time.monotonic() - begun) * 1000)
        stop.wait(0.005)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--count", type=int, default=600_000)
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        master = Server(options.mcloud, folder + "/m")
        figures["alone_sets_per_s"] = benchmark(master.port, options.count, 100)
        benchmark(master.port, 200_000, 1000)
        log_bytes = int(master.info("log_bytes"))
        begun = time.monotonic()
        follower = Server(options.mcloud, folder + "/f", "--follow", f"127.0.0.1:{master.port}")
        until("the copy", lambda: follower.info("slave_repl_offset") == master.info("master_repl_offset"))
        figures["copy_mb_per_s"] = round(log_bytes / (time.monotonic() - begun) / 1e6, 1)

        stop, found = threading.Event(), []
        prober = threading.Thread(target=lambda: found.extend(lags(master.port, follower.port, stop)))
        prober.start()
        figures["followed_sets_per_s"] = benchmark(master.port, options.count, 100)
        stop.set()
        prober.join()
        found.sort()
        figures["lag_ms_p50"] = round(found[len(found) // 2], 2)
        figures["lag_ms_p99"] = round(found[min(len(found) - 1, len(found) * 99 // 100)], 2)
        figures["lag_probes"] = len(found)

        follower.end()
        before = int(master.info("log_bytes"))
        benchmark(master.port, 150_000, 1000)
        missing = int(master.info("log_bytes")) - before
        begun = time.monotonic()
        follower = Server(options.mcloud, folder + "/f")
        until("what it missed", lambda: follower.info("slave_repl_offset") == master.info("master_repl_offset"))
        figures["catch_up_mb_per_s"] = round(missing / (time.monotonic() - begun) / 1e6, 1)

        strict = Server(options.mcloud, folder + "/s", "--durability", "always")
        figures["always_sets_per_s"] = benchmark(strict.port, options.count // 6, 100)
        figures["always_one_client_per_s"] = benchmark(strict.port, 300, 100, 1, 1)
        strict.end()
        assert master.ask("MIN-REPLICAS", 1) == "+OK"
        figures["min_replicas_1_sets_per_s"] = benchmark(master.port, options.count // 6, 100)
        figures["min_replicas_1_one_client_per_s"] = benchmark(master.port, 300, 100, 1, 1)
        follower.end()
        master.end()
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
