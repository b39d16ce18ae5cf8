#!/usr/bin/python3
"""Disks that fill up, turn read-only and break, under the real server: writes get the documented error, reads go on, what
was acknowledged stays, and the server goes on by itself when there is space again. As root (it mounts).
Ends with "N passed, N failed".   kv_disk.py --mcloud build/dev/mcloud"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance" / "kv"))
from resp import Connection, show  # noqa: E402
from servers import start_ours  # noqa: E402

MEBI = 1 << 20
VALUE = b"v" * 60000


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class TmpfsDisk:
    """A small file system in memory, with ballast to take away its space."""

    def __init__(self, size):
        self.folder = tempfile.mkdtemp(prefix="mcloud-disk-")
        run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.folder)
        self.ballast = os.path.join(self.folder, "ballast")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("umount", self.folder)
        os.rmdir(self.folder)

    def give_back(self):
        os.unlink(self.ballast)

    def fill(self):
        """To the last byte."""
        try:
            with open(self.ballast, "ab", 0) as file:
                while True:
                    file.write(b"b" * 4096)
        except OSError:
            pass

    def take(self, size):
        with open(self.ballast, "wb") as file:
            file.write(b"b" * size)


class Ext4Disk:
    """A real file system in a file, which can be told that it has found an error: then it is read-only."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="mcloud-disk-")
        image = os.path.join(self.scratch.name, "image")
        self.folder = os.path.join(self.scratch.name, "mnt")
        os.mkdir(self.folder)
        with open(image, "wb") as file:
            file.truncate(32 * MEBI)
        run("mkfs.ext4", "-q", "-e", "remount-ro", image)
        self.device = subprocess.run(["losetup", "--show", "-f", image], check=True, capture_output=True,
                                     text=True).stdout.strip()
        run("mount", self.device, self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("umount", self.folder)
        run("losetup", "-d", self.device)
        self.scratch.cleanup()

    def find_error(self):
        name = os.path.basename(self.device)
        pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("planned by a test\n")

    def repair(self):
        run("umount", self.folder)
        subprocess.run(["e2fsck", "-fy", self.device], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("mount", self.device, self.folder)


class Case:
    """One server on one disk; every write that was acknowledged is remembered."""

    def __init__(self, mcloud, folder, dialect, durability):
        self.arguments = (mcloud, os.path.join(folder, "kv"), dialect, "--durability", durability, "--segment-mb", "1",
                          "--interval-ms", "50")
        self.dialect, self.wrong, self.acknowledged, self.count = dialect, [], {}, 0
        self.errors = set()
        self.start()

    def start(self):
        self.server = start_ours(*self.arguments)
        self.client = Connection(self.server.port)

    def stop(self):
        self.client.close()
        self.server.__exit__()

    def check(self, what, is_right, came=""):
        if not is_right:
            self.wrong.append(f"{what}: {str(came)[:200]}")

    def write(self, key=None):
        """True when it was acknowledged."""
        self.count += 1
        key = key or f"key{self.count}"
        value = VALUE + str(self.count).encode()
        kind, text = self.client.ask("SET", key, value)
        if kind == "-":
            self.errors.add(text.decode())
            return False
        self.acknowledged[key] = value
        return True

    def write_until_refused(self, most=2000):
        for _ in range(most):
            if not self.write():
                return True
        return False

    def check_reads(self, when):
        for key, value in self.acknowledged.items():
            kind, text = self.client.ask("GET", key)
            if (kind, text) != ("$", value):
                return self.check(f"{when}: {key} is as it was acknowledged", False, show((kind, text))[:80])

    def check_errors(self, when):
        """Only what is documented: OOM or MISCONF, and 0-db's words."""
        fits = {"redis": ("OOM ", "MISCONF "), "0-db": ("Cannot write data right now",)}[self.dialect]
        self.check(f"{when}: the error is a documented one", self.errors and all(e.startswith(fits) for e in self.errors),
                   self.errors)
        self.errors.clear()


def full_disk(case, disk):
    disk.take(3 * MEBI)
    case.check("the disk fills up", case.write_until_refused())
    case.check_errors("full")
    case.check("a small write is refused too or done, but answered", case.client.ask("SET", "small", "s") is not None)
    case.client.ask("DEL", "small")
    case.check_reads("full")
    if case.dialect == "0-db":
        disk.fill()
        came = [show(case.client.ask(*words)) for words in (["NSNEW", "other"], ["NSSET", "default", "maxsize", "77"])]
        case.check("namespaces and settings cannot be written", came == ["-Could not create namespace", "-Internal Server Error"],
                   came)
    case.check("a new connection is served", Connection(case.server.port).ask("GET", "key1")[0] == "$")
    disk.give_back()
    # By itself, without a new start.
    case.check("writes do again when there is space", any(case.write() for _ in range(3)), case.errors)
    case.check_reads("space again")
    case.check("it fills up again", case.write_until_refused())
    case.check_reads("full again")
    case.stop()
    case.start()
    case.check_reads("after a new start on a full disk")


def compaction_on_full_disk(case, disk):
    """What is overwritten can be given back, though there is little space to copy to."""
    disk.take(2 * MEBI)
    keys = [f"key{i}" for i in range(5)]
    while all(case.write(key) for key in keys):
        pass
    disk.give_back()
    kind, text = case.client.ask("COMPACT")
    case.check("compaction is answered", kind in "+-", text)
    case.check("writes do", case.write("key0"), case.errors)
    case.check_reads("after compaction")


def read_only(case, disk):
    for _ in range(20):
        case.write()
    disk.find_error()
    case.check("writes are refused", case.write_until_refused(200))
    case.check_errors("read-only")
    case.check_reads("read-only")
    case.check("it still answers", case.client.ask("PING") == ("+", b"PONG"))
    before = len(case.acknowledged)
    case.check("it stays so", not case.write() and len(case.acknowledged) == before)
    case.stop()
    disk.repair()
    case.start()
    return before


def read_only_always(case, disk):
    read_only(case, disk)
    case.check_reads("repaired: always means that nothing is lost")
    case.check("writes do again", case.write(), case.errors)


def read_only_interval(case, disk):
    """What was on the disk for longer than the interval is there; a prefix of the rest."""
    read_only(case, disk)
    there = [case.client.ask("GET", key) == ("$", value) for key, value in case.acknowledged.items()]
    case.check("what is left is a prefix", there == sorted(there, reverse=True), there)
    case.check("writes do again", case.write("new"), case.errors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    options = parser.parse_args()
    passed = failed = 0
    for story, make_disk, durabilities in (
            (full_disk, lambda: TmpfsDisk("8m"), ("always", "interval", "none")),
            (compaction_on_full_disk, lambda: TmpfsDisk("8m"), ("interval",)),
            (read_only_always, Ext4Disk, ("always",)), (read_only_interval, Ext4Disk, ("interval", "none"))):
        for durability in durabilities:
            for dialect in ("redis", "0-db"):
                name = f"{story.__name__} ({dialect}, {durability})"
                with make_disk() as disk:
                    case = Case(options.mcloud, disk.folder, dialect, durability)
                    try:
                        story(case, disk)
                        case.check("the server lives", case.server.is_alive())
                    except (OSError, EOFError, RuntimeError) as error:
                        case.wrong.append(f"the test could not go on: {error!r}")
                    try:
                        case.stop()
                    except (OSError, RuntimeError) as error:
                        case.wrong.append(f"the server does not end: {error!r}")
                passed, failed = passed + (not case.wrong), failed + bool(case.wrong)
                for line in case.wrong:
                    print(f"FAILED {name}: {line}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
