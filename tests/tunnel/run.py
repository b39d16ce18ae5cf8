#!/usr/bin/python3
"""The tunnel's two ends as processes, behind a real HAProxy: kills, silent cuts, drains. Ends with "N passed, N failed, N skipped".

    tests/tunnel/run.py --tunnel build/release/bench/network/network_tunnel [--only WORD]
Needs root (a network namespace of its own), haproxy and nft.
"""
import argparse
import functools
import http.client
import http.server
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import run_tests, summary, tests_of  # noqa: E402

# Two gateways, two nodes with a replica each; node i dials 127.0.0.(i+1), so that nft can tell their tunnels apart.
GATEWAYS, NODES, FRONT, TUNNEL, BACK = 2, 2, 8000, 7440, 9000
HAPROXY = """global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
"""


class BackEnd(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one segment: it has begun, or not

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(8)
        body = b"answer" * 100
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Port", str(self.server.server_address[1]))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 512

    def handle_error(self, *_):
        pass


class World:
    def __init__(self, tunnel, folder):
        self.tunnel, self.folder, self.children = tunnel, pathlib.Path(folder), {}
        os.chmod(self.folder, 0o755)
        for i in range(NODES):
            server = Server(("127.0.0.1", BACK + i), BackEnd)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            (self.folder / f"node{i}").mkdir()
            self.ends("wanted", i, self.folder / f"node{i}", BACK + i, *[f"{g}=127.0.0.{i + 1}:{TUNNEL + g}" for g in range(GATEWAYS)])
        self.sockets = [self.ends("socket", i) for i in range(NODES)]
        for g in range(GATEWAYS):
            (self.folder / f"gw{g}").mkdir()
            self.start_gateway(g)
            text = HAPROXY.format(port=FRONT + g) + "".join(f"  server s{i} unix@{self.path(g, i)} check inter 1s fastinter 300ms\n" for i in range(NODES))
            config = self.folder / f"haproxy{g}.cfg"
            config.write_text(text)
            self.start(f"haproxy{g}", "haproxy", "-db", "-q", "-f", config)
        for i in range(NODES):
            self.start_node(i)
        self.until("everything", self.all_up)

    def all_up(self):
        """HAProxy takes turns: it has found every replica again."""
        return all(len({port_behind(g) for _ in range(4)}) == NODES for g in range(GATEWAYS))

    def path(self, gateway, node):
        return self.folder / f"gw{gateway}/targets" / self.sockets[node]

    def ends(self, *words):
        return subprocess.run([self.tunnel, *[str(word) for word in words]], check=True, capture_output=True, text=True, timeout=10).stdout.strip()

    def start(self, name, *command):
        self.children[name] = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=open(self.folder / f"{name}.log", "ab"))

    def start_gateway(self, g):
        self.start(f"gateway{g}", self.tunnel, "gateway", g, TUNNEL + g, self.folder / f"gw{g}", NODES)

    def start_node(self, i):
        self.start(f"node{i}", self.tunnel, "node", i, self.folder / f"node{i}", 1)

    def kill(self, name, how=signal.SIGKILL):
        child = self.children.pop(name)
        child.send_signal(how)
        return child.wait(20)

    def until(self, what, holds, seconds=15):
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds} s")
            time.sleep(0.02)

    def end(self):
        for name in list(self.children):
            self.kill(name)


