#!/usr/bin/python3
"""Private networks and gateways of a local cluster against what somebody would set up by hand, in the same run.

    bench/network/run.py --mcloud BINARY [--rounds 5] [--seconds 3] [--only METRIC...] [--agents BINARY]
        [--gate BINARY] [--tunnel BINARY]
`ninja -C build/release mcloud network_agents network_tunnel image_relay` builds them. Needs root and the peers: apt-get install
wireguard-go wireguard-tools iperf3 iputils-ping. What is compared takes turns, round after round; figures are medians.
"""
import argparse
import contextlib
import json
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path[:0] = [str(TREE / "tests/e2e"), str(HERE)]

import places  # noqa: E402
from harness import Cluster, wait_for  # noqa: E402
from places import address, container, contract, node, web  # noqa: E402

PEER_PORT = 51999
RING_MTU = 9000


def row(metric, ours, peer, peer_name, unit, bar=None, more_is_better=True):
    ratio = ours / peer if peer else None
    measured = ratio if peer else ours
    met = bar is None or (measured >= bar if more_is_better else measured <= bar)
    fits = "" if bar is None else f" bar={bar} {'met' if met else 'MISSED'}"
    shown = "none" if peer is None else f"{peer:.3f}"
    print(f"metric={metric} ours={ours:.3f} peer={shown} peer_name={peer_name} ratio={'none' if ratio is None else f'{ratio:.3f}'} "
          f"unit={unit}{fits}", flush=True)


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


# ---- measuring

def tcp_mbit(client, where, seconds):
    done = client.out("iperf3", "-J", "-c", where, "-t", seconds, "-O", "1", seconds=seconds + 15)
    return json.loads(done)["end"]["sum_received"]["bits_per_second"] / 1e6


def rtt_us(client, where, count=400):
    """Median of small pings, one after the other."""
    text = client.out("ping", "-n", "-i", "0.002", "-c", count, where, seconds=30)
    return statistics.median(float(found) for found in re.findall(r"time=([\d.]+) ms", text)) * 1000


def in_turn(rounds, measures):
    """[[ours, theirs], ...] -> medians; who is first changes from round to round."""
    seen = [[] for _ in measures]
    for i in range(rounds):
        for j in (range(len(measures)) if i % 2 == 0 else reversed(range(len(measures)))):
            seen[j].append(measures[j]())
    for j, values in enumerate(seen):
        print(f"  {('ours', 'peer', 'same')[j]}: " + " ".join(f"{value:.0f}" for value in values))
    return [statistics.median(values) for values in seen]


# ---- peers

