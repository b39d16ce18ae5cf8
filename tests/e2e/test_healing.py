"""Nodes that die, links that are cut, a ledger that is away."""
import os
import signal
import time

import places
from harness import TREE, Load, expect, fetch, now_ms, wait_for
from test_agent import deploy, nginx_masters


def placements(cluster):
    return {(w, r["index"]): r["node"] for w in ("web", "twin") for r in cluster.replicas("hello", w)}


def test_a_killed_nodes_workload_serves_again_within_ten_seconds(cluster):
    """SIGKILL of the node's pid 1: the 1-replica twin answers again through the same URL"""
    deploy(cluster)
    node, url = cluster.node_of("hello", "twin"), cluster.url("hello", "twin")
    healed = cluster.wait_outage_then_200(url, cluster.kill_node(node))
    expect(healed <= 10_000, f"healed in {healed:.0f} ms")
    print(f"        healed in {healed:.0f} ms")
    cluster.restore_node(node)


def test_two_replicas_ride_out_a_killed_node(cluster):
    """with 2 replicas under 200 requests/s a killed node costs few requests, and 2/2 come back"""
    deploy(cluster)
    node, url = cluster.node_of("hello", "web"), cluster.url("hello", "web")
    load = Load(url, 200)
    time.sleep(1)
    killed = cluster.kill_node(node)
    cluster.wait_moved("hello", "web", 2, node)
    full = now_ms() - killed
    sent, failed = load.end()
    print(f"        {failed} of {sent} requests failed, 2/2 after {full:.0f} ms")
    expect(failed < sent // 20, f"{failed} of {sent} failed: {load.failures[:3]}")
    cluster.restore_node(node)


def test_a_ledger_outage_moves_and_stops_nothing(cluster):
    """the ledger is away for longer than fence_after: every workload stays where it is and serves"""
    deploy(cluster)
    before, url = placements(cluster), cluster.url("hello", "twin")
    masters = {n: nginx_masters(v["pid1"]) for n, v in cluster.cluster_nodes().items()}
    ledger = cluster.service_pid("ledger")
    os.kill(ledger, signal.SIGSTOP)  # answers nobody, keeps its connections: the nastiest kind of away
    until = time.monotonic() + 12
    while time.monotonic() < until:
        expect(fetch(url)[0] == 200, "the twin stopped serving during the outage")
        time.sleep(0.2)
    os.kill(ledger, signal.SIGKILL)
    wait_for("the ledger", 20, lambda: cluster.try_json("nodes"), 0.2)
    expect(cluster.service_pid("ledger") != ledger, "it is still the old ledger")
    until = time.monotonic() + 8  # past fence_after again: timers must have started afresh
    while time.monotonic() < until:
        expect(fetch(url)[0] == 200, "the twin stopped serving after the outage")
        time.sleep(0.2)
    expect(placements(cluster) == before, "something moved")
    expect({n: nginx_masters(v["pid1"]) for n, v in cluster.cluster_nodes().items()} == masters, "something restarted")


def test_a_cut_ring_link_is_routed_around(cluster):
    """a silent cut of one ring link: no node is lost and the service goes on"""
    deploy(cluster)
    before = placements(cluster)
    load = Load(cluster.url("hello", "web"), 50)
    cluster.run("cluster", "cut", "n1", "n2")
    time.sleep(8)
    cluster.run("cluster", "restore", "n1", "n2")
    sent, failed = load.end()
    expect(failed == 0, f"{failed} of {sent} failed: {load.failures[:3]}")
    expect(placements(cluster) == before, "something moved")


def test_every_link_and_switch_of_the_ring_may_be_cut(cluster):
    """a connection between nodes survives the silent cut of each link, and of each node that forwards: at most 1 s, no reset"""
    ends = {name: places.node(cluster, name) for name in ("n1", "n3")}
    with places.Stream(ends["n1"], ends["n3"], cluster.cluster_nodes()["n3"]["address"]) as stream:
        places.ride_out_cuts(cluster, stream, spared=ends)
