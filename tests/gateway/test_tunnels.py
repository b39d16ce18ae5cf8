"""Back ends that are reached by tunnels which their nodes opened."""
import json
import os
import pathlib
import socket
import subprocess
import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import expect
from stand import Backend, Gateway, contract_of, free_port, octets, protoc, route, server, site, text, until


class Node:
    """A node's tunnel process: its replica `index` of web is reached through it."""

    def __init__(self, host, folder, index, backend, more="", at="127.0.0.1"):
        self.host, self.folder, self.index, self.backend, self.at = host, folder / f"node-{index}", index, backend, at
        self.seed = os.urandom(32)
        self.key = public(self.seed)
        self.target = f"contract: {octets(contract_of('acme'))} workload: {text('web')} index: {index} port: 80 {more}"
        self.folder.mkdir()
        self.process = None

    def peer(self):
        return f"tunnels {{ node: {octets(self.key)} targets {{ {self.target} }} }}"

    def start(self, gateway_key, port):
        wanted = (f"gateways {{ node: {octets(gateway_key)} endpoints: {text(f'{self.at}:{port}')} "
                  f"ways {{ target {{ {self.target} }} address: {text('127.0.0.1')} port: {self.backend.port} }} }}")
        (self.folder / "wanted").write_bytes(protoc("encode", "LocalTunnel", wanted.encode()))
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([self.host, "tunnel", str(self.folder), self.seed.hex()], stdout=log, stderr=log)
        log.close()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def test_tunnels_carry_a_site_and_may_break(host, folder):
    """a site behind two tunnels: one breaks, a POST in flight on it gets a 502, and no new request is lost"""
    release, seed, port = threading.Event(), os.urandom(32), free_port()

    def slow(handler):
        if handler.path == "/slow":
            release.wait(20)
        return False

    with Backend("a", answer=slow) as a, Backend("b", answer=slow) as b, Gateway(host, folder, seed=seed.hex()) as gateway:
        nodes = {"a": Node(host, folder, 0, a), "b": Node(host, folder, 1, b)}
        gateway.want(site(names=["www"], servers=[server("web", 0, 80), server("web", 1, 80)]),
                     more=f"tunnel_port: {port} " + " ".join(node.peer() for node in sorted(nodes.values(), key=lambda node: node.key)))
        try:
            for node in nodes.values():
                node.start(public(seed), port)
            until(lambda: {gateway.request("www.gw.example")[2] for _ in range(4)} == {"a", "b"}, "both are reached")
            expect(len(list((gateway.folder / "jail/targets").iterdir())) == 2, "two sockets")
            answers = []
            thread = threading.Thread(target=lambda: answers.append(gateway.request("www.gw.example", "/slow", method="POST", body=b"x")))
            thread.start()
            until(lambda: any(path == "/slow" for one in (a, b) for _, path, _, _ in one.requests), "it is in flight")
            victim = "a" if any(path == "/slow" for _, path, _, _ in a.requests) else "b"
            other = "b" if victim == "a" else "a"
            nodes[victim].kill()
            thread.join()
            expect(answers[0][0] == 502 and "gave no valid answer" in answers[0][2], answers)
            for number in range(50):
                status, _, body = gateway.request("www.gw.example", method="POST" if number % 2 else "GET", body=b"x" if number % 2 else None)
                expect((status, body) == (200, other), (number, status, body))
            nodes[victim].start(public(seed), port)
            until(lambda: {gateway.request("www.gw.example")[2] for _ in range(4)} == {"a", "b"}, "both again", 30)
        finally:
            release.set()
            for node in nodes.values():
                node.kill()


def test_the_last_answers_come_through_tunnels(host, folder):
    """a gateway that is told to end takes nothing new, and what is in flight through a tunnel is answered; it leaves no HAProxy"""
    release, seed, port = threading.Event(), os.urandom(32), free_port()

    def slow(handler):
        release.wait(20)
        return False

    with Backend("a", answer=slow) as a, Gateway(host, folder, seed=seed.hex()) as gateway:
        node = Node(host, folder, 0, a)
        gateway.want(site(names=["www"], servers=[server("web", 0, 80)]), more=f"tunnel_port: {port} " + node.peer())
        try:
            node.start(public(seed), port)
            until(lambda: "serves: true" in gateway.state(), "it is reached")
            answers, master = [], gateway.master()
            thread = threading.Thread(target=lambda: answers.append(gateway.request("www.gw.example", "/slow", method="POST", body=b"x")))
            thread.start()
            until(lambda: a.requests, "it is in flight")
            (gateway.folder / "wanted").unlink()
            gateway.process.terminate()
            until(lambda: refuses(gateway.http_port), "it takes nothing new")
            release.set()
            thread.join()
            expect(answers[0][0] == 200 and answers[0][2] == "a", answers)
            expect(gateway.process.wait(20) == 0, "a clean end")
            expect(not pathlib.Path(f"/proc/{master}").exists(), "HAProxy has ended")
        finally:
            release.set()
            node.kill()


