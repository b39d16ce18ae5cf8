#!/usr/bin/python3
"""kill -9 in a loop: no acknowledged write of the key-value store is lost, no transaction is torn, nothing comes back, and
namespaces come and go as they were told. A kill takes nothing that was handed to the kernel, so this holds with every
durability (what a power cut may take with each is judged by src/kv/crash_sim_test.cc).
Ends with "N passed, N failed".   kv_kill.py --writer build/dev/tests/torture/kv_writer [--kills 210] [--seed 1]"""
import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading

WRITERS, SLOTS = 4, 40
DURABILITIES = "always", "interval", "none"


class Round:
    """One life of the program; it ends by our kill."""

    def __init__(self, writer, folder, first, durability):
        self.process = subprocess.Popen([writer, folder, str(WRITERS), str(first), durability], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.found, self.tried, self.acked, self.error = {}, {}, {}, None
        self.spaces, self.events = {}, {}
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
            elif word == "space":
                self.spaces[int(rest[0])] = int(rest[1])
            elif word == "open":
                self.opened.set()
            elif word in ("try", "ack"):
                known = self.tried if word == "try" else self.acked
                known[int(rest[0]), int(rest[1]) % SLOTS] = int(rest[1])
            elif word in ("make", "made", "kept", "drop", "dropped"):
                self.events[int(rest[0])] = word
            else:
                self.error = line.strip()
        self.opened.set()

    def is_open(self):
        return len(self.found) == WRITERS * SLOTS and self.opened.is_set() and self.error is None

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


def judge_spaces(spaces, events):
    """The last word about each namespace, and what is there."""
    wrong = []
    for number, word in events.items():
        value = spaces.get(number)
        if word in ("made", "kept") and value is None:
            wrong.append(f"namespace {number} is gone, its making was acknowledged")
        if word == "kept" and value == 0:
            wrong.append(f"namespace {number} has lost its value")
        if word == "dropped" and value is not None:
            wrong.append(f"namespace {number} is there, its removal was acknowledged")
        if value not in (None, 0, number):
            wrong.append(f"namespace {number} has the value of another: {value}")
    wrong += [f"namespace {number} is there, which was never made" for number in spaces if number not in events]
    return wrong


class Story:
    """Many lives over one folder."""

    def __init__(self, options, durability):
        self.options, self.durability = options, durability
        self.chance = random.Random(f"{options.seed} {durability}")
        self.tried, self.acked, self.events = {}, {}, {}
        self.passed = self.failed = self.lives = self.acknowledged = self.spaces = 0

    def live_once(self, folder, number):
        first = max([*self.tried.values(), *self.events], default=0) + 1
        life = Round(self.options.writer, folder, first, self.durability)
        # Some die while they open, most while they write and compact.
        if self.chance.random() < 0.8:
            life.opened.wait(60)
        try:
            life.process.wait(self.chance.random() * 0.12)
        except subprocess.TimeoutExpired:
            pass
        life.end()
        wrong = [life.error] if life.error else []
        wrong += judge(life.found, self.tried, self.acked)
        if life.is_open():
            wrong += judge_spaces(life.spaces, self.events)
            self.lives += 1
            # An unacknowledged write that is there has happened, and stays.
            self.acked.update({place: max(one, self.acked.get(place, 0)) for place, (one, _) in life.found.items()})
            # So has what was done to a namespace; what is gone stays away.
            self.events = {space: "kept" if value else "made" for space, value in life.spaces.items()}
        self.tried.update(life.tried)
        self.acked.update(life.acked)
        self.events.update(life.events)
        self.acknowledged += len(life.acked)
        self.spaces += sum(word == "dropped" for word in life.events.values())
        self.passed += not wrong
        self.failed += bool(wrong)
        for line in wrong[:5]:
            print(f"FAILED life {number} ({self.durability}, seed {self.options.seed}): {line}")

    def run(self, kills):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(kills):
                self.live_once(folder, number)
        if self.acknowledged == 0 or self.spaces == 0 or self.lives < kills // 4:
            print(f"FAILED ({self.durability}): the writers were killed before they did anything")
            self.failed += 1
        print(f"{self.durability}: {self.lives} openings checked, {self.acknowledged} slots acknowledged, "
              f"{self.spaces} namespaces came and went")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--writer", required=True)
    parser.add_argument("--kills", type=int, default=210)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    stories = [Story(options, durability) for durability in DURABILITIES]
    for story in stories:
        story.run(options.kills // len(stories))
    failed = sum(story.failed for story in stories)
    print(f"{sum(story.passed for story in stories)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
