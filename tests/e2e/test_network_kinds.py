"""Kinds of private networks: WireGuard of its own, and a physical network in the tunnels' place. In the networks' cluster."""
import contextlib
import re

import places
from harness import expect, wait_for
from places import address, container, contract, node, root, stranger, web
from test_network import RELAYS, captured

DEDICATED = ["kind: network", "range: 10.79.0.0/24", "dedicated: true"]
HALL = ["kind: network", "range: 10.80.0.0/24", "encryption: none", "bridge: hall"]


def wireguard_ports(cluster, name, vni):
    """UDP ports of WireGuard devices as `wg` sees them from a network's namespace: the kernel's there, wireguard-go's all."""
    inside = places.Place(name, [*node(cluster, name).enter, "nsenter", f"--net=/run/netns/mcloud_net_{vni}"])
    rows = inside.out("wg", "show", "all", "listen-port").split()
    return {int(port) for port in rows[1::2]} - {51820, 51821, 51822}, inside


def test_a_dedicated_network_has_wireguard_of_its_own(cluster):
    """`dedicated: true`: containers on the ring and behind NAT talk by a device and a port of the network's own, and it goes with it"""
    before = places.leftovers(cluster)
    work = {"net": DEDICATED, "left": web(cluster, on="n1"), "right": web(cluster, on="n3"), "nat": web(cluster, on="n5")}
    with contract(cluster, "own", work):
        left, right, nat = (container(cluster, "own", w) for w in ("left", "right", "nat"))
        there = address(right)
        for one, other in ((left, right), (nat, right), (left, nat)):
            wait_for(f"{one.name} -> {other.name}", 40, lambda: one.curl(f"http://{address(other)}/")[0] == 200, 0.2)
        vni = cluster.json("network", "show", "own/net")["networks"][0]["vni"]
        ports = {}
        for name in ("n1", "n3", "n5"):
            ports[name], inside = wireguard_ports(cluster, name, vni)
            expect(len(ports[name]) == 1, f"{name}: ports of its own: {ports[name]}")
            expect(inside.run("ip", "link", "show", "mwgd0").returncode == 0, f"{name} has no mwgd0 in the network's namespace")
            shaken = inside.out("wg", "show", "all", "latest-handshakes").split("\n")
            expect(any(not row.endswith("\t0") for row in shaken if row), f"{name} has shaken no hands")

        def talk():
            for _ in range(5):
                expect(left.curl(f"http://{there}/?the-word-of-its-own")[0] == 200, "no answer")
            expect(left.ping(there, 5) == 5 and left.ping(address(right, family=6), 3, 56, "-6") == 3, "no pings")
        lines, raw = captured(cluster, ["n1", "n2", "n3", "n4"], ["ring-next"], talk)
        expect(b"the-word-of-its-own" not in raw and places.socket_bytes(there) not in raw, "seen in clear")
        seen = [set(map(int, m)) for m in re.findall(r"10\.251\.0\.\d+\.(\d+) > 10\.251\.0\.\d+\.(\d+): UDP", "\n".join(lines))]
        seen = [two for two in seen if not two & {3784, 3785}]  # of routing
        own = ports["n1"] | ports["n3"]
        expect(sum(two <= own for two in seen) >= 20, f"its own port carried too little: {seen[:5]}")
        expect(all(two <= own for two in seen), f"other UDP on the ring: {[p for p in seen if not p <= own][:3]}, its own {own}")
    wait_for("nothing left of it", 30, lambda: places.leftovers(cluster) <= before | RELAYS, 0.5)


@contextlib.contextmanager
def hall(cluster, name):
    """A physical network: a switch in the cluster's root, its wire to a node, a machine on it at 10.80.0.250."""
    home, pid = root(cluster), cluster.cluster_nodes()[name]["pid1"]
    keeper = places.Place("root", [*home.enter, "-p"])  # ip netns looks into /proc/self
    host = places.Place("host", ["nsenter", "-t", str(cluster.service_pid("ledger")), "-n"])  # knows all processes
    try:
        keeper.out("sh", "-ec", "ip netns add on-hall; ip link add hall type bridge; ip link set hall up; "
                                "ip link add h-machine type veth peer name eth0 netns on-hall; ip link set h-machine master hall up")
        host.out("sh", "-ec", f"ip link add h-node type veth peer name hall netns {pid}; ip link set h-node master hall up")
        machine = places.Place("the machine on hall", [*home.enter, "nsenter", "--net=/run/netns/on-hall"])
        machine.out("sh", "-ec", "ip link set lo up; ip link set eth0 up; ip addr add 10.80.0.250/24 dev eth0")
        yield machine
    finally:
        keeper.run("sh", "-c", "ip netns del on-hall; ip link del h-node; ip link del hall")


def at_home(lines):
    """A network that is not encrypted names its farm."""
    return [line.replace("placement: {", "placement: {farms: [home], ") for line in lines]


def test_a_physical_network_takes_the_tunnels_place(cluster):
    """`bridge: hall`: containers have addresses in a physical network and are reached from machines on it, and by nobody else"""
    work = {"net": HALL, "web": at_home(web(cluster, on="n2", networks=["net"])), "near": at_home(web(cluster, on="n2", networks=["net"]))}
    with hall(cluster, "n2") as machine, stranger(cluster) as outside, contract(cluster, "works", work), \
            contract(cluster, "else", {"net": ["kind: network", "range: 10.80.0.0/24"], "web": web(cluster, on="n2"), "far": web(cluster, on="n3")}):
        one, near = container(cluster, "works", "web"), container(cluster, "works", "near")
        there = address(one)
        wait_for("an answer on the hall", 20, lambda: machine.curl(f"http://{there}/")[1].strip() == "web-0", 0.2)
        expect(machine.ping(there, 3, 1472) == 3, "pings of a full Ethernet frame are lost")
        with machine.running("python3", "-m", "http.server", "8000"):
            wait_for("the machine from a container", 10, lambda: one.curl("http://10.80.0.250:8000/")[0] == 200, 0.2)
        expect(near.curl(f"http://{there}/")[0] == 200, "two containers of one node do not meet in it")
        # Not the node's own gateway, not the node; nobody from the uplink, nobody of another contract with the same range.
        expect(machine.ping("10.80.0.1", 2) == 0, "the machine on the hall finds a node's gateway")
        machine.out("ip", "route", "add", "10.250.0.0/24", "via", there)
        expect(machine.connects("10.250.0.1", 7100) != "yes", "the machine on the hall reaches the ledger through a container")
        outside.out("ip", "route", "add", "10.80.0.0/24", "via", "10.250.0.12")
        expect(outside.connects(there, 80) != "yes", "a stranger on the uplink reaches it")
        elsewhere = container(cluster, "else", "far")
        expect(elsewhere.connects("10.80.0.250", 80) == "silent" and elsewhere.ping("10.80.0.250", 2) == 0, "another contract reaches the hall")
        expect(machine.ping(address(container(cluster, "else", "web")), 2) == 0 or address(container(cluster, "else", "web")) in
               (there, address(near)), "the hall reaches another contract")
        cluster.run("cancel", "works")
        places.gone(cluster, "works")
        wait_for("the interface back at the node", 20, lambda: "hall" in node(cluster, "n2").run("ip", "link", "show", "hall").stdout, 0.2)
        wait_for("the container gone from the hall", 20, lambda: machine.ping(there) == 0, 0.2)
