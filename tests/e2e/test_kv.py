"""A replicated key-value database: whatever dies or is cut off, no acknowledged write is lost.

Its own cluster of four nodes: three members and one node to spare, and on a ring of four every member has another one
as its neighbour.
"""
import pathlib
import subprocess
import sys
import threading
import time

from harness import TREE, expect, now_ms, wait_for
from test_agent import command_line, tree_of

sys.path.insert(0, str(TREE / "recipes"))
from resp import Client, Refused  # noqa: E402

RECIPE = TREE / "recipes/kv/contract.yaml"
PASSWORD = "e2e-password-of-the-kv-4471"
ENV = {"KV_PASSWORD": PASSWORD}
HEALS_MS = 10_000
SINGLE = """
name: ledgerless
workloads:
  notes: {kind: kv, size: 1MiB, history: {last: 1}, resources: {cpu: 100m, memory: 64MiB}}
  entry: {kind: publish, port: 6380, to: notes}
"""


# ---- what is where --------------------------------------------------------------------------------------------------

def address(cluster, contract="kv", workload="store"):
    host, port = cluster.url(contract, workload).split("//")[1].strip("/").split(":")
    return host, int(port)


def connect(cluster, timeout=2.0):
    return Client(*address(cluster), PASSWORD, timeout)


def deploy(cluster):
    known = cluster.try_json("status", "kv")
    if known is None or known["state"] != "active":
        cluster.run("apply", RECIPE, "--no-wait", env=ENV)
    cluster.wait_ready("kv", "store", 3, 60)
    wait_for("an answer", 30, lambda: attempt(lambda: ask(cluster, "PING") == "PONG"), 0.1)


def attempt(act):
    """What act() returns; None when nobody answers or the answer is no."""
    try:
        return act()
    except (OSError, Refused):
        return None


def ask(cluster, *words):
    with connect(cluster) as client:
        return client.call(*words)


def process_on(cluster, node):
    """The host's number of the database process on a node."""
    pid1 = cluster.cluster_nodes()[node]["pid1"]
    found = [p for p in tree_of(pid1) if "kv serve --managed" in command_line(p) and "conmon" not in command_line(p)]
    return found[0] if found else None


def ask_on(cluster, node, *words, timeout=5):
    """Asks the member on a node, from inside its own network: as a client on its side of a cut would."""
    pid = process_on(cluster, node)
    if pid is None:
        return None
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", sys.executable, str(TREE / "recipes/resp.py"),
                           f"redis://:{PASSWORD}@127.0.0.1:6379", *words], capture_output=True, text=True, timeout=timeout)
    return done.stdout.strip() if done.returncode == 0 else None


def nodes_of(cluster):
    return {r["index"]: r["node"] for r in cluster.replicas("kv", "store")}


def master_of(cluster, seconds=20):
    def leads():
        for node in nodes_of(cluster).values():
            if "master" in (ask_on(cluster, node, "ROLE") or ""):
                return node
    return wait_for("a master", seconds, leads, 0.1)


# ---- load -----------------------------------------------------------------------------------------------------------

