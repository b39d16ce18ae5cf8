"""The small world of bench/image: a store's side and a node's side, one link at 1 Gbit/s between them, and a relay that
holds every byte back for a millisecond each way. Made inside namespaces of our own, so it goes with the process."""
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

STORE, NODE = "10.9.0.1", "10.9.0.2"
DELAY_US = 1000
OUTER = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]


def enter(marker="--inside"):
    """Starts this program again inside the namespaces, unless it is there; returns when it is."""
    if marker in sys.argv:
        sys.argv.remove(marker)
        return
    sys.exit(subprocess.run([*OUTER, "/usr/bin/python3", *sys.argv, marker]).returncode)


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(c) for c in command[:6])}: {done.stderr.strip()[-400:]}")
    return done.stdout


class World:
    def __init__(self, relay, folder):
        self.relay, self.folder, self.processes = str(relay), pathlib.Path(folder), []
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        subprocess.run(["umount", "/sys/fs/cgroup/unified"], capture_output=True)
        run("ip", "link", "set", "lo", "up")
        run("ip", "netns", "add", "node")
        run("ip", "link", "add", "store", "type", "veth", "peer", "name", "uplink", "netns", "node")
        self.in_node("ip", "link", "set", "lo", "up")
        for side, name, address in ((run, "store", STORE), (self.in_node, "uplink", NODE)):
            side("ip", "address", "add", f"{address}/24", "dev", name)
            side("ip", "link", "set", name, "up")
            side("tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", "1gbit", "burst", "256kb", "latency", "50ms")

    def in_node(self, *command, **options):
        return run("nsenter", "--net=/run/netns/node", *command, **options)

    def start(self, *command, ready=None, **options):
        """A process of the world; `ready`: a (host, port) on the store's side that answers when it serves."""
        log = open(self.folder / f"{pathlib.Path(str(command[0])).name}-{len(self.processes)}.log", "wb")
        process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
        self.processes.append(process)
        if ready is not None:
            wait_until(f"{command[0]} serves", 15, lambda: connects(*ready))
        return process

    def far_away(self, port, target_port):
        """STORE:port, a millisecond away, is 127.0.0.1:target_port on the store's side."""
        self.start(self.relay, STORE, port, "127.0.0.1", target_port, DELAY_US, ready=(STORE, port))

    def bytes_received(self):
        lines = self.in_node("cat", "/proc/net/dev").splitlines()
        return next(int(line.split(":")[1].split()[0]) for line in lines if "uplink" in line)

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


def connects(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def wait_until(what, seconds, check, pause=0.01):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return
        time.sleep(pause)
    raise SystemExit(f"not within {seconds} s: {what}")


def http_answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return s.recv(64).split()[1:2] == [b"200"]
    except OSError:
        return False


def answer_of(s):
    """What the server sends until it is ready for a query; empty when it ends before."""
    data = b""
    while b"Z\0\0\0\5I" not in data:
        more = s.recv(4096)
        if not more:
            return b""
        data += more
    return data


def postgres_answers(port):
    """A row of `select 1` by the wire protocol 3.0, trust authentication."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(2)
            words = b"user\0postgres\0database\0postgres\0\0"
            s.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
            if not answer_of(s):
                return False
            query = b"select 1\0"
            s.sendall(b"Q" + struct.pack("!i", 4 + len(query)) + query)
            return b"SELECT 1" in answer_of(s)
    except OSError:
        return False


PROBES = {"http": http_answers, "postgres": postgres_answers}


def probe_in_node(kind, port, seconds=120):
    """A process inside the node's namespace that ends at the first answer."""
    return subprocess.Popen(["nsenter", "--net=/run/netns/node", "/usr/bin/python3", __file__, kind, str(port), str(seconds)])


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")


if __name__ == "__main__":
    wait_until(f"{sys.argv[1]} answers", float(sys.argv[3]), lambda: PROBES[sys.argv[1]](int(sys.argv[2])), 0.002)
