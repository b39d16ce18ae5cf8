#!/usr/bin/python3
"""Starts a cluster, deploys this recipe and shows it (./up), or proves it and ends (./up --once)."""
import argparse
import json
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from resp import Client, Refused  # noqa: E402
from trial import Cluster, Failure, Load, now_ms, wait_for  # noqa: E402


TREE = pathlib.Path(__file__).resolve().parent.parent.parent


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


class Database:
    """recipes/kv on the same cluster: its password is made here, once for each folder."""

    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.password_file = folder / "kv-password"

    def password(self):
        if not self.password_file.exists():
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(secrets.token_hex(8))
        return self.password_file.read_text()

    def apply(self, recipe):
        known = self.cluster.try_json("status", "kv")
        if known is None or known["state"] != "active":
            self.cluster.run("apply", recipe, "--no-wait", env={"KV_PASSWORD": self.password()})

    def address(self):
        host, port = self.cluster.url("kv", "store", 60).split("//")[1].strip("/").split(":")
        return host, int(port)

    def url(self):
        host, port = self.address()
        return f"redis://:{self.password()}@{host}:{port}"

    def call(self, *words, seconds=60):
        """Asks until the master answers, whoever that is by then."""
        def answer():
            try:
                with Client(*self.address(), self.password()) as client:
                    return [client.call(*words)]
            except (OSError, Refused):
                return None
        return wait_for(f"the database to answer {words[0]}", seconds, answer, 0.05)[0]


def prove(cluster, ready_ms, database):
    started = now_ms()
    database.call("SET", "proof", "kept")
    kv_ready_ms = ready_ms + now_ms() - started
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
    kept = database.call("GET", "proof") == b"kept"
    return {"ready_ms": round(ready_ms), "kv_ready_ms": round(kv_ready_ms), "kv_kept": kept,
            "healed_ms": round(healed_ms), "failed_requests_2_replicas": failed,
            "requests_2_replicas": sent, "full_again_ms": round(full_again_ms), "killed": [first, second],
            "nodes": [n["id"] for n in cluster.cluster_nodes().values()],
            "state_hash": cluster.ledger_status()["state_hash"]}


def screen(cluster, folder, mcloud, database):
    database.call("SET", "greeting", "hello")
    print()
    print(cluster.run("status", "hello").stdout.rstrip())
    print()
    print(f"  open    {cluster.url('hello', 'web')}")
    print(f"  kv      {database.url()}   one master, two followers; any Redis client, or:")
    print(f"          {TREE}/recipes/resp.py {database.url()} GET greeting")
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
        say("deploying recipes/hello/contract.yaml (2 of 3 approvals) and recipes/kv/contract.yaml")
        database = Database(cluster, options.dir)
        database.apply(options.recipe.parent / "kv/contract.yaml")
        ready_ms = deploy(cluster, options.recipe)
        if options.once:
            result = prove(cluster, ready_ms, database)
        else:
            screen(cluster, options.dir, options.mcloud, database)
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
