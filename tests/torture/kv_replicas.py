#!/usr/bin/python3
"""Real kv servers that copy each other, a referee that elects as docs/design/kv-replication.md says, writers that count
what was acknowledged: masters die by kill -9 under load, or are cut off together with a follower and a writer. No
acknowledged write is lost.
Ends with "N passed, N failed".   kv_replicas.py --mcloud build/dev/mcloud [--rounds 6] [--seed 1]"""
import argparse
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE_S = 30


def until(what, holds):
    """Waits for what must come to be."""
    end = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("did not come: " + what)
        time.sleep(0.01)


class Client:
    """A connection that speaks RESP; every wait ends."""

    def __init__(self, port, timeout=5):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def send(self, *words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(out)

    def more(self):
        got = self.socket.recv(1 << 16)
        if not got:
            raise ConnectionError("ended")
        self.bytes += got

    def line(self):
        while b"\r\n" not in self.bytes:
            self.more()
        line, self.bytes = self.bytes.split(b"\r\n", 1)
        return line

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind in b"+-":
            return line.decode()
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if int(rest) < 0:
            return None
        while len(self.bytes) < int(rest) + 2:
            self.more()
        value, self.bytes = self.bytes[:int(rest)], self.bytes[int(rest) + 2:]
        return value.decode()

    def ask(self, *words):
        self.send(*words)
        return self.reply()

    def close(self):
        self.socket.close()


class Road:
    """The way from one node to another: passes connections on until it is cut; then bytes go nowhere."""

    def __init__(self, port):
        self.target, self.is_cut, self.is_over = port, False, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        pairs = {}
        while not self.is_over:
            waiting = [self.listener] + ([] if self.is_cut else list(pairs))
            ready, _, _ = select.select(waiting, [], [], 0.02)
            for one in ready:
                if one is self.listener:
                    self.accept(pairs)
                elif one in pairs and not self.is_cut:
                    self.carry(one, pairs)
        for one in pairs:
            one.close()
        self.listener.close()

    def accept(self, pairs):
        came, _ = self.listener.accept()
        try:
            goes = socket.create_connection(("127.0.0.1", self.target), timeout=2)
        except OSError:
            came.close()
            return
        pairs[came], pairs[goes] = goes, came

    @staticmethod
    def carry(one, pairs):
        try:
            got = one.recv(1 << 16)
            if got:
                pairs[one].settimeout(5)
                pairs[one].sendall(got)
                return
        except OSError:
            pass
        other = pairs.pop(one)
        pairs.pop(other, None)
        one.close()
        other.close()

    def end(self):
        self.is_over = True
        self.thread.join()


class Node:
    def __init__(self, mcloud, folder, index):
        self.index, self.member, self.mcloud = index, f"{index}.1", mcloud
        self.folder, self.port, self.process = os.path.join(folder, f"n{index}"), 0, None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.mcloud, "kv", "serve", "--data", self.folder, "--dialect", "redis", "--managed", "--segment-mb", "1",
             "--port", str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.search(r"port (\d+)", line)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def group(self, *words):
        """The status, or the error as text."""
        client = Client(self.port, timeout=DEADLINE_S)
        answer = client.ask("GROUP", *words)
        client.close()
        return dict(zip(answer[::2], answer[1::2])) if isinstance(answer, list) else answer


class Writer(threading.Thread):
    """Writes to one node, one after the other; knows what was acknowledged."""

    def __init__(self, name, node):
        super().__init__()
        self.name_, self.node, self.acked, self.is_over, self.count = name, node, {}, False, 0

    def run(self):
        client = None
        while not self.is_over:
            try:
                client = client or Client(self.node.port, timeout=0.5)
                self.count += 1
                key, value = f"{self.name_}:{self.count}", f"{self.count}:" + "v" * (self.count % 300)
                if client.ask("SET", key, value) == "+OK":
                    self.acked[key] = value
                else:
                    time.sleep(0.01)
            except (OSError, ValueError):
                if client:
                    client.close()
                client = None
                time.sleep(0.01)
        if client:
            client.close()

    def end(self):
        self.is_over = True
        self.join()
        return self.acked


class Set:
    """A replica set with its referee."""

    def __init__(self, mcloud, folder, size, copies):
        self.nodes = [Node(mcloud, folder, i) for i in range(size)]
        self.roads = {(a.index, b.index): Road(b.port) for a in self.nodes for b in self.nodes if a is not b}
        self.copies, self.term, self.revision, self.leader, self.acked = copies, 0, 1, None, {}
        self.voters = ",".join(node.member for node in self.nodes)

    def elect(self, reachable):
        """The highest rank of enough voters leads; None: they are not enough."""
        self.term += 1
        reports = {}
        for node in reachable:
            status = node.group("PROMISE", self.term)
            if isinstance(status, dict) and status["complete"] == "yes":
                reports[node] = tuple(int(status[name]) for name in ("rank_term", "rank_generation", "rank_position"))
        if len(reports) < len(self.nodes) - self.copies + 1:
            return None
        self.leader = max(reports, key=reports.get)
        return self.lead(reachable)

    def lead(self, reachable):
        self.revision += 1
        status = self.leader.group("LEAD", self.term, self.leader.member, self.copies, self.revision, self.voters,
                                   self.voters)
        assert isinstance(status, dict) and status["role"] == "master", status
        for node in reachable:
            if node is not self.leader:
                road = self.roads[node.index, self.leader.index]
                status = node.group("FOLLOW", self.term, node.member, "127.0.0.1", road.port)
                assert isinstance(status, dict) and status["role"] == "follower", status
        return self.leader

    def split(self, one_side):
        for (a, b), road in self.roads.items():
            road.is_cut = (a in one_side) != (b in one_side)

    def lost(self):
        """Acknowledged writes that the leader does not have."""
        client = Client(self.leader.port, timeout=DEADLINE_S)
        lost, keys = [], list(self.acked)
        for begin in range(0, len(keys), 500):
            part = keys[begin:begin + 500]
            for key in part:
                client.send("GET", key)
            lost += [key for key in part if client.reply() != self.acked[key]]
        client.close()
        return lost

    def wait_for_all(self):
        def all_there():
            ends = [node.group("STATUS")["rank_position"] for node in self.nodes]
            return len(set(ends)) == 1
        until("all have everything", all_there)

    def end(self):
        for node in self.nodes:
            node.kill()
        for road in self.roads.values():
            road.end()


def run_load(replicas, writers, disturb):
    for writer in writers:
        writer.start()
    try:
        before = sum(len(writer.acked) for writer in writers)
        until("writes are acknowledged", lambda: sum(len(writer.acked) for writer in writers) > before + 200)
        disturb()
    finally:
        for writer in writers:
            replicas.acked.update(writer.end())


def kill_master(replicas, chance):
    """The master dies under load, is replaced, and comes back as a follower."""
    dead = replicas.leader
    writers = [Writer(f"k{replicas.term}-{i}", dead) for i in range(4)]

    def disturb():
        time.sleep(chance.random() * 0.3)  # when it dies is by chance
        dead.kill()
        living = [node for node in replicas.nodes if node is not dead]
        assert replicas.elect(living), "enough voters live"
        for writer in writers:
            writer.node = replicas.leader
        have = sum(len(writer.acked) for writer in writers)
        until("the new master acknowledges", lambda: sum(len(w.acked) for w in writers) > have + 20)

    if replicas.copies == len(replicas.nodes):  # then the dead one must come back first
        def disturb_all():
            dead.kill()
            dead.start()
            assert replicas.elect(replicas.nodes)
        run_load(replicas, writers, disturb_all)
        return
    run_load(replicas, writers, disturb)
    dead.start()
    status = dead.group("FOLLOW", replicas.term, dead.member, "127.0.0.1",
                        replicas.roads[dead.index, replicas.leader.index].port)
    assert status["role"] == "follower", status
    assert not replicas.lost(), f"lost: {replicas.lost()[:3]}"
    replicas.wait_for_all()


def cut_off(replicas, chance):
    """The master and one follower are alone with a writer; what the others elect has all that was acknowledged."""
    old = replicas.leader
    friend = chance.choice([node for node in replicas.nodes if node is not old])
    minority = {old.index, friend.index}
    others = [node for node in replicas.nodes if node.index not in minority]
    writers = [Writer(f"c{replicas.term}-{i}", old) for i in range(3)]

    def disturb():
        replicas.split(minority)
        may_elect = len(others) >= len(replicas.nodes) - replicas.copies + 1
        term = replicas.term
        elected = replicas.elect(others)
        assert bool(elected) == may_elect, f"elected {elected}"
        if elected and len(others) >= replicas.copies:
            majority = Writer(f"m{term}", replicas.leader)
            majority.start()
            until("the others acknowledge", lambda: len(majority.acked) > 20)
            replicas.acked.update(majority.end())
        time.sleep(0.2)  # the writer on the other side goes on trying
        replicas.split(set())

    run_load(replicas, writers, disturb)
    if replicas.leader is old:
        assert replicas.elect(replicas.nodes)
    else:
        replicas.lead(replicas.nodes)
    assert not replicas.lost(), f"lost: {replicas.lost()[:3]}"
    replicas.wait_for_all()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sets", nargs="+", default=["3,2", "3,3", "5,3"], help="nodes,copies")
    options = parser.parse_args()
    passed = failed = acknowledged = 0
    for size, copies in (map(int, one.split(",")) for one in options.sets):
        with tempfile.TemporaryDirectory() as folder:
            replicas = Set(options.mcloud, folder, size, copies)
            chance = random.Random(options.seed * 100 + size * 10 + copies)
            try:
                assert replicas.elect(replicas.nodes)
                for number in range(options.rounds):
                    story = kill_master if number % 2 == 0 else cut_off
                    try:
                        story(replicas, chance)
                        passed += 1
                    except AssertionError as wrong:
                        failed += 1
                        print(f"FAILED {story.__name__}, {size} nodes, {copies} copies, round {number}: {wrong}")
                        break
                acknowledged += len(replicas.acked)
            finally:
                replicas.end()
    if acknowledged < 1000:
        failed += 1
        print(f"FAILED only {acknowledged} writes were acknowledged: nothing was tried")
    print(f"{acknowledged} acknowledged writes looked for")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
