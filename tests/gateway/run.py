#!/usr/bin/python3
"""Runs the tests of the gateway process with a real HAProxy, real clients and an authority: tests/gateway/test_*.py.

    run.py --host BUILD/src/gateway/gateway_host [--only WORD] [--lanes 2]
Each test is a process with a network namespace of its own (as root), so that no test meets another's ports; most of their time is waiting,
so some run beside each other. Ends with "N passed, N failed, N skipped".
"""
import argparse
import importlib
import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from harness import named, run_tests, summary, tests_of  # noqa: E402

TEST_SECONDS_MAX = 240


def run_one(host, name):
    """In its namespace."""
    if os.geteuid() == 0:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    module, function = name.split(".")
    with tempfile.TemporaryDirectory(prefix="mcloud-gateway-") as folder:
        pathlib.Path(folder).chmod(0o755)  # HAProxy's user looks into its jail
        return summary(run_tests(module, [getattr(importlib.import_module(module), function)], host, pathlib.Path(folder)))


def counts_of(host, name):
    """Runs it, shows what it says, and counts."""
    command = [sys.executable, __file__, "--host", host, "--one", name]
    if os.geteuid() == 0:
        command = ["unshare", "-n", "--", *command]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = child.communicate(timeout=TEST_SECONDS_MAX)[0]
    except subprocess.TimeoutExpired:
        child.terminate()
        said = child.communicate()[0] + f"FAILED {name}: not within {TEST_SECONDS_MAX} s\n"
    body, _, last = said.rstrip("\n").rpartition("\n")
    found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", last)
    print(body if found else f"{said}FAILED {name}: it has not ended by itself", flush=True)
    return [int(number) for number in found.groups()] if found else [0, 1, 0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True, type=lambda name: str(pathlib.Path(name).resolve()))
    parser.add_argument("--only")
    parser.add_argument("--one", help="for itself")
    parser.add_argument("--lanes", type=int, default=2)
    options = parser.parse_args()
    if options.one:
        return run_one(options.host, options.one)
    waiting, totals = queue.SimpleQueue(), []
    for path in sorted(HERE.glob("test_*.py")):
        for test in tests_of(importlib.import_module(path.stem)):
            if not options.only or re.search(options.only, named(test)):
                waiting.put(named(test))

    def work():
        while not waiting.empty():
            try:
                totals.append(counts_of(options.host, waiting.get_nowait()))
            except queue.Empty:
                return

    lanes = [threading.Thread(target=work) for _ in range(max(1, options.lanes))]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return summary([sum(each) for each in zip(*totals)] or [0, 0, 0])


if __name__ == "__main__":
    sys.exit(main())
