"""Workloads that talk to each other, and those that keep data."""
import socket
import struct
import subprocess
import time

from harness import TREE, expect, wait_for

REDIS = TREE / "recipes/redis/contract.yaml"
POSTGRES = TREE / "tests/e2e/postgres/contract.yaml"


def gone(cluster, name):
    cluster.run("cancel", name, check=False)


def test_redis_is_reached_from_another_container(cluster):
    """redis-cli in a second container reaches redis-server by its name, wherever both run"""
    cluster.run("apply", REDIS, seconds=120)
    wait_for("PONG in the client's log", 60, lambda: "PONG" in cluster.run("logs", "redis/client", check=False).stdout, 0.3)
    gone(cluster, "redis")


class Postgres:
    """Just enough of the wire protocol (version 3, trust) for simple queries."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), 3)
        self.socket.settimeout(5)
        body = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self.until_ready()

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def until_ready(self):
        rows = []
        while True:
            kind, length = struct.unpack("!cI", self.read(5))
            body = self.read(length - 4)
            if kind == b"E":
                raise OSError(body.decode(errors="replace"))
            if kind == b"D":
                rows.append(body[6:].decode())
            if kind == b"Z":
                return rows

    def query(self, text):
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return self.until_ready()


def ask(address, text):
    """Rows, or None when nobody answers."""
    try:
        return Postgres(*address).query(text)
    except OSError as error:
        return None if "does not exist" not in str(error) else "empty database"


def test_a_database_waits_for_its_node_and_keeps_its_row(cluster):
    """PostgreSQL's node is killed and restored: the row is there, and never was it served empty in between"""
    subprocess.run([str(TREE / "recipes/build-image"), str(TREE / "tests/e2e/postgres")], check=True)
    cluster.run("apply", POSTGRES, seconds=180)
    cluster.wait_ready("bank", "db", 1, 120)
    host, port = cluster.url("bank", "db").split("//")[1].split(":")
    address = (host, int(port.strip("/")))
    wait_for("PostgreSQL", 30, lambda: ask(address, "select 1") == ["1"], 0.2)
    ask(address, "create table account (owner text)")
    ask(address, "insert into account values ('ida')")
    expect(ask(address, "select owner from account") == ["ida"], "the row was not stored")

    node = cluster.node_of("bank", "db")
    cluster.kill_node(node)
    seen = []
    until = time.monotonic() + 12  # well past fence_after: a careless scheduler has moved it by then
    while time.monotonic() < until:
        seen.append(ask(address, "select owner from account"))
        time.sleep(0.2)
    expect(all(answer in (None, ["ida"]) for answer in seen), f"served something else: {[a for a in seen if a]}")
    text = cluster.run("status", "bank").stdout
    expect("wait" in text, f"status does not say that it waits: {text}")
    cluster.restore_node(node)
    wait_for("the row again", 90, lambda: ask(address, "select owner from account") == ["ida"], 0.3)
    gone(cluster, "bank")
