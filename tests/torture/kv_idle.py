#!/usr/bin/python3
"""A server that nobody asks anything does nothing: no byte to or from the disk, no system call, no thread that wakes up. So
the disks under it may spin down.
Ends with "N passed, N failed".   kv_idle.py --mcloud build/dev/mcloud"""
import argparse
import concurrent.futures
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance" / "kv"))
from resp import Connection, request  # noqa: E402
from servers import start_ours  # noqa: E402

QUIET_S = 3


def figures(pid):
    """What the kernel has counted of the process and each of its threads."""
    counted = {}
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        name, value = line.split(": ")
        if name in ("read_bytes", "write_bytes", "syscr", "syscw"):
            counted[name] = int(value)
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").iterdir()):
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                counted[f"wake-ups of {(task / 'comm').read_text().strip()} {task.name}"] = int(line.split()[1])
    return counted


def moved(before, after):
    return {name: after.get(name, 0) - value for name, value in before.items() if after.get(name, 0) != value}


def becomes_quiet(pid, seconds):
    """True when nothing moves for QUIET_S; what still moves, else."""
    deadline = time.monotonic() + seconds
    while True:
        before = figures(pid)
        time.sleep(QUIET_S)
        found = moved(before, figures(pid))
        if not found or time.monotonic() > deadline:
            return found


def work(port, dialect):
    """Everything that starts a timer: writes, large ones, reads, half a request, namespaces, a scan."""
    client = Connection(port)
    client.send(b"".join(request(["SET", f"key{i}", "v" * 2000]) for i in range(2000)))
    for _ in range(2000):
        client.reply()
    client.ask("SET", "large", b"x" * (4 << 20))
    client.ask("GET", "large")
    client.ask(*(["SCAN", "0"] if dialect == "redis" else ["SCAN"]))
    client.ask("DEL", "key1")
    client.ask(*(["SELECT", "1"] if dialect == "redis" else ["NSNEW", "other"]))
    client.ask("SET", "a", "b")
    client.send(request(["PING"])[:-3])
    client.send(request(["PING"])[-3:])
    client.reply()
    return client


def judge(mcloud, dialect, durability):
    """What is wrong with each of two quiet times, or None."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, \
            start_ours(mcloud, folder, dialect, "--durability", durability, "--interval-ms", "200", "--threads", "2",
                       "--segment-mb", "1") as server:
        for what, begin in (("from its start", lambda: None),
                            ("after work, with a client that stays", lambda: work(server.port, dialect))):
            client = begin()
            found = becomes_quiet(server.process.pid, 12)
            lines.append(f"FAILED ({dialect}, {durability}) {what}: in {QUIET_S} s: {found}" if found else None)
            if client:
                client.close()
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    options = parser.parse_args()
    cases = (("redis", "always"), ("redis", "interval"), ("0-db", "none"))
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:  # most of it is waiting
        lines = [line for found in pool.map(lambda case: judge(options.mcloud, *case), cases) for line in found]
    failed = sum(line is not None for line in lines)
    print("\n".join(line for line in lines if line))
    print(f"{len(lines) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