def share_as(pid, other):
    """The process gets its share of the processors from the same control groups as `other`."""
    for line in pathlib.Path(f"/proc/{other}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        base = pathlib.Path("/sys/fs/cgroup")
        folder = base / (controllers.removeprefix("name=") if controllers else "unified")
        (folder if folder.is_dir() else base).joinpath(path.lstrip("/"), "cgroup.procs").write_text(str(pid))


def netns_of(place):
    return place.enter[-1].removeprefix("--net=")


class HandMade:
    """WireGuard between the same two namespaces, over the same link: its device in the container, its socket in the node,
    its process where the node's own are."""

    def __init__(self, cluster, ends, net="10.99.0", port=PEER_PORT):
        self.stack = contextlib.ExitStack()
        keys = [subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip() for _ in ends]
        public = [subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True, check=True).stdout.strip() for key in keys]
        backplane = [cluster.cluster_nodes()[name]["address"] for name, _ in ends]
        self.kind = "kernel"
        for i, (name, place) in enumerate(ends):
            home = node(cluster, name)
            device = f"hand{port}-{i}"
            if home.run("ip", "link", "add", device, "type", "wireguard").returncode != 0:
                self.kind = "wireguard-go"
                process = self.stack.enter_context(home.running("wireguard-go", "-f", device))
                share_as(process.pid, places.processes(cluster, "wireguard-go", name)[0])
                wait_for("wireguard-go", 5, lambda: home.run("wg", "show", device).returncode == 0, 0.05)
            config = (f"[Interface]\nPrivateKey = {keys[i]}\nListenPort = {port}\n[Peer]\nPublicKey = {public[1 - i]}\n"
                      f"AllowedIPs = {net}.{2 - i}/32\nEndpoint = {backplane[1 - i]}:{port}\n")
            file = pathlib.Path(cluster.folder) / f"{device}.conf"
            file.write_text(config)
            home.out("wg", "setconf", device, file)
            home.out("ip", "link", "set", device, "netns", netns_of(place))
            place.out("ip", "addr", "add", f"{net}.{i + 1}/24", "dev", device)
            place.out("ip", "link", "set", device, "mtu", RING_MTU - 80, "up")
            self.stack.callback(place.run, "ip", "link", "del", device)
        self.addresses = [f"{net}.{i + 1}" for i in range(2)]
        self.address = self.addresses[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


class SameByHand:
    """What a private network is made of, by hand, without rules and agents: from the container a veth to a bridge in a
    namespace of its own, from there VXLAN. It tells what the design costs from what our part costs."""

    def __init__(self, cluster, ends):
        self.stack = contextlib.ExitStack()
        self.ends = ends
        self.spaces = []
        for i, (name, _) in enumerate(ends):
            home = node(cluster, name)
            keeper = places.Place(name, [*home.enter, "-p"])  # ip netns looks into /proc/self
            keeper.out("ip", "netns", "add", f"same{i}")
            self.stack.callback(keeper.run, "ip", "netns", "del", f"same{i}")
            self.spaces.append((name, places.Place(f"same{i}", [*home.enter, "nsenter", f"--net=/run/netns/same{i}"])))
        self.address = "10.94.0.2"

    def connect(self, homes, addresses, mtu):
        """VXLAN from home to home, between the addresses they have."""
        for i, ((_, space), (_, place)) in enumerate(zip(self.spaces, self.ends)):
            homes[i].out("ip", "link", "add", "svx", "mtu", mtu, "type", "vxlan", "id", "9", "local", addresses[i], "remote", addresses[1 - i],
                         "dstport", "4999")
            if homes[i] is not space:
                homes[i].out("ip", "link", "set", "svx", "netns", "/run/netns/" + space.name)
            space.out("ip", "link", "add", "br0", "mtu", mtu, "type", "bridge")
            space.out("ip", "link", "set", "svx", "master", "br0", "up")
            space.out("ip", "link", "set", "br0", "up")
            space.out("ip", "link", "add", "port", "mtu", mtu, "type", "veth", "peer", "name", "same", "mtu", mtu)
            space.out("ip", "link", "set", "same", "netns", netns_of(place))
            space.out("ip", "link", "set", "port", "master", "br0", "up")
            place.out("ip", "addr", "add", f"10.94.0.{i + 1}/24", "dev", "same")
            place.out("ip", "link", "set", "same", "up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


class VethAndBridge:
    """Two namespaces on one bridge, in the cluster's root."""

    def __init__(self, cluster):
        self.home = places.root(cluster)
        self.keeper = places.Place("root", [*self.home.enter, "-p"])  # ip netns looks into /proc/self
        self.ends = []
        self.home.out("ip", "link", "add", "hand-br", "mtu", RING_MTU, "type", "bridge")
        self.home.out("ip", "link", "set", "hand-br", "up")
        for i in (1, 2):
            name = f"hand{i}"
            self.keeper.out("ip", "netns", "add", name)
            end = places.Place(name, [*self.home.enter, "nsenter", f"--net=/run/netns/{name}"])
            self.home.out("ip", "link", "add", f"hand-{i}", "mtu", RING_MTU, "type", "veth", "peer", "name", "eth0", "mtu", RING_MTU, "netns", name)
            self.home.out("ip", "link", "set", f"hand-{i}", "master", "hand-br", "up")
            end.out("ip", "link", "set", "eth0", "up")
            end.out("ip", "addr", "add", f"10.98.0.{i}/24", "dev", "eth0")
            self.ends.append(end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for i in (1, 2):
            self.keeper.run("ip", "netns", "del", f"hand{i}")
        self.home.run("ip", "link", "del", "hand-br")


# ---- metrics

def pair(cluster, encryption):
    def end(name):  # a bare network stays within one farm
        return [line.replace("{labels:", "{farms: [home], labels:") for line in web(cluster, on=name)]
    return {"net": ["kind: network", "range: 10.97.0.0/24", f"encryption: {encryption}"], "left": end("n1"), "right": end("n2")}


def encrypted(cluster, options):
    """net_tcp, net_rtt"""
    with contract(cluster, "bench", pair(cluster, "wireguard")):
        left, right = container(cluster, "bench", "left"), container(cluster, "bench", "right")
        where, ends = address(right), [("n1", left), ("n2", right)]
        wait_for("the network", 30, lambda: left.ping(where) == 1, 0.1)
        with (HandMade(cluster, ends) as peer, SameByHand(cluster, ends) as same, HandMade(cluster, same.spaces, "10.93.0", PEER_PORT + 1) as under,
              right.running("iperf3", "-s")):
            same.connect([space for _, space in same.spaces], under.addresses, RING_MTU - 130)
            wait_for("the peers' networks", 20, lambda: left.ping(peer.address) == 1 and left.ping(same.address) == 1, 0.1)
            goals = [where, peer.address, same.address]
            print(f"peer: WireGuard by hand ({peer.kind}; {version('wg', '--version')}), mtu {RING_MTU - 80}; {version('iperf3', '--version')}, "
                  f"iperf3 -c ADDRESS -t {options.seconds} -O 1")
            ours, theirs, made = in_turn(options.rounds, [lambda goal=goal: tcp_mbit(left, goal, options.seconds) for goal in goals])
            row("net_tcp", ours, theirs, f"{peer.kind}_by_hand", "Mbit/s", 0.95)
            row("net_tcp_same", ours, made, f"{peer.kind}_and_vxlan_by_hand", "Mbit/s")
            print("peer: the same; ping -i 0.002 -c 400, medians")
            ours, theirs, made = in_turn(2 * options.rounds, [lambda goal=goal: rtt_us(left, goal) for goal in goals])
            row("net_rtt", ours, theirs, f"{peer.kind}_by_hand", "us", 1.10, more_is_better=False)
            row("net_rtt_same", ours, made, f"{peer.kind}_and_vxlan_by_hand", "us")


def plain(cluster, options):
    """net_plain"""
    with contract(cluster, "bench", pair(cluster, "none")), VethAndBridge(cluster) as peer:
        left, right = container(cluster, "bench", "left"), container(cluster, "bench", "right")
        where, ends = address(right), [("n1", left), ("n2", right)]
        wait_for("the network", 30, lambda: left.ping(where) == 1, 0.1)
        print(f"peer: two namespaces, veth and one bridge, mtu {RING_MTU}; {version('iperf3', '--version')}, iperf3 -c ADDRESS -t {options.seconds} -O 1")
        with SameByHand(cluster, ends) as same, right.running("iperf3", "-s"), peer.ends[1].running("iperf3", "-s"):
            homes = [node(cluster, name) for name, _ in ends]
            same.connect(homes, [cluster.cluster_nodes()[name]["address"] for name, _ in ends], RING_MTU - 50)
            goals = [(left, where), (peer.ends[0], "10.98.0.2"), (left, same.address)]
            wait_for("iperf3", 5, lambda: all(place.connects(goal, 5201) == "yes" for place, goal in goals), 0.1)
            ours, theirs, made = in_turn(options.rounds, [lambda place=place, goal=goal: tcp_mbit(place, goal, options.seconds) for place, goal in goals])
        row("net_plain", ours, theirs, "veth_and_bridge", "Mbit/s", 0.85)
        row("net_plain_same", ours, made, "vxlan_by_hand", "Mbit/s")


def failover(cluster, options):
    """gw_failover_ms"""
    import test_gateway as gateways
    gateways.own(cluster, "bench")
    took = []
    with contract(cluster, "bench", {"web": web(cluster, on="n3"), "site": gateways.site("bench")}):
        for i in range(options.rounds):
            gateway = list(gateways.GATEWAYS)[i % 2]
            ms, failed, sent = gateways.failover_ms(cluster, "bench", gateway)
            print(f"  {gateway} killed: {ms:.0f} ms, {failed} of {sent} requests failed at both")
            took.append(ms)
            cluster.restore_node(gateway)
    row("gw_failover_ms", statistics.median(took), None, "none", "ms", 2000, more_is_better=False)


REAL, SIMULATED = 8, 42


def wide(cluster, extra=None):
    """One network of 50 nodes; `extra` = a node that gets one more member."""
    work = {"net": ["kind: network", "range: 10.96.0.0/24"]}
    work |= {f"r{i}": web(cluster, on=f"n{i}") for i in range(1, REAL + 1)}
    sim = [line for line in web(cluster, on="sim", replicas=SIMULATED) if not line.startswith(("placement:", "replicas:"))]
    work["sim"] = [*sim, f"replicas: {SIMULATED}", "placement: {labels: {node: sim}, spread: require}"]
    if extra:
        work["plus"] = web(cluster, on=extra)
    return work


def first_answers(members, where, act):
    """Seconds from the call of act() to each member's first answer from `where`, and act()'s own."""
    pings = [place.start("ping", "-n", "-D", "-i", "0.02", "-W", "1", where, stdout=subprocess.PIPE, text=True) for place in members]
    begun = time.time()
    act()
    acted = time.time() - begun
    took = []
    for ping in pings:
        watchdog = threading.Timer(20, ping.kill)
        watchdog.start()
        line = next((line for line in ping.stdout if "bytes from" in line), None)
        watchdog.cancel()
        ping.kill()
        ping.wait()
        ping.stdout.close()
        if line is None:
            raise places.Failure(f"no answer from {where} in 20 s")
        took.append(float(line[1:line.index("]")]) - begun)
    return took, acted


def converge(_, options):
    """net_converge_ms: 50 nodes, 8 of them real; one member added"""
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-") as folder, Cluster(options.mcloud, pathlib.Path(folder) / "c", nodes=REAL) as cluster:
        port = next(f["port"] for f in cluster.json("cluster", "status")["forwards"] if f["name"] == "ledger")
        agents = subprocess.Popen([options.agents, cluster.folder, f"http://127.0.0.1:{port}", str(SIMULATED)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, preexec_fn=places.die_with_parent)
        try:
            next(line for line in agents.stdout if line == "ready\n")
            with contract(cluster, "wide", wide(cluster), seconds=120):
                members = [container(cluster, "wide", f"r{i}") for i in range(1, REAL + 1)]
                wait_for("the network", 60, lambda: all(members[0].ping(address(m)) == 1 for m in members[1:]), 0.5)
                totals, applies, lost = [], [], 0
                for i in range(options.rounds):
                    steady = members[0].start("ping", "-n", "-i", "0.01", address(members[4]), stdout=subprocess.PIPE, text=True)
                    at = f"n{2 + i % 7}"
                    where = next_address(cluster, "wide")
                    others = [m for n, m in enumerate(members, 1) if f"n{n}" != at]
                    took, acted = first_answers(others, where, lambda: places.apply(cluster, "wide", wide(cluster, at), wait=False))
                    steady.send_signal(signal.SIGINT)
                    seen = [int(found) for found in re.findall(r"icmp_seq=(\d+) ttl", steady.communicate()[0])]
                    lost += max(seen) - len(set(seen))  # what is younger than the last answer may be on its way
                    totals.append((max(took) - acted) * 1000)
                    applies.append(acted * 1000)
                    places.apply(cluster, "wide", wide(cluster), wait=False)
                    wait_for("the member gone", 30, lambda: others[0].ping(where) == 0, 0.3)
                print(f"  after `mcloud apply` came back: {' '.join(f'{t:.0f}' for t in totals)} ms (it took {statistics.median(applies):.0f} ms); "
                      f"{lost} pings of others lost")
                row("net_converge_ms", statistics.median(totals), None, "none", "ms", 1000, more_is_better=False)
                row("net_converge_lost", lost, None, "none", "packets", 0, more_is_better=False)
        finally:
            agents.stdin.close()
            agents.wait(10)


def next_address(cluster, name):
    """What the ledger leases next: the lowest free address."""
    seen = {int(found) for found in re.findall(r"10\.96\.0\.(\d+)", cluster.run("network", "show", name, "--json").stdout)}
    return f"10.96.0.{next(n for n in range(2, 255) if n not in seen)}"


METRICS = {"net_converge_ms": converge, "net_tcp": encrypted, "net_rtt": encrypted, "net_plain": plain, "gw_failover_ms": failover}
OTHERS = {"gate": ["gw_http_rps", "gw_https_rps"], "tunnel": ["gw_tunnel_rps", "gw_tunnel_mb"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--agents", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--gate", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--tunnel", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    wanted = [measure for name, measure in METRICS.items() if not options.only or name in options.only]
    if converge in wanted:
        wanted.remove(converge)
        if options.agents:
            converge(None, options)
    if wanted:
        with tempfile.TemporaryDirectory(prefix="mcloud-bench-") as folder, Cluster(options.mcloud, pathlib.Path(folder) / "c", nodes=4) as cluster:
            for measure in dict.fromkeys(wanted):
                measure(cluster, options)
    for name, metrics in OTHERS.items():
        program, runner = getattr(options, name), HERE / f"{name}.py"
        if program and runner.exists() and (not options.only or set(options.only) & set(metrics)):
            subprocess.run([sys.executable, runner, f"--{name}", program, "--rounds", str(options.rounds)], check=True)


if __name__ == "__main__":
    main()
