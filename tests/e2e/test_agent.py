"""The node agent: it listens on nothing, and its death touches no workload."""
import os
import pathlib
import re
import signal
import socket
import subprocess

from harness import TREE, expect, fetch, wait_for

def deploy(cluster):
    known = cluster.try_json("status", "hello")
    if known is None or known["state"] != "active":
        cluster.deploy_hello(TREE / "recipes/hello")
    cluster.wait_ready("hello", "web", 2, 60)
    cluster.wait_ready("hello", "twin", 1, 60)


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            continue  # the thread has just ended
    return found


def tree_of(pid):
    found = [pid]
    for child in children(pid):
        found += tree_of(child)
    return found


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def agent_of(pid1):
    agents = [p for p in tree_of(pid1) if re.search(r"mcloud.* node agent", command_line(p))]
    expect(len(agents) >= 1, "no agent process found")
    return agents[0]


def nginx_masters(pid1):
    return sorted(p for p in tree_of(pid1) if "nginx: master" in command_line(p))


def test_workloads_survive_the_agents_death(cluster):
    """kill -9 of the agent: the same container processes go on and the agent comes back"""
    deploy(cluster)
    node = cluster.node_of("hello", "twin")
    pid1 = cluster.cluster_nodes()[node]["pid1"]
    before = nginx_masters(pid1)
    expect(before, "no nginx on the node")
    agent = agent_of(pid1)
    for _ in range(3):
        os.kill(agent, signal.SIGKILL)
        wait_for("another agent", 20, lambda: [p for p in [agent_of_or_none(pid1)] if p and p != agent], 0.1)
        agent = agent_of(pid1)
    expect(fetch(cluster.url("hello", "twin"))[0] == 200, "the twin stopped serving")
    expect(nginx_masters(pid1) == before, "containers were restarted")
    # It converges: what is asked of it now is done.
    cluster.run("cancel", "hello")
    wait_for("nginx gone", 20, lambda: not nginx_masters(pid1), 0.1)
    deploy(cluster)


def agent_of_or_none(pid1):
    try:
        return agent_of(pid1)
    except AssertionError:
        return None


def listening(pid):
    """Lines of TCP listeners and bound UDP sockets in the process's network namespace."""
    out = subprocess.run(["nsenter", "-t", str(pid), "-n", "ss", "-H", "-tulnp"], capture_output=True, text=True, check=True)
    return out.stdout.splitlines()


def test_nothing_of_ours_listens_on_a_node(cluster):
    """no process of mcloud owns a listening TCP or bound UDP socket in a node's namespace; others are WireGuard, the backplane's routing
    and the names' server on addresses that only the node's own networks reach"""
    deploy(cluster)
    for name, node in cluster.cluster_nodes().items():
        for line in listening(node["pid1"]):
            expect("mcloud" not in line, f"{name} listens: {line}")
            owner = re.search(r'users:\(\("([^"]+)"', line)
            address, port = line.split()[4].rsplit(":", 1)
            kernel = owner is None and port in ("4790", "51820", "51821")  # plain VXLAN, WireGuard
            wireguard = owner and owner[1] == "wireguard-go" and line.startswith("udp") and 51820 <= int(port) <= 51899
            names = owner and owner[1] == "unbound" and address.strip("[]") in ("198.19.255.254", "fd6d:6300:7472::fffe")
            expect(kernel or wireguard or names or (owner and owner[1] == "bird"), f"{name}: somebody listens: {line}")


def test_a_port_scan_of_a_node_finds_only_publications(cluster):
    """connecting to every TCP port of a node's uplink address finds what contracts publish, nothing else"""
    deploy(cluster)
    node = cluster.cluster_nodes()[cluster.node_of("hello", "twin")]
    scan = ("import socket,sys\n"
            "for port in range(1, 65536):\n"
            "    s = socket.socket(); s.settimeout(0.2)\n"
            f"    if s.connect_ex(('{node['uplink']}', port)) == 0: print(port)\n"
            "    s.close()\n")
    # From the cluster's "internet": where the ledger lives.
    root = cluster.service_pid("ledger")
    out = subprocess.run(["nsenter", "-t", str(root), "-n", "/usr/bin/python3", "-c", scan], capture_output=True, text=True,
                         timeout=300)
    expect(out.returncode == 0, out.stderr)
    published = {str(p["port"]) for p in cluster.json("status", "hello")["published"]}
    expect(set(out.stdout.split()) <= published, f"open ports: {out.stdout.split()}, published: {published}")
    expect(out.stdout.split(), "not even the publication is open: the scan cannot fail")
