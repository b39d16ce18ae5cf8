#!/usr/bin/python3
"""kill -9 in a loop: no acknowledged write of the key-value store is lost, no transaction is torn, nothing comes back.
Ends with "N passed, N failed".   kv_kill.py --writer build/dev/tests/torture/kv_writer [--rounds 200] [--seed 1]"""
import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading

WRITERS, SLOTS = 4, 40


class Round:
    """One life of the program; it ends by our kill."""

    def __init__(self, writer, folder, first):
        self.process = subprocess.Popen([writer, folder, str(WRITERS), str(first)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.found, self.tried, self.acked, self.error = {}, {}, {}, None
        self.opened = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break
            word, *rest = line.split()
            if word == "has":
                self.found[int(rest[0]), int(rest[1])] = (int(rest[2]), int(rest[3]))
            elif word == "open":
                self.opened.set()
            elif word in ("try", "ack"):
                known = self.tried if word == "try" else self.acked
                known[int(rest[0]), int(rest[1]) % SLOTS] = int(rest[1])
            else:
                self.error = line.strip()
        self.opened.set()

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()


def judge(found, tried, acked):
    """What is wrong with what was found, given all that was tried and acknowledged before."""
    wrong = []
    for (writer, slot), (one, other) in found.items():
        name = f"writer {writer} slot {slot}"
        if one != other:
            wrong.append(f"{name}: a torn transaction: {one} and {other}")
        if one < acked.get((writer, slot), 0):
            wrong.append(f"{name}: {one} is there, {acked[writer, slot]} was acknowledged")
        if one > tried.get((writer, slot), 0):
            wrong.append(f"{name}: {one} is there, which was never written")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--writer", required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    passed = failed = acknowledged = lives = 0
    tried, acked = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            life = Round(options.writer, folder, max(tried.values(), default=0) + 1)
            # Some die while they open, most while they write and compact.
            if chance.random() < 0.8:
                life.opened.wait(60)
            try:
                life.process.wait(chance.random() * 0.25)
            except subprocess.TimeoutExpired:
                pass
            life.end()
            wrong = [life.error] if life.error else []
            wrong += judge(life.found, tried, acked)
            if len(life.found) == WRITERS * SLOTS:
                lives += 1
                # An unacknowledged write that is there has happened, and stays.
                acked.update({place: max(one, acked.get(place, 0)) for place, (one, _) in life.found.items()})
            tried.update(life.tried)
            acked.update(life.acked)
            acknowledged += len(life.acked)
            passed += not wrong
            failed += bool(wrong)
            for line in wrong[:5]:
                print(f"FAILED round {number} (seed {options.seed}): {line}")
    if acknowledged == 0 or lives < options.rounds // 4:
        print("FAILED: the writers were killed before they did anything")
        failed += 1
    print(f"{lives} openings checked")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
