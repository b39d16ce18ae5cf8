#!/usr/bin/python3
"""The tunnel against the best possible one: HAProxy -> tunnel -> back end, and HAProxy -> two HAProxy TCP hops -> back end.

    bench/network/tunnel.py --tunnel build/release/bench/network/network_tunnel [--rounds 5] [--seconds 4] [--only rps|mb|link...]
`ninja -C build/release network_tunnel image_relay` builds it. Needs root (network namespaces), haproxy, nginx-light and wrk.
Everything runs in a network namespace of its own; the two ways take turns, round after round.
"""
import argparse
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BIG = 256 << 20
DIRECT, HOPS, TUNNEL = 8001, 8002, 8003

NGINX = """worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600; sendfile on; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/x1; fastcgi_temp_path {folder}/x2; uwsgi_temp_path {folder}/x3; scgi_temp_path {folder}/x4;
  server {{ listen 127.0.0.1:9000 backlog=1024; root {folder}/www;
    location /put {{ dav_methods PUT; create_full_put_path on; }} }} }}
"""
HAPROXY = """global
  maxconn 4000
  nbthread {threads}
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
"""


def front(folder, socket):
    text = HAPROXY.format(threads=1) + "  mode http\n"
    for port, server in ((DIRECT, "127.0.0.1:9000"), (HOPS, "127.0.0.1:9001"), (TUNNEL, f"unix@{socket}")):
        text += f"frontend f{port}\n  bind 127.0.0.1:{port}\n  default_backend b{port}\nbackend b{port}\n  server s {server}\n"
    return text


def hop(port, target):
    return HAPROXY.format(threads=1) + f"  mode tcp\nlisten hop\n  bind 127.0.0.1:{port}\n  server s 127.0.0.1:{target}\n"


class World:
    """All processes, ended by their ids."""

    def __init__(self, options, folder):
        self.options, self.folder, self.children = options, pathlib.Path(folder), []
        for name in ("www", "gw", "node", "body"):
            (self.folder / name).mkdir()
        os.chmod(self.folder, 0o755)
        (self.folder / "www/small").write_bytes(b"x" * 600)
        with open(self.folder / "www/big", "wb") as big:
            big.truncate(BIG)

    def start(self, *command, **settings):
        child = subprocess.Popen([str(word) for word in command], **settings)
        self.children.append(child)
        return child

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def haproxy(self, name, text):
        return self.start("haproxy", "-db", "-q", "-f", self.file(name, text))

    def ends(self, *words):
        return subprocess.run([self.options.tunnel, *[str(word) for word in words]], check=True, capture_output=True, text=True).stdout.strip()

    def begin(self):
        self.start("nginx", "-c", self.file("nginx.conf", NGINX.format(folder=self.folder)), "-g", "user root;")
        self.haproxy("hop1.cfg", hop(9001, 9002))
        self.haproxy("hop2.cfg", hop(9002, 9000))
        socket = self.folder / "gw/targets" / self.ends("socket", 0)
        self.start(self.options.tunnel, "gateway", 0, 7443, self.folder / "gw", 2, stdout=subprocess.DEVNULL)
        self.ends("wanted", 0, self.folder / "node", 9000, "0=127.0.0.1:7443")
        self.start(self.options.tunnel, "node", 0, self.folder / "node", self.options.connections)
        self.haproxy("front.cfg", front(self.folder, socket))
        until(lambda: socket.exists() and all(fetch(port, "small") == 600 for port in (DIRECT, HOPS, TUNNEL)))

    def end(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGKILL)
            child.wait()


def until(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("tunnel.py: it does not begin to work")
        time.sleep(0.05)


def fetch(port, name, host="127.0.0.1"):
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "--max-time", "60", "-w", "%{size_download}", f"http://{host}:{port}/{name}"], capture_output=True, text=True)
    return int(done.stdout or 0) if done.returncode == 0 else -1


def wrk(port, name, connections, seconds):
    """Requests per second, MB per second, p99 in ms."""
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/{name}"], capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    size, unit = re.search(r"Transfer/sec:\s+([\d.]+)(\w+)", out).groups()
    p99, p99_unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    wrong = re.search(r"Non-2xx.*|Socket errors.*", out)
    if wrong:
        print("wrk:", wrong[0])
    return rate, float(size) * {"KB": 0.001024, "MB": 1.048576, "GB": 1073.74}[unit], float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[p99_unit]


def row(metric, ours, peer, peer_name, unit, bar):
    ratio = statistics.median(o / p for o, p in zip(ours, peer))
    each = " ".join(f"{o / p:.2f}" for o, p in zip(ours, peer))
    print(f"metric={metric} ours={statistics.median(ours):.1f} peer={statistics.median(peer):.1f} peer_name={peer_name} ratio={ratio:.3f} unit={unit} "
          f"bar={bar} {'met' if ratio >= bar else 'MISSED'} rounds=[{each}]", flush=True)


