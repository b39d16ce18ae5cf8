#!/usr/bin/python3
"""Power cuts under load: an acknowledged transaction is on the ledger afterwards, whatever was not synced is gone.

    powercut.py --mcloud BINARY [--cycles 6] [--expect-failure]
Each cycle: serve a ledger with a preloaded library that notes what fsync made durable; send transactions; SIGKILL in
the middle; cut every file back to its last synced length, drop files whose folder was not synced, tear the tail; serve
again; every transaction that was answered with "ok" must be there. --expect-failure turns the verdict round, for the
binary with the planted bug. Ends with "N passed, N failed".
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent


class Ledger:
    def __init__(self, mcloud, folder, preload):
        self.mcloud, self.folder, self.preload = mcloud, folder, preload
        self.data, self.log, self.socket = folder / "ledger", folder / "synced.log", folder / "ledger.sock"
        self.home = folder / "home"
        self.process = None

    def command(self, *words, check=True):
        env = {**os.environ, "MCLOUD_HOME": str(self.home), "HOME": str(self.folder), "NO_COLOR": "1"}
        done = subprocess.run([self.mcloud, *map(str, words)], capture_output=True, text=True, env=env, timeout=60)
        if check and done.returncode != 0:
            raise SystemExit(f"mcloud {' '.join(map(str, words))}: {done.stderr.strip()[-300:]}")
        return done

    def create(self):
        self.command("key", "new", "ida", "--no-passphrase")
        key = json.loads(self.command("key", "show", "ida", "--json").stdout)["public_key"]
        trust = self.command("ledger", "init", "--data", self.data, "--chain-id", "torture", "--member", f"ida={key}").stdout
        (self.folder / "trust.json").write_text(trust)

    def start(self):
        env = {**os.environ, "LD_PRELOAD": str(self.preload), "SYNCED_FOLDER": str(self.data), "SYNCED_LOG": str(self.log)}
        self.process = subprocess.Popen([self.mcloud, "ledger", "serve", "--data", self.data, "--port", "0", "--unix", self.socket],
                                        env=env, stderr=open(self.folder / "serve.log", "ab"))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.command("farm", "list", *self.where(), check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit("the ledger does not serve: " + (self.folder / "serve.log").read_text()[-500:])

    def where(self):
        return ["--ledger", f"unix:{self.socket}", "--trust", self.folder / "trust.json"]

    def new_farm(self, name):
        return self.command("farm", "new", name, "--country", "CH", "--key", "ida", *self.where(), check=False).returncode == 0

    def farms(self):
        return {f["name"] for f in json.loads(self.command("farm", "list", "--json", *self.where()).stdout)["farms"]}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def cut_power(self, dice):
        """What a disk holds after the power went: synced bytes, perhaps some of the rest, torn anywhere."""
        synced, entries = {}, set()
        for line in self.log.read_text().splitlines():
            kind, rest = line.split(" ", 1)
            if kind == "file":
                size, path = rest.split(" ", 1)
                synced[path] = int(size)
            else:
                entries.add(rest)
        lost = 0
        for path in sorted((self.data / "blocks").glob("*")):
            if str(path) not in entries:
                path.unlink()
                continue
            size, keep = path.stat().st_size, synced.get(str(path), 0)
            if size > keep:
                lost += size - keep
                # The kernel may have written any part of what was not asked for.
                os.truncate(path, keep + (dice.randrange(size - keep) if dice.random() < 0.5 else 0))
        # The state follows the blocks (docs/decisions/0005): the worst the disk can do to it is to lose it.
        if dice.random() < 0.5:
            shutil.rmtree(self.data / "state")
        return lost


def cycle(ledger, number, dice, acknowledged):
    ledger.start()
    stop = threading.Event()

    def load(worker):
        i = 0
        while not stop.is_set():
            name = f"farm-{number}-{worker}-{i}"
            i += 1
            if ledger.new_farm(name):
                acknowledged.add(name)
    workers = [threading.Thread(target=load, args=(w,)) for w in range(3)]
    for worker in workers:
        worker.start()
    time.sleep(0.3 + dice.random())
    ledger.kill()
    stop.set()
    for worker in workers:
        worker.join()
    lost = ledger.cut_power(dice)
    ledger.start()
    there = ledger.farms()
    ledger.kill()
    missing = sorted(acknowledged - there)
    print(f"cycle {number}: {len(acknowledged)} acknowledged so far, {lost} unsynced bytes lost, {len(missing)} transactions missing")
    return missing


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--cycles", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--expect-failure", action="store_true")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="mcloud-torture-") as text:
        folder = pathlib.Path(text)
        preload = folder / "synced.so"
        subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", "-o", preload, HERE / "synced.c", "-ldl"], check=True)
        ledger = Ledger(options.mcloud, folder, preload)
        ledger.create()
        acknowledged, missing = set(), []
        for number in range(options.cycles):
            try:
                missing = cycle(ledger, number, dice, acknowledged)
            except SystemExit as broken:  # it does not even start again
                print(broken)
                missing = ["everything"]
            finally:
                if ledger.process and ledger.process.poll() is None:
                    ledger.kill()
            if missing:
                break
    print(f"seed {options.seed}: {len(acknowledged)} acknowledged transactions, {'lost ' + missing[0] if missing else 'none lost'}")
    if len(acknowledged) < 20 and not missing:
        print("too few transactions were acknowledged: the test says nothing")
        missing = [] if options.expect_failure else ["load"]
    good = bool(missing) == options.expect_failure
    print("1 passed, 0 failed" if good else "0 passed, 1 failed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
