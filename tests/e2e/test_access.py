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
def office(cluster):
    """A network with access points on n1 and n2, members on three nodes, a device: (members, what `join` printed)."""
    work = {"office": OFFICE, **{f"on-{name}": web(cluster, on=name) for name in ("n2", "n3", "n4")}}
    with contract(cluster, "doors", work):
        wait_for("two access points", 30, lambda: sum(point["serves"] for point in access_points(cluster)) == 2, 0.2)
        home = {"MCLOUD_HOME": str(pathlib.Path(cluster.folder) / "doors-home")}
        joined = cluster.json("network", "join", "doors/office", "--as", "laptop", env=home, seconds=90)
        yield {name: container(cluster, "doors", f"on-{name}") for name in ("n2", "n3", "n4")}, joined


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
        ways = {joined["access_node"]: joined["config"], joined["others"][0]["access_node"]: joined["others"][0]["config"]}
        peer = re.search(r"^PublicKey = (\S+)", joined["config"], re.M)[1]
        expect(peer in ways["n1"] and peer in ways["n2"], "the access points have different keys")

        def bring_up(name):
            """As wg-quick does with the other file: a new session."""
            file = pathlib.Path(cluster.folder) / f"doors-{name}.conf"
            file.write_text(re.sub(r"^(Address|DNS|MTU)\s*=.*\n", "", ways[name], flags=re.M))
            outside.out("wg", "setconf", "wg0", file)
        with laptop(cluster, outside, ways["n1"]), outside.running("python3", "-m", "http.server", "8000"):
            wait_for("the way in by n1", 30, lambda: both_ways(outside, members, device), 0.2)
            for name in ("n2", "n1"):
                bring_up(name)  # both live: who hears it has it
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


def has_device(cluster, device):
    """Access points that answer for the device."""
    script = "for n in $(ls /run/netns | grep -e -office-); do nsenter --net=/run/netns/$n ip neigh show proxy; done"
    return [name for name in ("n1", "n2") if cluster.cluster_nodes()[name]["state"] == "up" and f"{device} " in node(cluster, name).run("sh", "-c", script).stdout]


def took(condition, what, most_ms=8000):
    since = now_ms()
    wait_for(what, 30, condition, 0.1)
    print(f"        {what}: all ways after {now_ms() - since:.0f} ms")
    expect(now_ms() - since <= most_ms, f"{what} took {now_ms() - since:.0f} ms")
