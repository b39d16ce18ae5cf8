#!/usr/bin/python3
"""heal_ms and failover_failed_requests: SIGKILL of a node's pid 1, judged through the URL.

    bench/heal/run.py --mcloud BINARY [--count 5]
No peer of the same shape runs on one machine; the bar is the default fence_after (5 s) plus the start.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TREE / "recipes")]
from trial import Cluster, Load, now_ms  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--count", type=int, default=5)
    options = parser.parse_args()
    healed, failed, full = [], [], []
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-") as folder, \
            Cluster(options.mcloud, pathlib.Path(folder) / "cluster") as cluster:
        cluster.deploy_hello(TREE / "recipes/hello")
        cluster.wait_ready("hello", "web", 2, 60)
        cluster.wait_ready("hello", "twin", 1, 60)
        for _ in range(options.count):
            node = cluster.node_of("hello", "twin")
            healed.append(cluster.wait_outage_then_200(cluster.url("hello", "twin"), cluster.kill_node(node)))
            cluster.restore_node(node)
            cluster.wait_ready("hello", "web", 2, 60)
        for _ in range(options.count):
            node = cluster.node_of("hello", "web")
            load = Load(cluster.url("hello", "web"), 200)
            time.sleep(1)
            killed = cluster.kill_node(node)
            cluster.wait_moved("hello", "web", 2, node)
            full.append(now_ms() - killed)
            failed.append(load.end()[1])
            cluster.restore_node(node)
    none = "peer=none peer_name=none ratio=none"
    print(f"metric=heal_ms ours={statistics.median(healed):.0f} {none} unit=ms max={max(healed):.0f} runs={len(healed)}")
    print(f"metric=failover_failed_requests ours={statistics.median(failed):.0f} {none} unit=requests max={max(failed)} rate=200/s")
    print(f"metric=failover_full_again_ms ours={statistics.median(full):.0f} {none} unit=ms max={max(full):.0f}")


if __name__ == "__main__":
    main()