def ask(gateway, path="/", method="GET", timeout=20):
    """The status; 0: no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", FRONT + gateway, timeout=timeout)
    try:
        connection.request(method, path, body=b"x" * 2000 if method == "POST" else None)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status if answer.status != 200 or len(body) == 600 else 0
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def port_behind(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", FRONT + gateway, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().headers.get("Port")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Load:
    """Loops of requests; each is (begin, end, status, method)."""

    def __init__(self, gateways, threads=6, methods=("GET",)):
        self.seen, self.stopping = [], False
        self.threads = [threading.Thread(target=self.run, args=(gateways[n % len(gateways)], methods[n % len(methods)])) for n in range(threads)]

    def run(self, gateway, method):
        while not self.stopping:
            begin = time.monotonic()
            status = ask(gateway, method=method)
            self.seen.append((begin, time.monotonic(), status, method))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def since(self, moment):
        return [one for one in self.seen if one[0] >= moment]

    def during(self, begin, end):
        return [one for one in self.seen if one[0] < end and one[1] >= begin]


def statuses(requests):
    found = {}
    for one in requests:
        found[one[2]] = found.get(one[2], 0) + 1
    return found


def cut(address):
    rules = f"table inet cut {{ chain in {{ type filter hook input priority 0; ip daddr {address} drop; ip saddr {address} drop; }}\n}}"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def mend():
    subprocess.run(["nft", "delete", "table", "inet", "cut"], check=True)


def test_a_silent_cut_of_one_tunnel_of_two_loses_no_new_request(world):
    slow = []
    waiting = [threading.Thread(target=lambda: slow.append((ask(0, "/slow"), time.monotonic()))) for _ in range(4)]
    for thread in waiting:
        thread.start()
    with Load([0, 1]) as load:
        time.sleep(1)
        before = time.monotonic()
        cut("127.0.0.2")
        moment = time.monotonic()
        world.until("the sockets of the cut tunnels to go", lambda: not world.path(0, 1).exists() and not world.path(1, 1).exists(), 3)
        noticed = time.monotonic() - moment
        time.sleep(4)
    for thread in waiting:
        thread.join()
    new, during = statuses(load.since(moment)), statuses(load.during(before, moment))
    slowest = max(one[1] - one[0] for one in load.since(moment))
    print(f"    avoided after {noticed:.2f} s; new {new}, in flight {during}, slowest new {slowest:.2f} s, slow ones {[s for s, _ in slow]}")
    assert set(new) == {200}, new
    assert set(during) <= {200, 502, 0}, during  # 0: its answer had begun
    assert slowest < 3.5
    mend()


def test_a_post_in_flight_on_a_cut_tunnel_gets_a_clean_502_and_its_retry_succeeds(world):
    found = []

    def post():
        begin = time.monotonic()
        found.append((ask(0, "/slow", "POST"), time.monotonic() - begin))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    cut("127.0.0.2")
    for thread in threads:
        thread.join()
    print(f"    {sorted(status for status, _ in found)}, the 502 after {max([t for s, t in found if s == 502], default=0):.2f} s")
    assert {status for status, _ in found} == {200, 502}, found
    assert all(took < 4 for status, took in found if status == 502), found
    assert ask(0, "/", "POST") == 200
    mend()


def test_a_killed_node_process_loses_no_get_and_comes_back(world):
    with Load([0, 1], threads=8) as load:
        for _ in range(3):
            time.sleep(0.4)
            world.kill("node1")
            world.until("its sockets to go", lambda: not world.path(0, 1).exists(), 2)
            world.start_node(1)
            world.until("it to come back", lambda: world.path(0, 1).exists() and world.path(1, 1).exists(), 8)
    print(f"    {statuses(load.seen)}")
    assert set(statuses(load.seen)) == {200}


def test_a_killed_gateway_process_comes_back_and_the_other_gateway_serves(world):
    with Load([1], threads=4) as other:
        moment = time.monotonic()
        world.kill("gateway0")
        assert ask(0) in (502, 503, 0)
        world.start_gateway(0)
        world.until("its tunnels to come back", lambda: ask(0) == 200, 8)
        took = time.monotonic() - moment
    print(f"    back after {took:.2f} s; through the other one {statuses(other.seen)}")
    assert set(statuses(other.seen)) == {200}


def test_a_node_that_drains_ends_what_it_began(world):
    slow = []
    threads = [threading.Thread(target=lambda: slow.append(ask(0, "/slow", "POST"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    with Load([0, 1], threads=4) as load:
        assert world.kill("node0", signal.SIGTERM) == 0
    for thread in threads:
        thread.join()
    print(f"    slow ones {slow}, others {statuses(load.seen)}")
    assert set(slow) == {200} and set(statuses(load.seen)) == {200}
    world.start_node(0)


def test_a_client_that_does_not_read_disturbs_nobody(world):
    lazy = []
    for _ in range(20):
        one = socket.create_connection(("127.0.0.1", FRONT))
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        lazy.append(one)
    with Load([0], threads=4) as load:
        time.sleep(2)
    for one in lazy:
        one.close()
    assert set(statuses(load.seen)) == {200}


def test_memory_stays_small(world):
    for name in ("gateway0", "node0"):
        status = pathlib.Path(f"/proc/{world.children[name].pid}/status").read_text()
        rss = int(status.split("VmRSS:")[1].split()[0])
        print(f"    {name}: {rss / 1024:.1f} MB")
        assert rss < 64 << 10


def whole(test):
    """Begins when everything is up; a test that fails leaves nothing cut."""
    @functools.wraps(test)
    def run(world):
        world.until("everything", world.all_up)
        try:
            test(world)
        except Exception:
            subprocess.run(["nft", "delete", "table", "inet", "cut"], stderr=subprocess.DEVNULL)
            raise
    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tunnel", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if os.environ.get("MCLOUD_TUNNEL_TEST") != "1":
        os.execvpe("unshare", ["unshare", "-n", "--", sys.executable, *sys.argv], dict(os.environ, MCLOUD_TUNNEL_TEST="1"))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        world = World(options.tunnel, folder)
        try:
            return summary(run_tests("tunnel", [whole(test) for test in tests_of(sys.modules["__main__"])], world, only=options.only))
        finally:
            world.end()


if __name__ == "__main__":
    sys.exit(main())
