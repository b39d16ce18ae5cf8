#!/usr/bin/python3
"""idle_rss_mb and idle_cpu_percent: one agent, the ledger and the sink, idle, with one contract running.

    bench/idle/run.py --mcloud BINARY [--seconds 30]
RSS is what the kernel says of each process (VmRSS, shared pages counted in each); CPU is user + system time over the
time watched. The node's heartbeat and supervisor are listed too, but are not part of the bar.
"""
import argparse
import os
import pathlib
import re
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TREE / "recipes")]
from trial import Cluster  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def processes(folder):
    """{role: pid} of the cluster's mcloud processes; of nodes, the first."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        match = re.match(r"\S*mcloud.* (ledger serve|sink serve|node agent|node heartbeat|node init)", line)
        if match and str(folder) in line:
            found.setdefault(match[1], int(path.parent.name))
    return found


def rss_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def pss_mb(pid):
    return int(re.search(r"Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1]) / 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-") as folder, \
            Cluster(options.mcloud, pathlib.Path(folder) / "cluster", nodes=1) as cluster:
        path = pathlib.Path(folder) / "one.yaml"
        path.write_text("name: one\nworkloads:\n  web:\n    kind: container\n"
                        f"    image: oci:{TREE}/recipes/hello/image\n    ports: {{http: 80}}\n"
                        "    health: {http: {port: http, path: /}}\n")
        cluster.run("apply", path)
        cluster.wait_ready("one", "web", 1, 60)
        time.sleep(5)
        found = processes(cluster.folder)
        before = {role: cpu_seconds(pid) for role, pid in found.items()}
        time.sleep(options.seconds)
        total_rss = total_cpu = 0.0
        for role, pid in sorted(found.items()):
            cpu = (cpu_seconds(pid) - before[role]) / options.seconds * 100
            counts = role in ("ledger serve", "sink serve", "node agent")
            print(f"{role:16} rss {rss_mb(pid):6.1f} MB  pss {pss_mb(pid):6.1f} MB  cpu {cpu:5.2f} %" + ("" if counts else "  (not in the bar)"))
            if counts:
                total_rss += rss_mb(pid)
                total_cpu += cpu
    print(f"metric=idle_rss_mb ours={total_rss:.1f} peer=none peer_name=none ratio=none unit=MB bar=80")
    print(f"metric=idle_cpu_percent ours={total_cpu:.2f} peer=none peer_name=none ratio=none unit=percent bar=1")


if __name__ == "__main__":
    main()