class UdpBackend:
    """Answers datagrams with its name and what they say."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port, self.name = self.socket.getsockname()[1], name.encode()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            said, client = self.socket.recvfrom(65536)
            if said == b"end" and client[0] == "127.0.0.1" and client[1] == self.port:
                return
            self.socket.sendto(self.name + b":" + said, client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.sendto(b"end", ("127.0.0.1", self.port))


def asked(client, port, word, host="127.0.0.1"):
    """The answer to a datagram, b"" when none comes."""
    client.settimeout(0.3)
    try:
        client.sendto(word, (host, port))
        return client.recv(65536)
    except (TimeoutError, ConnectionRefusedError):
        return b""


def test_udp_goes_by_tunnel(host, folder):
    """a UDP port whose site says so leads through tunnels: over IPv4 and IPv6, large and small, to the replica that is left when a node dies"""
    seed, tunnel_port, port = os.urandom(32), free_port(), free_port()
    with UdpBackend("a") as a, UdpBackend("b") as b, Gateway(host, folder, seed=seed.hex()) as gateway:
        nodes = {"a": Node(host, folder, 0, a, "udp: true"), "b": Node(host, folder, 1, b, "udp: true")}
        peers = " ".join(node.peer() for node in sorted(nodes.values(), key=lambda node: node.key))

        def want(more=""):
            gateway.want(site(mode="SITE_UDP", routes=[route("")], servers=[server("web", 0, 80), server("web", 1, 80)],
                              more=f"port: {port} exposure: EXPOSURE_TUNNEL {more}"), more=f"tunnel_port: {tunnel_port} " + peers)

        def fresh(word=b"x", family=socket.AF_INET, address="127.0.0.1"):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                return asked(client, port, word, address)

        want()
        try:
            expect("serves: true" not in gateway.state(), "nobody is there yet")
            for node in nodes.values():
                node.start(public(seed), tunnel_port)
            until(lambda: {fresh(), fresh()} == {b"a:x", b"b:x"}, "both are reached, each client by another")
            until(lambda: "servers_up: 2" in gateway.state() and "serves: true" in gateway.state(), "the state says so")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                first = asked(client, port, b"0")[:1]
                answers = {asked(client, port, bytes([number]) * (number * 199))[:1] for number in range(1, 200, 7)}
                expect(answers == {first}, f"a client stays with its replica: {answers}")
            if socket.has_ipv6 and pathlib.Path("/proc/net/if_inet6").read_text():
                expect(fresh(family=socket.AF_INET6, address="::1")[1:] == b":x", "IPv6")
            nodes["a"].kill()
            until(lambda: [fresh() for _ in range(4)] == [b"b:x"] * 4, "the other has them all")
            want('allow: "10.0.0.0/8"')
            expect(fresh() == b"", "not on the list")
            gateway.want()
            until(lambda: is_free(port), "the port is free when the site is gone")
            expect(all(line["server"] in ("web-0-80", "web-1-80") for line in flow_lines(gateway)), "each flow is said, and by whom it was answered")
        finally:
            for node in nodes.values():
                node.kill()


def flow_lines(gateway):
    return [json.loads(line[line.index("{"):]) for line in gateway.log_lines(contract_of("acme").hex()[:16] + "-site-0")]


def test_flows_of_udp_are_in_the_owners_log_and_figures(host, folder):
    """each flow of a UDP port by tunnel is one line of the owner's access log, and flows and bytes are in the site's figures"""
    seed, tunnel_port, port = os.urandom(32), free_port(), free_port()
    with UdpBackend("a") as a, Gateway(host, folder, seed=seed.hex()) as gateway:
        node = Node(host, folder, 0, a, "udp: true")
        udp = site(mode="SITE_UDP", routes=[route("")], servers=[server("web", 0, 80)], more=f"port: {port} exposure: EXPOSURE_TUNNEL")
        gateway.want(udp, more=f"tunnel_port: {tunnel_port} " + node.peer())
        try:
            node.start(public(seed), tunnel_port)
            until(lambda: "servers_up: 1" in gateway.state(), "it is reached")
            ports = []
            for number in range(5):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    expect(asked(client, port, b"12345678") == b"a:12345678" and asked(client, port, b"") == b"a:", number)
                    ports.append(client.getsockname()[1])
            until(lambda: all(word in gateway.state() for word in ("requests: 5\n", "bytes_in: 40\n", "bytes_out: 60\n")), f"its figures; {gateway.state()}")
            expect(flow_lines(gateway) == [], "no flow has ended")
            node.kill()
            until(lambda: len(flow_lines(gateway)) == 5, f"a line for each; {flow_lines(gateway)}")
            for line in flow_lines(gateway):
                expect(line.pop("client_port") in ports and line.pop("ms") < 60_000, line)
                expect(line == {"client": "127.0.0.1", "port": port, "bytes_in": 8, "bytes_out": 12, "datagrams_in": 2, "datagrams_out": 2, "dropped": 0,
                                "server": "web-0-80", "end": "replica"}, line)
            expect("requests: 5\n" in gateway.state(), "it counts on")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
                taken.bind(("127.0.0.1", 0))
                number = taken.getsockname()[1]
                gateway.want(udp.replace(f"port: {port} ", f"port: {number} "), more=f"tunnel_port: {tunnel_port} " + node.peer())
                node.start(public(seed), tunnel_port)
                until(lambda: f'message: "udp port {number}: bind' in gateway.state(), "the site's own message")
                until(lambda: (gateway.folder / "jail/targets").exists() and any((gateway.folder / "jail/targets").iterdir()), "its replica is there")
                expect("serves: true" not in gateway.state() and "servers_up" not in gateway.state(), "a port that cannot be had serves nothing")
            until(lambda: "serves: true" in gateway.state(), "it is had once it is free")
        finally:
            node.kill()


def is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return False
    except ConnectionRefusedError:
        return True
