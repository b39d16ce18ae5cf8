"""UDP ports by tunnel whose tunnels break."""
import os
import pathlib
import selectors
import socket
import subprocess
import threading
import time

from harness import Skip, expect
from stand import Gateway, free_port, route, server, site, until
from test_tunnels import Node, UdpBackend, asked, flow_lines, public

CLIENTS = 40
CUT_SECONDS_MAX = 4.0   # 2.5 s of silence, a tick, a client's next question; and a machine that has more to do
KILL_SECONDS_MAX = 2.0


class Askers:
    """Clients that ask without end, each from a port of its own. An answer to somebody else's question is wrong."""

    def __init__(self, port, count):
        self.last, self.wrong, self.stopping = {}, [], False
        self.selector = selectors.DefaultSelector()
        for number in range(count):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            client.connect(("127.0.0.1", port))
            self.selector.register(client, selectors.EVENT_READ, number)
        self.thread = threading.Thread(target=self.run)

    def clients(self):
        return [(key.fileobj, key.data) for key in self.selector.get_map().values()]

    def run(self):
        while not self.stopping:
            for client, number in self.clients():
                try:
                    client.send(b"%d?%f" % (number, time.monotonic()))
                except OSError:
                    pass  # a closed port, told by the kernel
            self.read(time.monotonic() + 0.05)

    def read(self, end):
        while (left := end - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                try:
                    replica, _, question = key.fileobj.recv(2048).decode().partition(":")
                except OSError:
                    continue
                number, _, asked_at = question.partition("?")
                if number != str(key.data):
                    self.wrong.append((key.data, replica, question))
                self.last[key.data] = (replica, float(asked_at))

    def all_by(self, replica, since):
        """Each has an answer of it to a question that was asked since."""
        return all(self.last.get(number, ("", 0))[0] == replica and self.last[number][1] >= since for _, number in self.clients())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        for client, _ in self.clients():
            client.close()


def sockets(process):
    count = 0
    for descriptor in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            count += os.readlink(descriptor).startswith("socket:")
        except OSError:
            pass  # it was closed meanwhile
    return count


class Cut:
    """No packet to `address` or from it; nobody is told."""

    def __init__(self, address):
        self.address = address

    def __enter__(self):
        rules = f"table inet cut {{ chain in {{ type filter hook input priority 0; ip daddr {self.address} drop; ip saddr {self.address} drop; }}\n}}"
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    def __exit__(self, *_):
        subprocess.run(["nft", "delete", "table", "inet", "cut"], check=True)


def seconds_until_all_by(askers, replica, most):
    begun = time.monotonic()
    until(lambda: askers.all_by(replica, begun), f"all are answered by {replica}; {askers.last}", most)
    return time.monotonic() - begun


def test_flows_leave_a_tunnel_that_breaks(host, folder):
    """of two tunnels of a UDP port one is cut in silence, then one is killed: the other has all flows within seconds, no answer goes to a wrong client, nothing is left behind"""
    if os.geteuid() != 0:
        raise Skip("needs root, for a network namespace of its own")
    seed, tunnel_port, port = os.urandom(32), free_port(), free_port()
    with UdpBackend("a") as a, UdpBackend("b") as b, Gateway(host, folder, seed=seed.hex()) as gateway:
        gateway.address = ""  # so that nft can tell the tunnels apart
        nodes = [Node(host, folder, 0, a, "udp: true", at="127.0.0.2"), Node(host, folder, 1, b, "udp: true", at="127.0.0.3")]
        tunnels = f"tunnel_port: {tunnel_port} " + " ".join(node.peer() for node in sorted(nodes, key=lambda node: node.key))
        udp = site(mode="SITE_UDP", routes=[route("")], servers=[server("web", 0, 80), server("web", 1, 80)], more=f"port: {port} exposure: EXPOSURE_TUNNEL")
        gateway.want(more=tunnels)
        alone = sockets(gateway.process)
        try:
            for node in nodes:
                node.start(public(seed), tunnel_port)
            gateway.want(udp, more=tunnels)
            until(lambda: "servers_up: 2" in gateway.state(), "both are reached")
            quiet = sockets(nodes[0].process)
            with Askers(port, CLIENTS) as askers:
                until(lambda: len(askers.last) == CLIENTS, "all are answered")
                expect({replica for replica, _ in askers.last.values()} == {"a", "b"}, askers.last)
                with Cut("127.0.0.2"):
                    cut = seconds_until_all_by(askers, "b", CUT_SECONDS_MAX)
                    for number in range(6):
                        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                            expect(asked(client, port, b"0?0") == b"b:0?0", "who comes now is led to the other at once")
                until(lambda: "servers_up: 2" in gateway.state(), "it comes back", 20)
                nodes[1].kill()
                killed = seconds_until_all_by(askers, "a", KILL_SECONDS_MAX)
            print(f"    all by the other one {cut:.2f} s after the cut, {killed:.2f} s after the kill")
            expect(not askers.wrong, askers.wrong)
            gateway.want(more=tunnels)
            begun = CLIENTS + 6 + CLIENTS // 2 + CLIENTS
            until(lambda: len(flow_lines(gateway)) >= begun, f"{begun} flows are said; {len(flow_lines(gateway))}")
            until(lambda: sockets(nodes[0].process) <= quiet, f"the node has {sockets(nodes[0].process)} sockets, had {quiet}", 20)
            nodes[0].kill()
            until(lambda: sockets(gateway.process) <= alone, f"the gateway has {sockets(gateway.process)} sockets, had {alone}")
        finally:
            for node in nodes:
                node.kill()
