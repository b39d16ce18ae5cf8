#!/usr/bin/python3
"""Random commands in both dialects against a model that is a dictionary, with kill -9 in the middle of pipelines: after each
new start what is there must be the model's state after some prefix of the pipeline, not shorter than what was answered,
and all of it: values, number of keys, every key's history, both directions of a scan.
Ends with "N passed, N failed".   kv_model.py --mcloud build/dev/mcloud [--rounds 30] [--seed 1]"""
import argparse
import copy
import os
import pathlib
import random
import re
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance" / "kv"))
from resp import Connection, request, show  # noqa: E402
from servers import start_ours  # noqa: E402

KEYS = [f"key{i}" for i in range(12)]
OK, QUEUED, NIL = ("+", b"OK"), ("+", b"QUEUED"), ("$", None)
NOT_A_NUMBER = ("-", b"ERR value is not an integer or out of range")
VERSIONS = 4  # of each key's history that are compared


def bulk(value):
    return "$", value


def number(value):
    return ":", str(value).encode()


class Model:
    """What the server should be: values, and all versions of each key, the newest first."""

    def __init__(self):
        self.values, self.history = {}, {}

    def put(self, key, value):
        self.values[key] = value
        self.history.setdefault(key, []).insert(0, value)

    def remove(self, key):
        if key not in self.values:
            return False
        del self.values[key]
        self.history[key].insert(0, None)
        return True

    def shown(self):
        return dict(self.values), {key: versions[:VERSIONS] for key, versions in self.history.items()}

    def __eq__(self, other):
        return self.shown() == other.shown()

    # Each answers what the server should.
    def zdb(self, words):
        name, key = words[0], words[1] if len(words) > 1 else None
        if name == "SET":
            if self.values.get(key) == words[2]:
                return NIL
            self.put(key, words[2])
            return bulk(key.encode())
        if name == "DEL":
            return OK if self.remove(key) else ("-", b"Key not found")
        if name == "LENGTH":
            return number(len(self.values[key])) if key in self.values else NIL
        if name == "CHECK":
            return number(1) if key in self.values else NIL
        return self.redis(words)

    def redis(self, words):
        return getattr(self, "run_" + words[0].lower())(*words[1:])

    def run_get(self, key):
        return bulk(self.values.get(key))

    def run_mget(self, *keys):
        return "*", [bulk(self.values.get(key)) for key in keys]

    def run_exists(self, *keys):
        return number(sum(key in self.values for key in keys))

    def run_dbsize(self):
        return number(len(self.values))

    def run_strlen(self, key):
        return number(len(self.values.get(key, b"")))

    def run_getrange(self, key, first, last):
        value = self.values.get(key, b"")
        return bulk(value[int(first):int(last) + 1])

    def run_set(self, key, value, *options):
        old = self.values.get(key)
        refused = ("NX" in options and old is not None) or ("XX" in options and old is None)
        if not refused:
            self.put(key, value)
        return bulk(old) if "GET" in options else NIL if refused else OK

    def run_setnx(self, key, value):
        return number(int(self.run_set(key, value, "NX") == OK))

    def run_getset(self, key, value):
        return self.run_set(key, value, "GET")

    def run_getdel(self, key):
        old = self.values.get(key)
        self.remove(key)
        return bulk(old)

    def run_del(self, *keys):
        return number(sum(self.remove(key) for key in keys))

    def run_append(self, key, value):
        self.put(key, self.values.get(key, b"") + value)
        return number(len(self.values[key]))

    def run_incrby(self, key, by):
        old = self.values.get(key, b"0")
        if not re.fullmatch(rb"0|-?[1-9][0-9]{0,17}", old):
            return NOT_A_NUMBER
        self.put(key, str(int(old) + int(by)).encode())
        return number(self.values[key].decode())

    def run_mset(self, *pairs):
        for key, value in zip(pairs[::2], pairs[1::2]):
            self.put(key, value)
        return OK

    def run_msetnx(self, *pairs):
        if any(key in self.values for key in pairs[::2]):
            return number(0)
        self.run_mset(*pairs)
        return number(1)


class Inventor:
    def __init__(self, chance):
        self.chance, self.count = chance, 0

    def value(self):
        self.count += 1
        if self.chance.random() < 0.3:
            return str(self.chance.randrange(-100, 100)).encode()
        return (b"%d " % self.count) * self.chance.choice((1, 1, 5, 300))

    def key(self):
        return self.chance.choice(KEYS)

    def zdb(self):
        pick, key = self.chance.random(), self.key()
        if pick < 0.45:
            return ["SET", key, self.chance.choice((self.value(), b"the same"))]
        if pick < 0.6:
            return ["DEL", key]
        if pick < 0.7:
            return ["MGET", *self.chance.sample(KEYS, 3)]
        return [self.chance.choice(("GET", "EXISTS", "LENGTH", "CHECK")), key] if pick < 0.95 else ["DBSIZE"]

    def redis(self, in_transaction=False):
        names = ["SET", "SET", "APPEND", "INCRBY", "SETNX", "GETSET", "GETDEL", "DEL", "MSET", "MSETNX", "GET", "MGET", "EXISTS",
                 "STRLEN", "GETRANGE"]
        name, key = self.chance.choice(names if in_transaction else [*names, "DBSIZE"]), self.key()
        if name == "SET":
            return [name, key, self.value(), *self.chance.choice(([], [], ["NX"], ["XX"], ["GET"]))]
        if name in ("APPEND", "SETNX", "GETSET"):
            return [name, key, self.value()]
        if name == "INCRBY":
            return [name, key, str(self.chance.randrange(-9, 9))]
        if name in ("DEL", "MGET", "EXISTS"):
            return [name, *self.chance.sample(KEYS, self.chance.randrange(1, 4))]
        if name in ("MSET", "MSETNX"):
            return [name, *[one for key in self.chance.sample(KEYS, 3) for one in (key, self.value())]]
        if name == "GETRANGE":
            return [name, key, str(self.chance.randrange(0, 4)), str(self.chance.randrange(0, 9))]
        return [name] if name == "DBSIZE" else [name, key]

    def pipeline(self, dialect):
        """[(requests, commands)]: what is one step for the model; a transaction is many requests and one step."""
        steps = []
        for _ in range(self.chance.randrange(1, 25)):
            if dialect == "redis" and self.chance.random() < 0.2:
                commands = [self.redis(True) for _ in range(self.chance.randrange(1, 6))]
                steps.append(([["MULTI"], *commands, ["EXEC"]], commands))
            else:
                command = self.zdb() if dialect == "zdb" else self.redis()
                steps.append(([command], [command]))
        return steps


