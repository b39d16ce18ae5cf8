"""Access points: people's machines with plain WireGuard, and what happens when an access point dies. In the networks' cluster."""
import contextlib
import pathlib
import re

import places
from harness import expect, now_ms, wait_for
from places import address, container, contract, kill9, node, stranger, web
from test_agent import agent_of, agent_of_or_none
from test_network import laptop

OFFICE = ["kind: network", "range: 10.81.0.0/24", "access: {replicas: 2, placement: {labels: {gateway: \"yes\"}}}"]


def endpoint_of(config):
    return re.search(r"^Endpoint = (\S+)", config, re.M)[1]


@contextlib.contextmanager
def office(cluster, devices=("laptop",), rules=()):
    """A network with access points on n1 and n2, members on three nodes, devices: (members, what `join` printed of each)."""
    work = {"office": [*OFFICE, *rules], **{f"on-{name}": web(cluster, on=name) for name in ("n2", "n3", "n4")}}
    with contract(cluster, "doors", work):
        wait_for("two access points", 30, lambda: sum(point["serves"] for point in access_points(cluster)) == 2, 0.2)
        home = {"MCLOUD_HOME": str(pathlib.Path(cluster.folder) / "doors-home")}
        joined = [cluster.json("network", "join", "doors/office", "--as", device, env=home, seconds=90) for device in devices]
        yield {name: container(cluster, "doors", f"on-{name}") for name in ("n2", "n3", "n4")}, *joined


def ways_of(joined):
    """A device's file for each access point, by node."""
    return {one["access_node"]: one["config"] for one in (joined, *joined["others"])}


def bring_up(cluster, outside, config, link="wg0"):
    """As wg-quick does with the other file: a new session."""
    file = pathlib.Path(cluster.folder) / f"doors-{link}.conf"
    file.write_text(re.sub(r"^(Address|DNS|MTU)\s*=.*\n", "", config, flags=re.M))
    outside.out("wg", "setconf", link, file)


def access_points(cluster):
    return cluster.json("network", "show", "doors/office")["networks"][0]["access"]


def both_ways(outside, members, device):
    """The laptop reaches every member, and every member reaches the laptop."""
    return all(outside.curl(f"http://{address(member)}/", seconds=1)[0] == 200 and
               member.curl(f"http://{device}:8000/", seconds=1)[0] == 200 for member in members.values())


def test_a_laptop_moves_to_another_access_point(cluster):
    """two access points, one key: when the one in use dies the laptop moves to the other by its endpoint alone, and every member finds it there"""
    with office(cluster) as (members, joined), stranger(cluster, "doors", 202) as outside:
        device = joined["address"]
        expect(len(joined["others"]) == 1 and {joined["access_node"], joined["others"][0]["access_node"]} == {"n1", "n2"}, f"points: {joined}")
        expect(joined["others"][0]["endpoint"] in joined["config"], "the file does not name the other endpoint")
        ways = ways_of(joined)
        peer = re.search(r"^PublicKey = (\S+)", joined["config"], re.M)[1]
        expect(peer in ways["n1"] and peer in ways["n2"], "the access points have different keys")
        with laptop(cluster, outside, ways["n1"]), outside.running("python3", "-m", "http.server", "8000"):
            wait_for("the way in by n1", 30, lambda: both_ways(outside, members, device), 0.2)
            for name in ("n2", "n1"):
                bring_up(cluster, outside, ways[name])  # both live: who hears it has it
                took(lambda: both_ways(outside, members, device), f"to {name}, both alive")
                wait_for(f"{name} alone to answer for it", 6, lambda: has_device(cluster, device) == [name], 0.2)
                expect(both_ways(outside, members, device), "the way is lost when the other lets go")
            kill9(agent_of(cluster.cluster_nodes()["n1"]["pid1"]))
            wait_for("a new agent", 20, lambda: agent_of_or_none(cluster.cluster_nodes()["n1"]["pid1"]), 0.1)
            expect(both_ways(outside, members, device), "an agent that begins anew loses the device")
            cluster.kill_node("n1")
            try:
                # With the session of before WireGuard finds only after 15 s that nobody answers.
                outside.out("wg", "set", "wg0", "peer", peer, "endpoint", endpoint_of(ways["n2"]))
                took(lambda: both_ways(outside, members, device), "to n2 by its endpoint alone, n1 is dead", 25_000)
            finally:
                cluster.restore_node("n1")


def own_addresses(outside, link):
    return [address(outside, link), address(outside, link, 6)]


def opens(place, addresses, port=8000):
    """Of the two families those in which it connects."""
    return [one for one in addresses if place.connects(one, port) == "yes"]


