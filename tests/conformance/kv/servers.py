"""Ours and Debian's server, each in a folder and on a port of its own, gone with the test."""
import os
import re
import select
import socket
import subprocess
import tempfile
import time

from resp import Connection


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    def __init__(self, command, port=None):
        self.port = port
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("the server did not end on SIGTERM") from None
        finally:
            self.process.stdout.close()

    def is_alive(self):
        return self.process.poll() is None


def start_ours(mcloud, folder, dialect, *options):
    server = Process([mcloud, "kv", "serve", "--data", folder, "--port", "0", "--dialect", dialect, *options])
    said, deadline = b"", time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([server.process.stdout], [], [], 1)[0]:
            part = os.read(server.process.stdout.fileno(), 4096)
            if not part:
                break
            said += part
            found = re.search(rb"port (\d+).*\n", said)
            if found:
                server.port = int(found[1])
                return server
    server.process.kill()
    raise RuntimeError("kv serve does not begin: " + said.decode())


def start_redis(folder):
    port = free_port()
    server = Process(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                      "--appendonly", "no", "--daemonize", "no", "--logfile", "/dev/null"], port)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            connection = Connection(port)
            connection.close()
            return server
        except OSError:
            time.sleep(0.02)
    server.process.kill()
    raise RuntimeError("redis-server does not begin")


def new_folder():
    return tempfile.TemporaryDirectory(prefix="mcloud-conformance-")