def run_step(model, dialect, requests, commands):
    """The answers that the model gives."""
    answers = [(model.zdb if dialect == "zdb" else model.redis)(words) for words in commands]
    return answers if len(requests) == 1 else [OK, *[QUEUED] * len(commands), ("*", answers)]


def scan(client):
    """0-db's scan to the end: {key: size}, and the same backwards."""
    found = []
    for name in ("SCAN", "RSCAN"):
        keys, words = {}, [name]
        while True:
            kind, value = client.ask(*words)
            if kind == "-":
                break
            keys.update({one[1][0][1].decode(): int(one[1][1][1]) for one in value[1][1]})
            words = [name, value[0][1]]
        found.append(keys)
    return found


class Story:
    def __init__(self, options, seed, folder):
        self.chance, self.folder, self.mcloud = random.Random(seed), folder, options.mcloud
        self.inventor, self.model, self.wrong = Inventor(self.chance), Model(), []
        self.durability = self.chance.choice(("always", "interval", "none"))
        self.steps = 0
        self.start()

    def start(self):
        self.server = start_ours(self.mcloud, self.folder, "0-db", "--durability", self.durability, "--segment-mb", "1",
                                 "--threads", "2")
        self.clients = {dialect: Connection(self.server.port) for dialect in ("zdb", "redis")}
        self.clients["redis"].ask("HELLO", "2")

    def kill(self):
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()
        self.server.process.stdout.close()
        for client in self.clients.values():
            client.close()

    def stored(self):
        """The server's state as a model."""
        model = Model()
        for key in KEYS:
            value = self.clients["redis"].ask("GET", key)[1]
            if value is not None:
                model.values[key] = value
            versions = self.clients["redis"].ask("HISTORY", key, str(VERSIONS))[1]
            if versions:
                model.history[key] = [one[1][2][1] for one in versions]
        return model

    def check_state(self, when):
        found = self.stored()
        if found != self.model:
            self.wrong.append(f"{when}: found {found.shown()}, wanted {self.model.shown()}"[:1500])
        sizes = {key: len(value) for key, value in self.model.values.items()}
        for name, keys in zip(("SCAN", "RSCAN"), scan(self.clients["zdb"])):
            if keys != sizes:
                self.wrong.append(f"{when}: {name} finds {keys}, wanted {sizes}"[:600])

    def play(self, is_killed):
        """One pipeline; when it `is_killed`, only a part of the answers is read."""
        dialect = self.chance.choice(("zdb", "redis"))
        steps, client = self.inventor.pipeline(dialect), self.clients[dialect]
        client.send(b"".join(request(words) for requests, _ in steps for words in requests))
        states, wait_for = [copy.deepcopy(self.model)], self.chance.randrange(len(steps) + 1) if is_killed else len(steps)
        for i, (requests, commands) in enumerate(steps):
            wanted = run_step(self.model, dialect, requests, commands)
            states.append(copy.deepcopy(self.model))
            if i < wait_for:
                came = [client.reply() for _ in requests]
                if came != wanted:
                    self.wrong.append(f"{dialect} {requests}: came {[show(one) for one in came]}"[:600])
        self.steps += len(steps)
        if not is_killed:
            return
        self.kill()
        self.start()
        found = self.stored()
        fits = [state for state in states[wait_for:] if state == found]
        if fits:
            self.model = fits[0]
        else:
            self.wrong.append(f"after the kill (answered {wait_for} of {len(steps)} steps) no prefix fits: {found.shown()}"[:1500])

    def run(self):
        for _ in range(3):
            for _ in range(self.chance.randrange(4, 15)):
                self.play(False)
            if self.chance.random() < 0.5:
                self.clients["redis"].ask("COMPACT")
            self.check_state("before the kill")
            self.play(True)
            self.check_state("after the kill")
            if self.wrong:
                break
        self.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.mcloud = os.path.abspath(options.mcloud)
    passed = failed = steps = 0
    for seed in range(options.seed, options.seed + options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            story = Story(options, seed, folder)
            story.run()
        steps += story.steps
        passed, failed = passed + (not story.wrong), failed + bool(story.wrong)
        for line in story.wrong[:3]:
            print(f"FAILED --seed {seed} --rounds 1 ({story.durability}): {line}")
    print(f"{steps} steps\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
