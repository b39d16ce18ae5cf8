"""Back ends that are reached by tunnels which their nodes opened."""
import os
import subprocess
import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import expect
from stand import Backend, Gateway, contract_of, free_port, octets, protoc, server, site, text, until


class Node:
    """A node's tunnel process: its replica `index` of web is reached through it."""

    def __init__(self, host, folder, index, backend):
        self.host, self.folder, self.index, self.backend = host, folder / f"node-{index}", index, backend
        self.seed = os.urandom(32)
        self.key = public(self.seed)
        self.target = f"contract: {octets(contract_of('acme'))} workload: {text('web')} index: {index} port: 80"
        self.folder.mkdir()
        self.process = None

    def peer(self):
        return f"tunnels {{ node: {octets(self.key)} targets {{ {self.target} }} }}"

    def start(self, gateway_key, port):
        wanted = (f"gateways {{ node: {octets(gateway_key)} endpoints: {text(f'127.0.0.1:{port}')} "
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
