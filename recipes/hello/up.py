#!/usr/bin/python3
"""Starts a cluster, deploys this recipe and shows it (./up), or proves it and ends (./up --once)."""
import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from trial import Cluster, Failure, Load, now_ms  # noqa: E402


def say(text):
    print(f"\033[2m{time.strftime('%H:%M:%S')}\033[0m {text}", file=sys.stderr, flush=True)


def deploy(cluster, recipe):
    """How long (ms) from the last approval to HTTP 200 from outside, images still packed."""
    known = cluster.try_json("status", "hello")
    if known is None or known["state"] != "active":
        started = cluster.deploy_hello(recipe)
    else:
        started = now_ms()
    try:
        for workload in ("web", "twin"):
            cluster.wait_200(cluster.url("hello", workload, 120), 120)
    except Failure as failure:
        reasons = sorted({r["message"] for r in cluster.json("status", "hello")["replicas"] if r["message"]})
        raise Failure("; ".join([str(failure), *reasons])) from failure
    return now_ms() - started


def prove(cluster, ready_ms):
    twin, web = cluster.url("hello", "twin"), cluster.url("hello", "web")
    cluster.wait_ready("hello", "web", 2)
    cluster.wait_ready("hello", "twin", 1)

    first = cluster.node_of("hello", "twin")
    say(f"killing {first}, which serves the 1-replica twin")
    healed_ms = cluster.wait_outage_then_200(twin, cluster.kill_node(first))
    cluster.restore_node(first)
    cluster.wait_ready("hello", "web", 2)

    second = cluster.node_of("hello", "web")
    say(f"killing {second}, which serves one of web's 2 replicas, under 200 requests/s")
    load = Load(web, 200)
    time.sleep(1)
    killed = cluster.kill_node(second)
    cluster.wait_moved("hello", "web", 2, second)
    full_again_ms = now_ms() - killed
    time.sleep(0.5)
    sent, failed = load.end()
    return {"ready_ms": round(ready_ms), "healed_ms": round(healed_ms), "failed_requests_2_replicas": failed,
            "requests_2_replicas": sent, "full_again_ms": round(full_again_ms), "killed": [first, second],
            "nodes": [n["id"] for n in cluster.cluster_nodes().values()],
            "state_hash": cluster.ledger_status()["state_hash"]}


def screen(cluster, folder, mcloud):
    print()
    print(cluster.run("status", "hello").stdout.rstrip())
    print()
    print(f"  open    {cluster.url('hello', 'web')}")
    print()
    print("  next, in another terminal:")
    print(f"    export PATH={pathlib.Path(mcloud).parent}:$PATH MCLOUD_CLUSTER={folder}")
    print("    mcloud nodes                   what the nodes offer and carry")
    print("    mcloud cluster kill n1         a node dies; watch: mcloud status hello")
    print("    mcloud audit hello             who submitted and approved what, when")
    print()
    print("  Ctrl-C ends everything.", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--recipe", required=True, type=pathlib.Path)
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()

    def interrupted(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupted)

    if options.once:  # proves a deployment from nothing
        shutil.rmtree(options.dir, ignore_errors=True)
    cluster = Cluster(options.mcloud, options.dir, options.nodes)
    result = None
    try:
        say(f"starting a cluster of {options.nodes} nodes in {options.dir}")
        cluster.up()
        say("deploying recipes/hello/contract.yaml (2 of 3 approvals)")
        ready_ms = deploy(cluster, options.recipe)
        if options.once:
            result = prove(cluster, ready_ms)
        else:
            screen(cluster, options.dir, options.mcloud)
            cluster.process.wait()
            raise Failure(f"the cluster ended by itself; see {options.dir}/up.log")
    except KeyboardInterrupt:
        say("ending the cluster")
    except (Failure, subprocess.TimeoutExpired) as error:
        print(f"up: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            cluster.down()
        except Failure as error:
            print(f"up: {error}", file=sys.stderr)
            return 1
    if result is not None:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
