"""Tries a recipe on a local cluster, from outside: what ./up, the end-to-end tests and the benches drive.

Nothing here reaches into a node: a node dies by SIGKILL to its pid 1 as seen from the host, and a service
is judged through the URL that a person would open.
"""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.parse


class Failure(Exception):
    """What went wrong, in one line a person can act on."""


def now_ms():
    return time.monotonic() * 1000


def wait_for(what, seconds, check, every=0.02):
    """Calls check() until it returns something true; returns that. Failure names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def fetch(url, timeout=1.0):
    """(status, body) of a GET over a fresh connection, or (0, reason)."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


class Load:
    """Steady requests against a URL, counting the failed ones, from a few threads."""

    def __init__(self, url, per_second, threads=4):
        self.url, self.period = url, threads / per_second
        self.sent = self.failed = 0
        self.failures = []
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i / per_second,)) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, offset):
        due = time.monotonic() + offset
        while not self.stop.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due += self.period
            status, body = fetch(self.url, timeout=2.0)
            with self.lock:
                self.sent += 1
                if status != 200:
                    self.failed += 1
                    self.failures.append(f"{status} {body[:80]!r}")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self.sent, self.failed


class Cluster:
    """A local cluster owned by this process: it dies with it."""

    def __init__(self, mcloud, folder, nodes=5, quiet=True, options=()):
        self.mcloud, self.folder, self.nodes = str(mcloud), pathlib.Path(folder), nodes
        self.quiet, self.options = quiet, options
        self.process = None

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self, seconds=60):
        command = [self.mcloud, "cluster", "up", "--dir", str(self.folder), "--nodes", str(self.nodes),
                   *map(str, self.options)]
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "up.log"
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out if self.quiet else None, start_new_session=True)

        def ready():
            if self.process.poll() is not None:
                lines = log.read_text(errors="replace").strip().splitlines()
                raise Failure(f"mcloud cluster up ended with {self.process.returncode}: {(lines or ['no output'])[-1]}")
            status = self.try_json("cluster", "status")
            nodes = (status or {}).get("nodes", [])
            return len(nodes) == self.nodes and all(n["ledger_state"] == "online" for n in nodes)

        wait_for(f"{self.nodes} nodes online", seconds, ready, every=0.05)

    def down(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("mcloud cluster up did not end within 20 s of Ctrl-C")
        finally:
            self.process = None

    def environment(self, extra=None):
        return {**os.environ, "MCLOUD_CLUSTER": str(self.folder), "NO_COLOR": "1", **(extra or {})}

    def run(self, *arguments, check=True, seconds=60, env=None, stdin=None):
        done = subprocess.run([self.mcloud, *map(str, arguments)], capture_output=True, text=True, timeout=seconds,
                              env=self.environment(env), input=stdin or "")
        if check and done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Failure(f"mcloud {' '.join(map(str, arguments))}: {(lines or ['no output'])[-1]}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    def try_json(self, *arguments):
        done = self.run(*arguments, "--json", check=False)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            return None

    # ---- what is where

    def cluster_nodes(self):
        """By name; `pid1` is the host's number of the node's pid 1."""
        return {n["name"]: n for n in self.json("cluster", "status")["nodes"]}

    def service_pid(self, name):
        for service in self.json("cluster", "status")["services"]:
            if service["name"] == name and service["state"] == "up":
                return service["pid"]
        return None

    def ledger_status(self):
        port = next(f["port"] for f in self.json("cluster", "status")["forwards"] if f["name"] == "ledger")
        status, body = fetch(f"http://127.0.0.1:{port}/v1/status", 5)
        if status != 200:
            raise Failure(f"the ledger answers {status}")
        return json.loads(body)

    def replicas(self, contract, workload):
        return [r for r in self.json("status", contract)["replicas"] if r["workload"] == workload]

    def node_of(self, contract, workload, index=0):
        return self.replicas(contract, workload)[index]["node"]

    def url(self, contract, workload, seconds=30):
        """The URL on this host of what `contract` publishes of `workload`, once there is one."""
        def found():
            for published in self.json("status", contract)["published"]:
                if published["workload"] == workload and published["urls"]:
                    return published["urls"][0] + "/"
        return wait_for(f"a URL of {contract}/{workload}", seconds, found, 0.02)

    # ---- faults, from outside

    def kill_node(self, name):
        """SIGKILL to the node's pid 1, as the host sees it; returns the moment (ms)."""
        pid = self.cluster_nodes()[name]["pid1"]
        moment = now_ms()
        os.kill(pid, signal.SIGKILL)
        return moment

    def restore_node(self, name, seconds=30):
        def is_down():
            return self.cluster_nodes()[name]["state"] == "down"
        wait_for(f"{name} down", 10, is_down, 0.05)
        self.run("cluster", "restore", name)
        wait_for(f"{name} online", seconds, lambda: self.cluster_nodes()[name]["ledger_state"] == "online", 0.1)

    # ---- judging

    def wait_200(self, url, seconds=30, every=0.005):
        started = now_ms()
        wait_for(f"HTTP 200 from {url}", seconds, lambda: fetch(url)[0] == 200, every)
        return now_ms() - started

    def wait_outage_then_200(self, url, since_ms, seconds=30):
        """After a kill at `since_ms`: until the URL answers 200 again, having not done so in between."""
        wait_for(f"{url} noticing the loss", 10, lambda: fetch(url, 0.3)[0] != 200, 0.002)
        wait_for(f"HTTP 200 again from {url}", seconds, lambda: fetch(url, 0.5)[0] == 200, 0.005)
        return now_ms() - since_ms

    def wait_ready(self, contract, workload, count, seconds=30):
        def ready():
            good = [r for r in self.replicas(contract, workload) if r["ready"]]
            return len(good) >= count and good
        return wait_for(f"{count} replicas of {contract}/{workload} ready", seconds, ready, 0.05)

    def wait_moved(self, contract, workload, count, away_from, seconds=30):
        """Until `count` replicas are ready and none is on `away_from` any more."""
        def moved():
            replicas = self.replicas(contract, workload)
            return sum(r["ready"] for r in replicas) >= count and all(r["node"] != away_from for r in replicas)
        wait_for(f"{count} replicas of {contract}/{workload} ready away from {away_from}", seconds, moved, 0.05)

    def deploy_hello(self, recipe, token="a-token-that-only-the-containers-see"):
        """Applies and approves recipes/hello; returns the moment (ms) the last approval was sent."""
        self.run("apply", recipe / "contract.yaml", "--no-approve", "--no-wait", env={"HELLO_TOKEN": token})
        self.run("approve", "hello", "--as", "ida")
        moment = now_ms()
        self.run("approve", "hello", "--as", "lena")
        return moment