def rps(options):
    direct, hops, tunnel = [], [], []
    for port in (HOPS, TUNNEL):
        wrk(port, "small", 50, 1)
    for _ in range(options.rounds):
        for port, results in ((DIRECT, direct), (HOPS, hops), (TUNNEL, tunnel)):
            results.append(wrk(port, "small", 50, options.seconds))
    pick = lambda results, index: [result[index] for result in results]
    row("gw_tunnel_rps", pick(tunnel, 0), pick(hops, 0), "haproxy+2-tcp-hops", "requests/s", 0.9)
    print(f"  direct {statistics.median(pick(direct, 0)):.0f} requests/s; p99 ms: direct {statistics.median(pick(direct, 2)):.2f}, "
          f"hops {statistics.median(pick(hops, 2)):.2f}, tunnel {statistics.median(pick(tunnel, 2)):.2f}")


def mb(options):
    direct, hops, tunnel = [], [], []
    for number in range(options.rounds):
        turns = ((DIRECT, direct), (HOPS, hops), (TUNNEL, tunnel))
        for port, results in turns if number % 2 else reversed(turns):
            results.append(wrk(port, "big", 4, options.seconds)[1])
    row("gw_tunnel_mb", tunnel, direct, "haproxy-direct", "MB/s", 0.5)
    print(f"  hops {statistics.median(hops):.0f} MB/s, tunnel/hops {statistics.median(tunnel) / statistics.median(hops):.2f}")


# ---- a slow link

class Link:
    """Another namespace behind a link of 100 Mbit/s each way (tbf on both ends); the node lives there."""

    def __init__(self, world):
        self.world = world
        self.holder = world.start("unshare", "-n", "sleep", "1000")
        until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.holder.pid))
        ip("addr", "add", "10.77.0.1/24", "dev", "near")
        ip("link", "set", "near", "up")
        for command in ("ip link set lo up", "ip addr add 10.77.0.2/24 dev far", "ip link set far up", f"tc qdisc add dev far root {TBF}"):
            subprocess.run([*self.enter(), *command.split()], check=True)
        subprocess.run(["tc", "qdisc", "add", "dev", "near", *f"root {TBF}".split()], check=True)

    def enter(self):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "--"]


TBF = "tbf rate 100mbit burst 64kb latency 100ms"
LINK_MB = 60
SINK = """import http.server
class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left > 0: left -= len(self.rfile.read(min(left, 1 << 20)) or exit())
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", str({size})); self.end_headers()
        for _ in range({size} >> 20): self.wfile.write(bytes(1 << 20))
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 9100), Sink).serve_forever()
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def link(options):
    """Mbit/s of a body through HAProxy and the tunnel over that link, near and 20 ms away."""
    world, place = options.world, Link(options.world)
    world.start(*place.enter(), sys.executable, "-c", SINK.format(size=LINK_MB << 20))
    world.start(*place.enter(), options.relay, "127.0.0.1", 7500, "10.77.0.1", 7443, 10_000)
    (world.folder / "node1").mkdir()
    socket = world.folder / "gw/targets" / world.ends("socket", 1)
    world.haproxy("far.cfg", HAPROXY.format(threads=1) + f"  mode http\nlisten far\n  bind 127.0.0.1:8100\n  server s unix@{socket}\n")
    body = world.folder / "www/body"
    with open(body, "wb") as file:
        file.truncate(LINK_MB << 20)
    for name, endpoint in (("", "10.77.0.1:7443"), ("_20ms", "127.0.0.1:7500")):
        world.ends("wanted", 1, world.folder / "node1", 9100, f"0={endpoint}")
        node = world.start(*place.enter(), options.tunnel, "node", 1, world.folder / "node1", 1)
        until(socket.exists)
        for way, command in (("down", ["-o", "/dev/null"]), ("up", ["-T", body, "-H", "Expect:"])):
            seen = []
            for _ in range(min(3, options.rounds)):
                begin = time.monotonic()
                subprocess.run(["curl", "-sf", "--max-time", "60", *[str(word) for word in command], "http://127.0.0.1:8100/body"], check=True)
                seen.append((LINK_MB << 20) * 8e-6 / (time.monotonic() - begin))
            row(f"gw_tunnel_link_{way}{name}", seen, [100] * len(seen), "tbf-100mbit", "Mbit/s", 0.9)
        node.kill()
        node.wait()
        until(lambda: not socket.exists())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tunnel", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--relay", default=None, help="image_relay; default: beside --tunnel's build")
    parser.add_argument("--only", nargs="*", default=["rps", "mb", "link"])
    options = parser.parse_args()
    options.tunnel = str(pathlib.Path(options.tunnel).resolve())
    options.relay = options.relay or str(pathlib.Path(options.tunnel).parents[1] / "image/image_relay")
    if os.environ.get("MCLOUD_TUNNEL_BENCH") != "1":
        os.execvpe("unshare", ["unshare", "-n", "--", sys.executable, *sys.argv], dict(os.environ, MCLOUD_TUNNEL_BENCH="1"))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        world = options.world = World(options, folder)
        try:
            world.begin()
            for name in options.only:
                {"rps": rps, "mb": mb, "link": link}[name](options)
        finally:
            world.end()


if __name__ == "__main__":
    main()
