"""The servers that the kv benches compare: started afresh, filled, asked for their CPU time and memory, ended."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

VALUE_BYTE = b"x"
CHUNK = 5000  # requests sent before their replies are read


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A server process, asked on `port`; ended with the `with` block."""

    def __init__(self, name, words, port=None, wrapper=()):
        self.name, self.words = name, [str(word) for word in words]
        self.started = time.monotonic()
        self.process = subprocess.Popen([*wrapper, *self.words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if port is None:
            found = re.search(r"port (\d+)", self.process.stdout.readline())
            if not found:
                raise SystemExit(f"{name} does not start: {' '.join(self.words)}")
            port = int(found[1])
        self.port = port
        self.wrapped = bool(wrapper)
        deadline = time.monotonic() + 300
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{name} does not answer: {' '.join(self.words)}")
            time.sleep(0.005)
        self.ready_s = time.monotonic() - self.started

    def answers(self):
        """False while it does not listen, or still loads what it has."""
        try:
            return not ask(self.port, "PING").startswith(b"-LOADING")
        except OSError:
            return False

    @property
    def pid(self):
        """Of the server itself, not of what it runs under."""
        if not self.wrapped:
            return self.process.pid
        return int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def cpu_seconds(self):
        """Of all threads that live, to the nanosecond (the kernel's own accounting, not its ticks)."""
        tasks = pathlib.Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory_bytes(self, kind):
        """kind: RssAnon (its own), RssFile (pages of files, shared with the page cache)"""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(kind + r":\s+(\d+) kB", text)[1]) * 1024

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            os.kill(self.pid, number)
        self.process.wait(120)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def request(*words):
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Client:
    """One connection; one request at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        """The reply's first line, or the bulk string behind it."""
        self.socket.sendall(request(*words))
        line = self.file.readline()
        if not line.startswith(b"$") or line.startswith(b"$-1"):
            return line.rstrip()
        return self.file.read(int(line[1:]) + 2)[:-2]

    def close(self):
        self.socket.close()


def ask(port, *words):
    client = Client(port)
    try:
        return client.ask(*words)
    finally:
        client.close()


def fill(server, begin, end, value_bytes):
    """SETs the keys that redis-benchmark uses (16 bytes each), all of [begin, end), once."""
    client = Client(server.port)
    value = b"$%d\r\n%s\r\n" % (value_bytes, VALUE_BYTE * value_bytes)
    chunk = max(50, min(CHUNK, (4 << 20) // value_bytes))
    waiting = 0
    for first in range(begin, end, chunk):
        count = min(chunk, end - first)
        client.socket.sendall(b"".join([b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n%s" % (key, value)
                                        for key in range(first, first + count)]))
        read_oks(client, waiting)
        waiting = count
    read_oks(client, waiting)
    client.close()


def read_oks(client, count):
    if client.file.read(5 * count) != b"+OK\r\n" * count:
        raise SystemExit("a SET was not answered with OK")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            sys.exit(f"needs {program}: apt-get install redis-server redis-tools strace")


def print_versions(mcloud):
    for words in ([mcloud, "--version"], ["redis-server", "--version"], ["redis-benchmark", "--version"]):
        print("version:", subprocess.run(words, capture_output=True, text=True).stdout.strip())


def ours(options, folder, durability, segment_mb=None, wrapper=()):
    return Program("mcloud kv", [options.mcloud, "kv", "serve", "--data", folder, "--dialect", "redis", "--port", "0",
                                 "--durability", durability, "--threads", options.threads,
                                 "--segment-mb", segment_mb or options.segment_mb], wrapper=wrapper)


def redis(folder, durability, wrapper=()):
    """Writes the same: an append-only file. It is not rewritten meanwhile, as ours is not compacted."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    fsync = {"interval": "everysec", "always": "always"}[durability]
    return Program("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                             "--appendonly", "yes", "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0",
                             "--daemonize", "no", "--logfile", folder / "log"], port, wrapper)


def print_peers(us, peer, durability):
    for server in (us, peer):
        print("command line:", " ".join(server.words))
    means = {"interval": "both: on the disk within a second", "always": "both: on the disk before the reply"}
    print(f"durability: {means[durability]}")


def metric(name, unit, ours, peer=None, bar=None, ratio=None, peer_name="redis", more=""):
    """The line that every runner of bench/ ends with."""
    shown = [f"metric={name}", f"ours={ours:.4g}" if ours < 1000 else f"ours={ours:.0f}"]
    shown.append("peer=none" if peer is None else f"peer={peer:.4g}" if peer < 1000 else f"peer={peer:.0f}")
    shown.append(f"peer_name={'none' if peer is None else peer_name}")
    shown.append("ratio=none" if ratio is None else f"ratio={ratio:.2f}")
    shown.append(f"unit={unit}")
    shown.append(f"bar={bar}")
    return " ".join(shown) + (" " + more if more else "")
