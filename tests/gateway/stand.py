"""What the gateway's tests stand on: a gateway process in a folder, sites in protobuf's text format, back ends of our own."""
import hashlib
import http.client
import http.server
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
PROTO = TREE / "proto"


def free_port():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, seconds=15.0):
    """Asks again until it is true; the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def protoc(mode, message, data):
    return subprocess.run(["protoc", f"--{mode}=mcloud.pb.{message}", f"-I{PROTO}", "mcloud/gateway.proto"], input=data,
                          capture_output=True, check=True).stdout


def contract_of(name):
    return hashlib.sha256(name.encode()).digest()


def octets(data):
    return '"' + "".join(f"\\{byte:03o}" for byte in data) + '"'


def text(value):
    return octets(value.encode())


def server(target, index, port, address="127.0.0.1", way=None, serves=True):
    way = "" if way is None else f"address: {text(address)} way_port: {way}"
    return f"servers {{ target: {text(target)} index: {index} port: {port} {way} serves: {str(serves).lower()} }}"


def route(path="/", backends=(("web", 80, 1),), more=""):
    listed = " ".join(f"backends {{ target: {text(t)} port: {p} weight: {w} }}" for t, p, w in backends)
    return f"routes {{ path: {text(path)} {listed} {more} }}" if path else f"routes {{ {listed} {more} }}"


def site(contract="acme", workload="site", mode="SITE_HTTP", names=(), routes=None, servers=(), more="", local=""):
    names = " ".join(f"names: {text(name)}" for name in names)
    return (f"sites {{ contract: {octets(contract_of(contract))} contract_name: {text(contract)} workload: {text(workload)} "
            f"site {{ mode: {mode} {names} {' '.join(routes or [route()])} retries: 2 {more} }} {' '.join(servers)} {local} }}")


class Gateway:
    def __init__(self, host, folder, resolver="", seed=""):
        self.host, self.folder, self.resolver, self.seed = host, folder / "gateway", resolver, seed
        self.data, self.logs = folder / "data", folder / "logs"
        self.http_port, self.https_port = free_port(), free_port()
        self.address = "127.0.0.1"  # where it listens
        self.process = None
        self.folder.mkdir(mode=0o755, exist_ok=True)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.kill_haproxy()

    def start(self):
        arguments = [self.host, "gateway", str(self.folder), str(self.data), str(self.logs), self.resolver, self.seed]
        log = open(self.folder / "process.log", "ab")
        self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        log.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def master(self):
        try:
            return int((self.folder / "haproxy.pid").read_text())
        except (OSError, ValueError):
            return 0

    def kill_haproxy(self):
        pid = self.master()
        try:
            if pid and str(self.folder) in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
        except (OSError, ProcessLookupError):
            pass

    def wanted(self, sites, more=""):
        head = (f'domain: "gw.example" address: {text(self.address)} http_port: {self.http_port} https_port: {self.https_port} '
                f'chain_id: "test-1" {more} ')
        return protoc("encode", "LocalGateway", (head + " ".join(sites)).encode())

    def want(self, *sites, more="", wait=True, seconds=15):
        data = self.wanted(sites, more)
        new = self.folder / ".new-wanted"
        new.write_bytes(data)
        new.rename(self.folder / "wanted")
        if wait:
            self.until_agreed(data, seconds)

    def until_agreed(self, data, seconds=15):
        revision = 0xCBF29CE484222325
        for byte in data:
            revision = ((revision ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        until(lambda: f"wanted_revision: {revision}\n" in self.state(), f"revision {revision} in force; state {self.state()}", seconds)

    def state(self):
        try:
            return protoc("decode", "GatewayState", (self.folder / "state").read_bytes()).decode()
        except FileNotFoundError:
            return ""

    def runtime(self, command):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / "haproxy.sock"))
            connection.sendall((command + "\n").encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer.decode()

    def request(self, host, path="/", method="GET", body=None, headers=None, tls=False, timeout=15):
        """(status, headers, body)"""
        if tls:
            context = ssl._create_unverified_context()
            raw = socket.create_connection(("127.0.0.1", self.https_port), timeout=timeout)
            connection = http.client.HTTPConnection("127.0.0.1", self.https_port, timeout=timeout)
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Host": host, **(headers or {})}, encode_chunked="Transfer-Encoding" in (headers or {}))
            response = connection.getresponse()
            return response.status, dict((k.lower(), v) for k, v in response.getheaders()), response.read().decode(errors="replace")
        finally:
            connection.close()

    def log_lines(self, key):
        try:
            return (self.logs / key / "log").read_text().splitlines()
        except FileNotFoundError:
            return []


class Backend:
    """An HTTP/1.1 server that says its name, and remembers what it was asked. `answer(handler)` may do otherwise."""

    def __init__(self, name, answer=None, port=0):
        self.name, self.requests, self.healthy = name, [], True
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                length = int(self.headers.get("content-length") or 0)
                self.body = self.rfile.read(length)
                if self.path.startswith("/check"):
                    return outer.reply(self, 200 if outer.healthy else 500, b"")
                outer.requests.append((self.command, self.path, dict((k.lower(), v) for k, v in self.headers.items()), self.body))
                if answer and answer(self):
                    return None
                return outer.reply(self, 200, outer.name.encode())

            do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = do_DELETE = handle_any

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @staticmethod
    def reply(handler, status, body, headers=()):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