@contextlib.contextmanager
def two_laptops(cluster, one, other):
    """Their machines, the first at n1, the second at n2, each with a server of both families; and each one's files."""
    first, second = ways_of(one), ways_of(other)
    shelf = pathlib.Path(cluster.folder) / "doors-shelf"
    shelf.mkdir(exist_ok=True)
    (shelf / "large").write_bytes(bytes(3_000_000))
    serve = ["python3", "-m", "http.server", "8000", "--bind", "::", "--directory", shelf]
    with stranger(cluster, "doors", 202) as a, stranger(cluster, "doors-2", 203) as b:
        with laptop(cluster, a, first["n1"], "wg0"), laptop(cluster, b, second["n2"], "wg1"), a.running(*serve), b.running(*serve):
            yield a, b, first, second


PAIR_MS = 15_000  # a round of attempts takes 4 s while nobody answers
# Where the first laptop dials, one place after the other; the second stays at n2.
ROAMING = ("n1", "n2", "n1")


def test_two_laptops_at_two_access_points(cluster):
    """two devices behind different access points reach every member and each other, both ways and in both families, also when one roams to the other's and back"""
    with office(cluster, ("one", "two")) as (members, one, two), two_laptops(cluster, one, two) as (a, b, ways, _):
        at_a, at_b = own_addresses(a, "wg0"), own_addresses(b, "wg1")
        for place in ROAMING:
            bring_up(cluster, a, ways[place])
            took(lambda: opens(a, at_b) == at_b and opens(b, at_a) == at_a, f"the pair, one at {place}", PAIR_MS)
            for name, member in members.items():
                own = [address(member), address(member, family=6)]
                for who, device, its in (("one", a, at_a), ("two", b, at_b)):
                    wait_for(f"{name} and device {who}, one at {place}", 8, lambda m=member, d=device, i=its: opens(m, i) == i and
                             all(d.ping(address_) for address_ in own) and d.connects(own[0], 80) == "yes", 0.2)
        # Longer than WireGuard waits for an answer: the access point it left must not call it back.
        bring_up(cluster, a, ways["n2"])
        took(lambda: opens(a, at_b) == at_b and opens(b, at_a) == at_a, "the pair, both at n2", PAIR_MS)
        since = now_ms()
        wait_for("what was lost at n1 to be given up", 30, lambda: (opens(b, at_a), now_ms() - since)[1] > 18_000, 0.2)
        expect(endpoint_of(ways["n2"]) in a.out("wg", "show", "wg0", "endpoints"), "the access point it left has called it back")
        expect(has_device(cluster, at_a[0]) == ["n2"], f"it is at {has_device(cluster, at_a[0])}")


def test_rules_between_laptops_at_two_access_points(cluster):
    """what `allow` says of two devices holds wherever they are, and a transfer goes on while one roams there and back"""
    rules = ['allow: ["devices -> on-n3:80", {from: on-n4, to: "device:one", port: 8000}, {from: "device:two", to: "device:one", port: 8000}]']
    with office(cluster, ("one", "two"), rules) as (members, one, two), two_laptops(cluster, one, two) as (a, b, ways, _):
        at_a, at_b = own_addresses(a, "wg0"), own_addresses(b, "wg1")
        wait_for("the pair", 8, lambda: opens(b, at_a) == at_a, 0.2)
        transfer = ["curl", "-s", "-f", "-m", "120", "--limit-rate", "60k", "-o", "/dev/null", f"http://{at_a[0]}:8000/large"]
        with b.running(*transfer) as load:
            for place in ROAMING:
                bring_up(cluster, a, ways[place])
                took(lambda: opens(b, at_a) == at_a and opens(members["n4"], at_a) == at_a, f"what is allowed, one at {place}", PAIR_MS)
                for device in (a, b):
                    expect(device.connects(address(members["n3"]), 80) == "yes", f"no way to on-n3, one at {place}")
                    expect(device.connects(address(members["n4"]), 80) != "yes", f"a way to on-n4, one at {place}")
                expect(opens(a, at_b) == [] and opens(members["n3"], at_a) == [], f"more than is allowed, one at {place}")
            wait_for("the transfer to end", 120, lambda: load.poll() is not None, 0.2)
            expect(load.returncode == 0, f"the transfer ended with curl's {load.returncode}")


def has_device(cluster, device):
    """Access points that answer for the device."""
    script = "for n in $(ls /run/netns | grep -e -office-); do nsenter --net=/run/netns/$n ip neigh show proxy; done"
    return [name for name in ("n1", "n2") if cluster.cluster_nodes()[name]["state"] == "up" and f"{device} " in node(cluster, name).run("sh", "-c", script).stdout]


def took(condition, what, most_ms=8000):
    since = now_ms()
    wait_for(what, 30, condition, 0.1)
    print(f"        {what}: all ways after {now_ms() - since:.0f} ms")
    expect(now_ms() - since <= most_ms, f"{what} took {now_ms() - since:.0f} ms")
