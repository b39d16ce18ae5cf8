"""Places in a local cluster's networks, seen from the host: nodes, containers, the cluster's root, routers of hidden nodes,
and machines of strangers plugged into its uplink. Judges (curl, dig, ping, tcpdump, ...) are started in them by nsenter."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import Failure, expect, wait_for

HUB = "10.250.0.1"
PR_SET_PDEATHSIG = 1


CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
    print("yes")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silent")
"""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Place:
    """A network namespace, and how to get there."""

    def __init__(self, name, enter):
        self.name, self.enter = name, list(enter)

    def run(self, *words, seconds=20, check=False, stdin=None):
        try:
            done = subprocess.run([*self.enter, *map(str, words)], capture_output=True, text=True, timeout=seconds,
                                  input=stdin, errors="replace")
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self.name}: {' '.join(map(str, words))}: not within {seconds} s") from late
        if check and done.returncode != 0:
            raise Failure(f"{self.name}: {' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def out(self, *words, **options):
        return self.run(*words, check=True, **options).stdout

    def start(self, *words, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        return subprocess.Popen([*self.enter, *map(str, words)], preexec_fn=die_with_parent, **options)

    @contextlib.contextmanager
    def running(self, *words, **options):
        process = self.start(*words, **options)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    # ---- judges

    def ping(self, address, count=1, size=56, *more):
        """How many of `count` came back; one each 0.1 s, an answer within 1 s."""
        done = self.run("ping", "-n", "-q", "-i", "0.1", "-W", "1", "-c", count, "-s", size, *more, address, seconds=count + 5)
        return int(next((line.split()[3] for line in done.stdout.splitlines() if " received" in line), 0))

    def curl(self, url, *more, seconds=3):
        """(status, body); (0, reason) when there is no answer. Names are asked of nobody: say --resolve."""
        done = self.run("curl", "-s", "-S", "-g", "-m", seconds, "-w", "\n%{http_code}", *more, url, seconds=seconds + 5)
        body, _, status = done.stdout.rpartition("\n")
        return (int(status), body) if status.isdigit() and status != "000" else (0, done.stderr.strip())

    def dig(self, name, kind="A", server=None):
        """The answer's data, sorted; a status like NXDOMAIN as ["NXDOMAIN"]."""
        words = ["dig", "+noall", "+answer", "+comments", "+time=1", "+tries=3", "-t", kind, name]
        done = self.run(*words, f"@{server}", seconds=5)
        status = next((line.split("status: ")[1].split(",")[0] for line in done.stdout.splitlines() if "status: " in line), "SILENT")
        rows = [line.split(None, 4) for line in done.stdout.splitlines() if line and not line.startswith(";")]
        return sorted(row[4] for row in rows if len(row) == 5 and row[3] == kind) if status == "NOERROR" else [status]

    def connects(self, address, port, seconds=1):
        """Does a TCP connection open? "yes", "refused" or "silent"."""
        done = self.run("python3", "-c", CONNECT, address, port, seconds, seconds=seconds + 5)
        return done.stdout.strip() or "silent"


def node(cluster, name):
    return Place(name, ["nsenter", "-t", str(cluster.cluster_nodes()[name]["pid1"]), "-m", "-n"])


def root(cluster):
    return Place("root", ["nsenter", "-t", str(cluster.service_pid("ledger")), "-m", "-n"])


def router(cluster, name):
    """The NAT in front of a hidden node."""
    number = list(cluster.cluster_nodes()).index(name) + 1
    return Place(f"router of {name}", [*root(cluster).enter, "nsenter", f"--net=/run/netns/router-{number}"])


def contract_id(cluster, contract):
    return cluster.json("status", contract)["id"]


def container(cluster, contract, workload, index=0):
    """The namespace of a replica, where it runs now."""
    at = next(r["node"] for r in cluster.replicas(contract, workload) if r["index"] == index)
    netns = f"/run/netns/mcloud-{contract_id(cluster, contract)[:16]}-{workload}-{index}"
    return Place(f"{contract}/{workload}-{index} on {at}", [*node(cluster, at).enter, "nsenter", f"--net={netns}"])


def address(place, interface="eth0", family=4):
    """The global address of an interface."""
    links = json.loads(place.out("ip", "-j", f"-{family}", "addr", "show", "dev", interface))
    found = [a["local"] for link in links for a in link["addr_info"] if a["scope"] == "global"]
    expect(found, f"{place.name} has no IPv{family} address on {interface}")
    return found[0]


def socket_bytes(ipv4):
    """An address as it stands in packets."""
    return bytes(map(int, ipv4.split(".")))


def gateway(place):
    """Where a container's packets go: its default route."""
    return json.loads(place.out("ip", "-j", "route", "show", "default"))[0]["gateway"]


@contextlib.contextmanager
def stranger(cluster, name="stranger", number=200):
    """A machine on the uplink that is none of the cluster's: 10.250.0.NUMBER, 2001:db8:250::NUMBER."""
    home = root(cluster)
    keeper = Place("root", [*home.enter, "-p"])  # ip netns looks into /proc/self
    port = f"str-{number}"
    keeper.run("ip", "netns", "del", name)
    keeper.out("ip", "netns", "add", name)
    try:
        place = Place(name, [*home.enter, "nsenter", f"--net=/run/netns/{name}"])
        # The same MAC each time: nodes remember the one of before for a while.
        home.out("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", f"02:fe:00:00:00:{number:02x}", "netns", name)
        home.out("ip", "link", "set", port, "master", "uplink", "up")
        place.out("sh", "-c", "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0 "
                              "net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 "
                              "net.ipv4.conf.all.rp_filter=0; ip link set lo up; ip link set eth0 up; "
                              f"ip addr add 10.250.0.{number}/24 dev eth0; ip -6 addr add 2001:db8:250::{number}/64 dev eth0; "
                              f"ip route add default via {HUB}")
        yield place
    finally:
        home.run("ip", "link", "del", port)  # the kernel takes its time to put a namespace away
        keeper.run("ip", "netns", "del", name)


# ---- what is there

def leftovers(cluster):
    """What private networks and gateways have left in each node: links, namespaces, rules, addresses, processes."""
    found = set()
    for name, facts in cluster.cluster_nodes().items():
        if facts["state"] != "up":
            continue
        place = node(cluster, name)
        found |= {f"{name}: link {link['ifname']}" for link in json.loads(place.out("ip", "-j", "link"))
                  if link["ifname"].startswith(("mcloud-", "mwg", "vx"))}
        found |= {f"{name}: netns {netns}" for netns in place.run("ls", "/run/netns").stdout.split()}
        found |= {f"{name}: {line}" for line in place.out("nft", "list", "tables").splitlines() if "mcloud_lab" not in line}
        found |= {f"{name}: address {row['local']}" for link in json.loads(place.out("ip", "-j", "addr", "show", "lo"))
                  for row in link["addr_info"] if row["local"].startswith("198.")}
        for word in ("unbound", "wireguard-go", "haproxy", "node gateway", "node tunnel"):
            found |= {f"{name}: process {word}" for _ in processes(cluster, word, name)}
    return found


def processes(cluster, word, node_name):
    """Host's numbers of the processes of a node whose command line has `word`."""
    from test_agent import command_line, tree_of
    return [pid for pid in tree_of(cluster.cluster_nodes()[node_name]["pid1"]) if word in command_line(pid)]


def kill9(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


# ---- contracts

RESOURCES = "{cpu: 100m, memory: 32MiB, disk: 16MiB, pids: 16}"


def tiny_image(cluster):
    """A web server that says which replica it is, and ends when it is told to: as pid 1 busybox itself would be waited for 10 s."""
    from tiny_image import write_layout
    layout = pathlib.Path(cluster.folder) / "tiny-web"
    if not layout.exists():
        write_layout(layout, command=["/bin/sh", "-c", "cat /proc/sys/kernel/hostname > /tmp/index.html; trap 'exit 0' TERM; "
                                                       "/bin/busybox httpd -f -p 80 -h /tmp & wait"])
    return layout


def web(cluster, image=None, on=None, replicas=1, networks=None, ports="{http: 80}", interval="1s"):
    """Lines of a container workload that serves HTTP."""
    placement = "{spread: require}" if replicas > 1 else "{}"
    if on:
        placement = f"{{labels: {{node: {on}}}}}"
    lines = ["kind: container", f"image: oci:{image or tiny_image(cluster)}", f"replicas: {replicas}", f"resources: {RESOURCES}",
             f"ports: {ports}", f"placement: {placement}",
             f"health: {{http: {{port: http, path: /}}, interval: {interval}, timeout: 1s, retries: 2, start_period: 20s}}"]
    if networks:
        lines.append(f"networks: [{', '.join(networks)}]")
    return lines


def apply(cluster, name, workloads, wait=True, seconds=60):
    """workloads: name -> lines. Applied as ida, whose approval is enough; waits until all containers are ready."""
    text = f"name: {name}\nworkloads:\n"
    for workload, lines in workloads.items():
        text += f"  {workload}:\n" + "".join(f"    {line}\n" for line in lines)
    path = pathlib.Path(cluster.folder) / f"{name}.yaml"
    path.write_text(text)
    cluster.run("apply", path, "--no-wait", seconds=seconds)
    if wait:
        for workload, lines in workloads.items():
            if "kind: container" in lines:
                count = int(next(line for line in lines if line.startswith("replicas: ")).split()[1])
                cluster.wait_ready(name, workload, count, seconds)


@contextlib.contextmanager
def contract(cluster, name, workloads, **options):
    """A contract for the length of a test."""
    try:
        apply(cluster, name, workloads, **options)
        yield
    finally:
        cluster.run("cancel", name, check=False)
        gone(cluster, name)


def gone(cluster, name):
    def is_gone():
        status = cluster.try_json("status", name)
        return status is None or not any(r.get("node") for r in status["replicas"])
    wait_for(f"{name} gone from all nodes", 30, is_gone, 0.1)


# ---- a TCP stream that tells how long it stalled

ECHO = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET)
while True:
    client, _ = server.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := client.recv(4096):
        client.sendall(data)
"""

STREAM = """
import socket, sys, time
client = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
client.settimeout(15)
print("open", flush=True)
while True:
    start = time.monotonic()
    client.sendall(b"x")
    if client.recv(1) != b"x":
        raise OSError("closed")
    print(f"{time.monotonic():.6f} {(time.monotonic() - start) * 1000:.2f}", flush=True)
    time.sleep(0.002)
"""


class Stream:
    """One TCP connection of small questions and answers; worst() is its longest wait (ms) since the last call."""

    def __init__(self, client, server, where=None, port=7777):
        self.server = server.start("python3", "-c", ECHO, port)
        where = where or address(server)
        wait_for("the echo server", 5, lambda: client.connects(where, port) == "yes", 0.05)
        self.client = client.start("python3", "-u", "-c", STREAM, where, port, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.client.stdout.fileno(), False)
        self.text = b""
        wait_for("the stream", 5, lambda: b"\n" in self.read(), 0.02)
        self.text = b""

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self.client.stdout.fileno(), 1 << 16):
                self.text += more
        return self.text

    def worst(self):
        expect(self.client.poll() is None, f"the stream broke: {self.read()[-200:].decode(errors='replace')}")
        lines = self.read().decode().splitlines()
        self.text = b""
        waits = [float(line.split()[1]) for line in lines if len(line.split()) == 2]
        expect(waits, "the stream stands still")
        return max(waits)

    def close(self):
        for process in (self.client, self.server):
            process.kill()
            process.wait()
        self.client.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ring_links(cluster):
    return [(link["a"], link["b"]) for link in cluster.json("cluster", "status")["links"]]


def ring_is_whole(cluster):
    """Does every node of the ring know a way to every other one, by both of its links?"""
    ring = {name for link in ring_links(cluster) for name in link}
    ways = {name: node(cluster, name).out("ip", "route", "show", "proto", "bird") for name in ring}
    return all(len(re.findall(r"^10\.251\.0\.\d+ ", text, re.M)) == len(ring) - 1 and "dev ring-next" in text and "dev ring-prev" in text
               for text in ways.values())


def ride_out_cuts(cluster, stream, spared):
    """Cuts in silence each link, then each node that forwards but those `spared`: the stream waits at most 1 s and never breaks."""
    links = ring_links(cluster)
    ring = sorted({name for link in links for name in link})
    faults = [[link] for link in links] + [[link for link in links if name in link] for name in ring if name not in spared]
    for fault in faults:
        wait_for("the ring", 15, lambda: ring_is_whole(cluster), 0.1)
        stream.worst()
        cuts = [subprocess.Popen([cluster.mcloud, "cluster", "cut", *link], env=cluster.environment(), stdout=subprocess.DEVNULL) for link in fault]
        expect([cut.wait(10) for cut in cuts] == [0] * len(cuts), "cut failed")
        wait_ms(2000)
        worst = stream.worst()
        print(f"        cut {' and '.join('-'.join(link) for link in fault)}: longest wait {worst:.0f} ms")
        for link in fault:
            cluster.run("cluster", "mend", *link)
        expect(worst <= 1000, f"stalled for {worst:.0f} ms")


def wait_ms(milliseconds):
    """How long a fault is watched; nothing is waited for."""
    time.sleep(milliseconds / 1000)
