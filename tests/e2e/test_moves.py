"""A node whose backplane address changes under two containers that talk, with its agent and without it. In the networks' cluster."""
import contextlib
import os
import pathlib
import signal

import places
from harness import expect, now_ms, wait_for
from places import address, container, contract, kill9, node, web
from test_agent import agent_of, command_line

WIREGUARD = ["kind: network", "range: 10.81.0.0/24"]
PLAIN = ["kind: network", "range: 10.82.0.0/24", "encryption: none"]
# A look each 2 s, a block, what peers read of it, a look after the networks each 2 s; a handshake that may be tried twice.
BACK_SECONDS = 10
# A TCP connection that stalled asks again after twice the time, 12.6 s after the last packet that was heard at the latest.
RESUMED_SECONDS = 13


def move(cluster, name, old, new):
    """The node's backplane address is another: its routers know the new one when the old one goes. The moment (ms)."""
    place = node(cluster, name)
    config = pathlib.Path(cluster.folder) / "nodes" / name / "bird.conf"
    text = config.read_text()
    expect(f"define OWN = {old};" in text, f"{config} does not say {old}")
    config.write_text(text.replace(f"define OWN = {old};", f"define OWN = {new};"))
    place.out("ip", "addr", "add", f"{new}/32", "dev", "lo")
    place.out("birdc", "-s", "/run/mcloud-bird.ctl", "configure")
    wait_for(f"routes of {name} from {new}", 5, lambda: f"src {old} " not in place.out("ip", "route", "show", "proto", "bird"), 0.05)
    others = [other for other in ("n1", "n2", "n4") if other != name]
    wait_for(f"ways to {new}", 5, lambda: all(node(cluster, o).out("ip", "route", "show", "proto", "bird", new) for o in others), 0.05)
    place.out("ip", "addr", "del", f"{old}/32", "dev", "lo")
    return now_ms()


def on_ledger(cluster, name):
    return next(one["backplane"] for one in cluster.json("nodes")["nodes"] if one["name"] == name)


@contextlib.contextmanager
def no_agent(cluster, name):
    """Killed, and not started again before the end: its pid 1 is held."""
    pid1 = cluster.cluster_nodes()[name]["pid1"]
    agent = agent_of(pid1)
    os.kill(pid1, signal.SIGSTOP)
    try:
        kill9(agent)
        wait_for(f"no agent on {name}", 5, lambda: not command_line(agent), 0.02)
        yield
    finally:
        os.kill(pid1, signal.SIGCONT)


def at_home(cluster, on):
    """A network that is not encrypted stays within one farm."""
    lines = web(cluster, on=on, networks=["net", "bare"])
    return [line.replace("placement: {", "placement: {farms: [home], ") for line in lines]


def flows_again(stream):
    lines = stream.read().count(b"\n")
    wait_for("the stream", RESUMED_SECONDS, lambda: stream.read().count(b"\n") > lines + 20, 0.05)
    return stream.worst()


def test_a_backplane_address_changes_under_containers_that_talk(cluster):
    """streams over WireGuard and over the bare backplane go on when a node's backplane address changes, also while its agent is dead; the ledger has the new one"""
    work = {"net": WIREGUARD, "bare": PLAIN, "left": at_home(cluster, "n1"), "right": at_home(cluster, "n3")}
    now = home = "10.251.0.3"

    def judge(since, streams, left, what):
        for kind, (stream, there) in streams.items():
            wait_for(f"{what}: {kind}", BACK_SECONDS, lambda: left.ping(there) == 1, 0.05)
            back = now_ms() - since
            print(f"        {what}: {kind} back after {back:.0f} ms, the stream waited {flows_again(stream):.0f} ms")

    with contract(cluster, "roam", work), contextlib.ExitStack() as stack:
        left, right = container(cluster, "roam", "left"), container(cluster, "roam", "right")
        streams = {}
        for kind, interface, port in (("WireGuard", "eth0", 7777), ("bare", "eth1", 7778)):
            there = address(right, interface)
            wait_for(f"{kind} at first", 20, lambda: left.ping(there) == 1, 0.1)
            streams[kind] = (stack.enter_context(places.Stream(left, right, there, port)), there)
        try:
            since, now = move(cluster, "n3", now, "10.251.0.33"), "10.251.0.33"
            judge(since, streams, left, "moved")
            wait_for(f"{now} on the ledger", BACK_SECONDS, lambda: on_ledger(cluster, "n3") == now, 0.1)
            with no_agent(cluster, "n3"):
                move(cluster, "n3", now, "10.251.0.43")
                now = "10.251.0.43"
                expect(on_ledger(cluster, "n3") == "10.251.0.33", "somebody told the ledger while the agent was dead")
            judge(now_ms(), streams, left, "moved without an agent")
            wait_for(f"{now} on the ledger", BACK_SECONDS, lambda: on_ledger(cluster, "n3") == now, 0.1)
        finally:
            if now != home:
                move(cluster, "n3", now, home)
            wait_for(f"{home} on the ledger", 30, lambda: on_ledger(cluster, "n3") == home, 0.2)
            wait_for("the ring", 15, lambda: places.ring_is_whole(cluster), 0.1)