class Writers:
    """Some clients that write one key after the other and note what was acknowledged, and when."""

    def __init__(self, open_client, name, count=4):
        self.open_client, self.name = open_client, name
        self.acknowledged = {}
        self.times = []
        self.refusals = {}
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        client, turn = None, 0
        while not self.stopped.is_set():
            key, value = f"{self.name}:{number}:{turn}", f"value {turn} of {number}"
            turn += 1
            try:
                client = client or self.open_client()
                client.call("SET", key, value)
                with self.lock:
                    self.acknowledged[key] = value
                    self.times.append(now_ms())
            except (OSError, Refused) as error:
                with self.lock:
                    word = str(error).split(" ")[0] if isinstance(error, Refused) else type(error).__name__
                    self.refusals[word] = self.refusals.get(word, 0) + 1
                if client:
                    client.close()
                client = None
                self.stopped.wait(0.05)

    def wait_for_writes(self, count, seconds=10):
        goal = len(self.times) + count
        wait_for(f"{count} writes of {self.name}", seconds, lambda: len(self.times) >= goal, 0.01)

    def first_after(self, moment, seconds):
        """When the first write was acknowledged that came a while after `moment`: the pause has ended."""
        return wait_for("writes to flow again", seconds, lambda: next((t for t in self.times if t > moment), None), 0.005)

    def longest_pause(self, since):
        times = [since] + [t for t in self.times if t > since]
        return max((b - a for a, b in zip(times, times[1:])), default=float("inf"))

    def end(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        return self.acknowledged


def missing(cluster, acknowledged):
    """Keys whose acknowledged value is not there."""
    keys = sorted(acknowledged)
    lost = []
    with connect(cluster, 10) as client:
        for at in range(0, len(keys), 500):
            some = keys[at:at + 500]
            replies = client.pipeline([("GET", key) for key in some])
            lost += [k for k, reply in zip(some, replies) if reply != acknowledged[k].encode()]
    return lost


def wait_same_everywhere(cluster, seconds=30):
    """Until every member has as many keys as the master: also the one that was placed anew."""
    def same():
        sizes = {node: ask_on(cluster, node, "DBSIZE") for node in nodes_of(cluster).values()}
        return len(sizes) == 3 and None not in sizes.values() and len(set(sizes.values())) == 1
    wait_for("all members to hold the same", seconds, same, 0.2)


def expect_kept(cluster, acknowledged):
    expect(acknowledged, "nothing was ever acknowledged: the test proves nothing")
    lost = missing(cluster, acknowledged)
    expect(not lost, f"{len(lost)} of {len(acknowledged)} acknowledged writes are lost: {lost[:5]}")


# ---- tests ----------------------------------------------------------------------------------------------------------

def test_kv_serves_from_a_signed_contract(cluster):
    """one master and two followers stand on three nodes, and a client outside writes and reads through the URL"""
    deploy(cluster)
    expect(len(set(nodes_of(cluster).values())) == 3, f"members stand on {nodes_of(cluster)}")
    with connect(cluster) as client:
        expect(client.call("SET", "greeting", "hello") == "OK", "SET was not answered OK")
        expect(client.call("GET", "greeting") == b"hello", "GET gave something else")
    roles = [ask_on(cluster, node, "ROLE") or "" for node in nodes_of(cluster).values()]
    expect(sum("master" in role for role in roles) == 1, f"not one master: {roles}")


def test_kv_asks_for_its_password(cluster):
    """without the password nothing is read or written, a wrong one is refused, and it stands in no command line"""
    deploy(cluster)
    for words in (("SET", "a", "1"), ("GET", "a")):
        with Client(*address(cluster)) as client:
            try:
                answer = client.call(*words)
            except Refused as refused:
                expect("NOAUTH" in str(refused), f"{words}: refused with {refused}")
            else:
                raise AssertionError(f"{words} was answered {answer!r} without the password")
    try:
        Client(*address(cluster), "wrong").close()
        raise AssertionError("a wrong password was taken")
    except Refused as refused:
        expect("WRONGPASS" in str(refused), f"refused with {refused}")
    for node in nodes_of(cluster).values():
        expect(PASSWORD not in command_line(process_on(cluster, node)), "the password is in the command line")


def test_kv_single_keeps_to_its_size_and_is_cancelled(cluster):
    """a kv without followers: what is too much is refused, it waits for its killed node, cancelled nothing is left"""
    file = pathlib.Path(cluster.folder) / "single.yaml"
    file.write_text(SINGLE)
    cluster.run("apply", file, seconds=60)
    cluster.wait_ready("ledgerless", "notes", 1, 60)
    place = address(cluster, "ledgerless", "notes")
    wait_for("an answer", 30, lambda: attempt(lambda: Client(*place).call("SET", "a", "1")) == "OK", 0.1)
    refused = None
    with Client(*place) as client:
        for turn in range(40):
            try:
                client.call("SET", f"big{turn}", "x" * 65536)
            except Refused as error:
                refused = str(error)
                break
        expect(refused, "40 values of 64 KiB fitted into 1 MiB")
        expect(client.call("GET", "a") == b"1", "what was there before is gone")
    print(f"        too much is answered: {refused}")
    node = cluster.node_of("ledgerless", "notes")
    cluster.kill_node(node)
    cluster.restore_node(node)
    wait_for("its value again", 60, lambda: attempt(lambda: Client(*place).call("GET", "a")) == b"1", 0.2)
    expect(cluster.node_of("ledgerless", "notes") == node, "it left its volume behind")
    volumes = pathlib.Path(cluster.folder) / "nodes" / node / "volumes"
    before = list(volumes.glob("*/notes-0"))
    expect(len(before) == 1, f"its volume is not at {volumes}: {before}")
    cluster.run("cancel", "ledgerless", "--erase-volumes")
    wait_for("its volume to go", 30, lambda: not list(volumes.glob("*/notes-0")), 0.1)
    wait_for("its container's disk to go", 30, lambda: not list((volumes.parent / "containers").glob("*-notes-0")), 0.2)


def test_kv_survives_its_masters_node(cluster):
    """SIGKILL of the master's node under 4 writers: a follower takes over, nothing acknowledged is lost"""
    deploy(cluster)
    master = master_of(cluster)
    writers = Writers(lambda: connect(cluster), "kill")
    try:
        writers.wait_for_writes(200)
        killed = cluster.kill_node(master)
        time.sleep(1)  # what was acknowledged by then came from the old one
        flows = writers.first_after(killed + 1_500, 30)
        writers.wait_for_writes(200, 20)
        cluster.wait_moved("kv", "store", 3, master, 60)
        full = now_ms() - killed
        writers.wait_for_writes(100)
    finally:
        acknowledged = writers.end()
    pause = writers.longest_pause(killed)
    print(f"        {len(acknowledged)} writes acknowledged; no write for {pause:.0f} ms, the first one {flows - killed:.0f} ms "
          f"after the kill; 3/3 again after {full:.0f} ms; refusals {writers.refusals}")
    expect_kept(cluster, acknowledged)
    expect(pause <= HEALS_MS, f"no write was acknowledged for {pause:.0f} ms")
    expect(master_of(cluster) != master, "the dead node is master")

    # The new member has all of it, and the dead node's return changes nothing.
    wait_same_everywhere(cluster)
    cluster.restore_node(master)
    wait_for("its old member to be gone", 30, lambda: process_on(cluster, master) is None or
             master in nodes_of(cluster).values(), 0.2)
    expect_kept(cluster, acknowledged)
    wait_same_everywhere(cluster)
    roles = [ask_on(cluster, node, "ROLE") or "" for node in nodes_of(cluster).values()]
    expect(sum("master" in role for role in roles) == 1, f"not one master: {roles}")


def neighbours(cluster, node):
    return {link["a"] if link["b"] == node else link["b"]
            for link in cluster.json("cluster", "status")["links"] if node in (link["a"], link["b"])}


class Cut:
    """Some nodes are on their own, with each other if they are neighbours, until it is left."""

    def __init__(self, cluster, nodes):
        self.cluster, self.nodes = cluster, nodes

    def __enter__(self):
        for node in self.nodes:
            self.cluster.run("cluster", "cut", node)
            for other in neighbours(self.cluster, node) - set(self.nodes):
                self.cluster.run("cluster", "cut", node, other)
        return now_ms()

    def __exit__(self, *_):
        self.cluster.run("cluster", "restore", *self.cluster.cluster_nodes())
        for node in self.nodes:
            wait_for(f"{node} online", 40, lambda: self.cluster.cluster_nodes()[node]["ledger_state"] == "online", 0.1)


class InsideClient:
    """A client in the network of the member on a node: one helper process that speaks for it."""

    def __init__(self, cluster, node):
        pid = process_on(cluster, node)
        program = ("import sys; sys.path.insert(0, sys.argv[1]); from resp import Client, Refused\n"
                   "client = Client('127.0.0.1', 6379, sys.argv[2], 3.0)\n"
                   "for line in sys.stdin:\n"
                   "    try: print(client.call(*line.rstrip('\\n').split('\\t')), flush=True)\n"
                   "    except Refused as refused: print('-' + str(refused), flush=True)\n")
        self.process = subprocess.Popen(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", program,
                                         str(TREE / "recipes"), PASSWORD], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def call(self, *words):
        try:
            self.process.stdin.write("\t".join(words) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline().rstrip("\n")
        except BrokenPipeError:
            line = ""
        if not line:
            raise ConnectionResetError("the client inside has ended")
        if line.startswith("-"):
            raise Refused(line[1:])
        return line

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # what was not sent yet


def test_kv_master_cut_off_alone_acknowledges_nothing(cluster):
    """the master alone is cut off with writers on its side: the others elect, and nothing acknowledged anywhere is lost"""
    deploy(cluster)
    master = master_of(cluster)
    inside = Writers(lambda: InsideClient(cluster, master), "alone", 2)
    outside = Writers(lambda: connect(cluster), "outside", 2)
    try:
        inside.wait_for_writes(50)
        outside.wait_for_writes(50)
        with Cut(cluster, [master]) as cut:
            outside.first_after(cut + 1_500, 30)
            outside.wait_for_writes(100, 20)
            late = [t for t in inside.times if t > cut + 1_000]
            expect(not late, f"{len(late)} writes were acknowledged by a master that was alone")
        outside.wait_for_writes(50, 20)
    finally:
        kept = {**inside.end(), **outside.end()}
    print(f"        {len(kept)} writes acknowledged; outside no write for {outside.longest_pause(cut):.0f} ms; "
          f"inside refusals {inside.refusals}")
    cluster.wait_ready("kv", "store", 3, 60)
    expect_kept(cluster, kept)
    expect(outside.longest_pause(cut) <= HEALS_MS, "outside waited for too long")


def test_kv_master_cut_off_with_a_follower_loses_nothing(cluster):
    """master and one follower are cut off together and go on for their side: after the cut is mended all of it is there"""
    deploy(cluster)
    master = master_of(cluster)
    beside = sorted(neighbours(cluster, master) & set(nodes_of(cluster).values()))
    expect(beside, f"no member beside {master}: {nodes_of(cluster)}")
    inside = Writers(lambda: InsideClient(cluster, master), "pair", 2)
    outside = Writers(lambda: connect(cluster), "rest", 2)
    try:
        inside.wait_for_writes(50)
        outside.wait_for_writes(50)
        with Cut(cluster, [master, beside[0]]) as cut:
            time.sleep(8)  # past fence_after: the ledger has written both off
            together = sum(t > cut + 2_000 for t in inside.times)
            apart = sum(t > cut + 2_000 for t in outside.times)
        outside.first_after(now_ms(), 40)
        outside.wait_for_writes(50, 20)
    finally:
        kept = {**inside.end(), **outside.end()}
    print(f"        {len(kept)} writes acknowledged; while cut: {together} inside, {apart} outside")
    cluster.wait_ready("kv", "store", 3, 60)
    expect_kept(cluster, kept)
    wait_same_everywhere(cluster)
    expect(together > 0, "two of three members acknowledged nothing to their side")
    expect(apart == 0, "the minority of one acknowledged writes")


def test_kv_update_rolls_without_loss(cluster):
    """another size under load: each member begins anew in turn, nothing acknowledged is lost"""
    deploy(cluster)
    file = pathlib.Path(cluster.folder) / "larger.yaml"
    file.write_text(RECIPE.read_text().replace("size: 64MiB", "size: 96MiB"))
    before = cluster.json("status", "kv")["version"]
    writers = Writers(lambda: connect(cluster), "update")
    try:
        writers.wait_for_writes(100)
        began = now_ms()
        cluster.run("apply", file, "--no-wait", env=ENV)

        def rolled():
            replicas = cluster.replicas("kv", "store")
            return all(r["ready"] and r["version"] > before for r in replicas)
        wait_for("all members in the new version", 90, rolled, 0.1)
        took = now_ms() - began
        writers.wait_for_writes(100, 20)
    finally:
        acknowledged = writers.end()
    print(f"        {len(acknowledged)} writes acknowledged, updated in {took:.0f} ms, no write for "
          f"{writers.longest_pause(began):.0f} ms; refusals {writers.refusals}")
    expect_kept(cluster, acknowledged)
    expect(writers.longest_pause(began) <= HEALS_MS, "writes stood still for too long")


def test_kv_cancelled_leaves_its_volumes_only(cluster):
    """cancelled without a word about volumes: processes, networks and containers go, the data stays"""
    deploy(cluster)
    nodes = nodes_of(cluster)
    cluster.run("cancel", "kv")
    for node in nodes.values():
        wait_for(f"its process on {node} to end", 30, lambda: process_on(cluster, node) is None, 0.1)
        data = pathlib.Path(cluster.folder) / "nodes" / node
        wait_for("its container's disk to go", 30, lambda: not list((data / "containers").glob("*-store-*")), 0.2)
    kept = [p for index, node in nodes.items()
            for p in (pathlib.Path(cluster.folder) / "nodes" / node / "volumes").glob(f"*/store-{index}")]
    expect(len(kept) == 3, f"volumes that are kept: {kept}")
