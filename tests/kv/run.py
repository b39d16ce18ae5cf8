#!/usr/bin/python3
"""The key-value server as people and operators meet it: config file, TLS with others' clients, metrics, tools.
Ends with "N passed, N failed, N skipped".   tests/kv/run.py --mcloud build/dev/mcloud [--only WORDS]
redis-cli and promtool (apt-get install redis-tools prometheus) and the Python package redis are asked when they are there."""
import argparse
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/conformance/kv"), str(TREE / "tests/e2e")]
import packages  # the clients of other people, in their pinned versions
from harness import Skip, run_tests, summary, tests_of

MCLOUD = None


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def until(what, condition, seconds=20):
    """Waits for something that another process does; looks often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never came: {what}")


def mcloud(*words, status=0, json_output=False):
    words = [MCLOUD, *map(str, words)] + (["--json"] if json_output else [])
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    expect(done.returncode == status, f"{words}: exit status {done.returncode}, not {status}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout) if json_output else done.stdout + done.stderr


class Server:
    """`mcloud kv serve` with these words; `with` ends it."""

    def __init__(self, *words):
        self.process = subprocess.Popen([MCLOUD, "kv", "serve", *map(str, words)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline()
        if not self.said:
            raise AssertionError(self.process.stderr.read())
        find = lambda pattern: (lambda m: int(m[1]) if m else None)(re.search(pattern, self.said))
        self.port, self.tls_port = find(r"\d port (\d+)"), find(r"TLS port (\d+)")
        if "--metrics-listen" in words:
            self.metrics = re.search(r"http://\S+", self.process.stdout.readline())[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(20)
        self.process.stdout.close()
        self.process.stderr.close()

    def ask(self, *words):
        return ask(socket.create_connection(("127.0.0.1", self.port)), *words)


def ask(connection, *words):
    """One request as bytes; the first line of the reply, or a bulk's text."""
    request = b"*%d\r\n" % len(words)
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        request += b"$%d\r\n%s\r\n" % (len(word), word)
    connection.sendall(request)
    file = connection.makefile("rb")
    line = file.readline().decode().rstrip("\r\n")
    if line.startswith("$") and line != "$-1":
        return file.read(int(line[1:]) + 2)[:-2].decode(errors="replace")
    return line


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="mcloud-kv-test-") as name:
        yield pathlib.Path(name)


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def make_certificates(where, name="authority"):
    """An authority, and a server's and a client's certificate of it, by OpenSSL's own tool."""
    authority = where / f"{name}.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", "-keyout", where / f"{name}.key", "-out", authority)
    for who in ("server", "client"):
        stem = where / f"{name}-{who}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={who}", "-keyout",
                f"{stem}.key", "-out", f"{stem}.csr")
        names = where / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", authority, "-CAkey", where / f"{name}.key", "-days", "2",
                "-extfile", names, "-out", f"{stem}.pem")
    return authority, where / f"{name}-server", where / f"{name}-client"


def tls_words(stem):
    return ["--tls-cert", f"{stem}.pem", "--tls-key", f"{stem}.key", "--tls-port", 0]


def need(program):
    if not shutil.which(program):
        raise Skip(f"no {program}")


# --- configuration

def test_a_config_file_is_obeyed_and_flags_win():
    with folder() as place:
        config = place / "kv.yaml"
        config.write_text(f"data: {place}/kv\nport: 1\ndialect: redis\nsocket: {place}/kv.sock\ndurability: always\n")
        with Server("--config", config, "--port", 0) as server:
            expect("durability of new namespaces always" in server.said, server.said)
            expect(server.ask("SET", "k", "v") == "+OK", "it speaks Redis")
            expect((place / "kv.sock").is_socket(), "the socket is there")


def test_a_wrong_config_file_is_one_line_that_names_the_place():
    with folder() as place:
        config = place / "kv.yaml"
        config.write_text(f"data: {place}/kv\nthreads: 100\n")
        said = mcloud("kv", "serve", "--config", config, status=2)
        expect(said.count("\n") == 1 and f"{config}:2: threads: allowed: 1 to 64; not \"100\"" in said, said)
        said = mcloud("kv", "serve", "--data", place / "kv", "--threads", "x", status=2)
        expect("--threads: allowed: 1 to 64; not \"x\"" in said, said)
        expect("data is missing" in mcloud("kv", "serve", status=2), "what is needed is said")
        expect(not (place / "kv").exists(), "nothing was made")


def test_durability_options_leave_namespaces_that_are_there_alone():
    with folder() as place:
        with Server("--data", place, "--port", 0, "--durability", "always") as server:
            server.ask("NSNEW", "old")
        with Server("--data", place, "--port", 0, "--durability", "none", "--interval-ms", 7) as server:
            server.ask("NSNEW", "new")
            for name, wanted in (("default", "always"), ("old", "always"), ("new", "none")):
                said = server.ask("NSINFO", name)
                expect(f"durability: {wanted}\n" in said, f"{name}: {said}")
            expect(server.ask("NSSET", "old", "durability", "interval") == "+OK", "it changes when asked to")
        with Server("--data", place, "--port", 0) as server:
            expect("durability: interval\n" in server.ask("NSINFO", "old"), "and stays changed")


# --- TLS

def test_redis_cli_speaks_tls():
    need("redis-cli")
    with folder() as place:
        authority, stem, client = make_certificates(place)
        with Server("--data", place / "kv", "--dialect", "redis", "--port", 0, *tls_words(stem)) as server:
            base = ["redis-cli", "-h", "127.0.0.1", "-p", str(server.tls_port), "--tls"]
            run = lambda *words: subprocess.run(base + list(map(str, words)), capture_output=True, text=True, timeout=20)
            expect(run("--cacert", authority, "SET", "k", "v").stdout == "OK\n", "SET")
            expect(run("--cacert", authority, "GET", "k").stdout == "v\n", "GET")
            other, _, _ = make_certificates(place, "other")
            refused = run("--cacert", other, "GET", "k")
            expect("verify failed" in refused.stderr + refused.stdout, f"another authority: {refused}")
        with Server("--data", place / "kv", "--dialect", "redis", "--port", 0, "--tls-ca", authority, *tls_words(stem)) as server:
            base[4] = str(server.tls_port)
            good = run("--cacert", authority, "--cert", f"{client}.pem", "--key", f"{client}.key", "GET", "k")
            expect(good.stdout == "v\n", f"with a certificate: {good}")
            expect(run("--cacert", authority, "GET", "k").stdout != "v\n", "without one")


def test_the_python_client_speaks_tls():
    expect(packages.redis_py(TREE / "build/conformance"), "redis-py is installed")
    import redis
    with folder() as place:
        authority, stem, _ = make_certificates(place)
        with Server("--data", place / "kv", "--dialect", "redis", "--port", 0, "--tls-only", *tls_words(stem)) as server:
            expect(server.port is None, f"no port without TLS: {server.said}")
            client = redis.Redis("localhost", server.tls_port, ssl=True, ssl_ca_certs=str(authority))
            value = os.urandom(3_000_000)
            client.set("k", value)
            expect(client.get("k") == value, "the value comes back")
            pipe = client.pipeline(transaction=False)
            for i in range(2000):
                pipe.set(f"k{i}", i)
            expect(all(pipe.execute()), "a pipeline")
            client.close()


def test_old_versions_of_tls_are_refused():
    with folder() as place:
        authority, stem, _ = make_certificates(place)
        with Server("--data", place / "kv", "--port", 0, *tls_words(stem)) as server:
            for word, is_good in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
                done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", word, "-CAfile",
                                       authority, "-verify_return_error", "-cipher", "ALL:@SECLEVEL=0"], input=b"",
                                      capture_output=True, timeout=20)
                expect((done.returncode == 0) == is_good, f"{word}: {done.stderr.decode()}")


def test_a_follower_speaks_tls_and_says_why_it_does_not_follow():
    with folder() as place:
        authority, stem, own = make_certificates(place)
        stranger, *_ = make_certificates(place, "stranger")
        base = ["--dialect", "redis", "--port", 0]
        with Server("--data", place / "master", *base, "--tls-ca", authority, *tls_words(stem)) as master:
            expect(master.ask("SET", "k", "v") == "+OK", "a write")
            follow = ["--follow", f"localhost:{master.tls_port}", "--follow-tls-cert", f"{own}.pem", "--follow-tls-key", f"{own}.key"]
            with Server("--data", place / "good", *base, *follow, "--follow-tls-ca", authority) as good:
                until("the copy", lambda: good.ask("GET", "k") == "v")
            with Server("--data", place / "bad", *base, *follow, "--follow-tls-ca", stranger) as bad:
                reason = "TLS: the peer's certificate: "
                until("the reason in the log", lambda: reason in bad.process.stderr.readline())
                until("the reason in INFO", lambda: f"master_link_problem:localhost port {master.tls_port}: {reason}" in bad.ask("INFO", "replication"))


def test_a_hangup_reads_the_certificates_again():
    with folder() as place:
        first, stem, _ = make_certificates(place, "first")
        second, fresh, _ = make_certificates(place, "second")
        with Server("--data", place / "kv", "--dialect", "redis", "--port", 0, *tls_words(stem)) as server:
            def connect(authority):
                context = ssl.create_default_context(cafile=str(authority))
                return context.wrap_socket(socket.create_connection(("127.0.0.1", server.tls_port), 20), server_hostname="localhost")
            old = connect(first)
            pathlib.Path(f"{stem}.pem").write_text("broken")
            server.process.send_signal(signal.SIGHUP)
            until("the reason in the log", lambda: "the TLS files stay as they were" in server.process.stderr.readline())
            expect(ask(connect(first), "PING") == "+PONG", "the old certificate stays in use")
            for kind in ("pem", "key"):
                shutil.copy(f"{fresh}.{kind}", f"{stem}.{kind}")
            server.process.send_signal(signal.SIGHUP)

            def is_fresh():
                try:
                    return ask(connect(second), "PING") == "+PONG"
                except ssl.SSLError:
                    return False
            until("the new certificate", is_fresh)
            expect(ask(old, "PING") == "+PONG", "who was connected stays")


# --- metrics

def test_metrics_are_what_promtool_wants():
    need("promtool")
    with folder() as place:
        with Server("--data", place, "--port", 0, "--metrics-listen", "127.0.0.1:0") as server:
            server.ask("SET", "k", "v")
            server.ask("GET", "k")
            server.ask("NSNEW", 'odd "name"\\')
            page = urllib.request.urlopen(server.metrics, timeout=20).read()
            done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=20)
            expect(done.returncode == 0 and not done.stderr, done.stdout.decode() + done.stderr.decode())
            expect(b'kv_commands_total{dialect="0-db",command="SET",result="ok"} 1' in page, page.decode())


# --- tools

def filled(place):
    with Server("--data", place, "--dialect", "redis", "--port", 0) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        for key, value in (("a", "1"), ("a", "2"), (b"\xff\x00\n", b"\x00\x01"), ("gone", "x")):
            expect(ask(connection, "SET", key, value) == "+OK", "SET")
        ask(connection, "DEL", "gone")
        expect(ask(connection, "SET", "short", "x", "PX", 1) == "+OK", "SET with an expiry")
        until("the expiry", lambda: ask(connection, "EXISTS", "short") == ":0")
        connection.close()


def test_verify_finds_nothing_in_a_sound_store_and_the_place_in_a_damaged_one():
    with folder() as place:
        filled(place)
        found = mcloud("kv", "verify", place, json_output=True)
        expect(found["damaged"] == 0 and found["namespaces"][0]["records"] in (6, 7), found)
        log = next((place / "spaces/default").glob("*.log"))
        data = bytearray(log.read_bytes())
        data[65] ^= 1
        log.write_bytes(data)
        found = mcloud("kv", "verify", place, json_output=True, status=8)
        expect(found["damaged"] == 1 and found["namespaces"][0]["faults"][0]["position"] == 0, found)
        expect("default at 0" in mcloud("kv", "verify", place, status=8), "people see the place too")
        expect(log.read_bytes() == bytes(data), "nothing was repaired")


def test_dump_is_whole_and_safe_for_any_bytes():
    with folder() as place:
        filled(place)
        lines = [json.loads(line) for line in mcloud("kv", "dump", place, "--json").splitlines()]
        expect([line.get("key") or base64.b64decode(line["key_base64"]) for line in lines] == ["a", b"\xff\x00\n"], lines)
        expect(lines[0]["value"] == "2" and base64.b64decode(lines[1]["value_base64"]) == b"\x00\x01", lines)
        history = mcloud("kv", "dump", place, "--history", "--namespace", "default").splitlines()
        history = [line for line in history if line.split("\t")[3:] != ["del", '"short"']]  # the sweeper may have been there
        expiry = history[-1].split("\t")[6]
        expect(len(expiry) == 13 and expiry.isdigit(), expiry)
        expect([line.split("\t")[3:] for line in history] ==
               [["set", '"a"', '"1"'], ["set", '"a"', '"2"'], ["set", '"\\xff\\x00\\x0a"', '"\\x00\\x01"'],
                ["set", '"gone"', '"x"'], ["del", '"gone"'], ["set", '"short"', '"x"', expiry]], history)
        expect("no namespace" in mcloud("kv", "dump", place, "--namespace", "none", status=3), "a wrong name")


def test_a_folder_that_a_server_has_open_is_refused():
    with folder() as place:
        with Server("--data", place, "--port", 0):
            for tool in ("verify", "dump"):
                said = mcloud("kv", tool, place, status=5)
                expect("a running server has it open" in said, said)
        expect("no key-value store" in mcloud("kv", "verify", place / "none", status=3), "no folder")


def test_bench_counts_what_it_did_and_top_sees_it():
    with folder() as place:
        authority, stem, _ = make_certificates(place)
        with Server("--data", place / "kv", "--port", 0, "--socket", place / "kv.sock", *tls_words(stem)) as server:
            where = f"127.0.0.1:{server.port}"
            done = mcloud("kv", "bench", where, "-n", 20000, "-c", 10, "-P", 4, "-d", 50, "-r", 100, json_output=True)
            expect([r["requests"] for r in done["results"]] == [20000, 20000], done)
            for result in done["results"]:
                expect(result["errors"] == 0 and result["requests_per_s"] > 0, result)
                expect(0 < result["p50_us"] <= result["p99_us"] <= result["max_us"], result)
            expect(done["results"][1]["misses"] == 0, "all keys are there")
            load = subprocess.Popen([MCLOUD, "kv", "bench", where, "-n", "1000000000", "-P", "4"], stdout=subprocess.DEVNULL)
            try:
                seen = until("a second with load", lambda: (lambda s: s if s["commands_per_s"] > 100 else None)(
                    mcloud("kv", "top", place / "kv.sock", "--once", json_output=True)))
            finally:
                load.kill()
                load.wait()
            expect(seen["write"]["count"] > 0 and seen["write"]["p99_us_at_most"] > 0, seen)
            expect(seen["namespaces"][0]["name"] == "default" and seen["namespaces"][0]["keys"] > 0, seen)
            said = mcloud("kv", "top", f"localhost:{server.tls_port}", "--once", "--tls-ca", authority)
            expect("commands/s" in said and "default" in said, said)
            expect("HOST:PORT" in mcloud("kv", "bench", "nowhere", status=2), "a wrong address")
            expect("no such namespace" in mcloud("kv", "bench", where, "--namespace", "none", "-n", 10, status=2), "a wrong name")
        mcloud("kv", "top", where, "--once", status=6)


def main():
    global MCLOUD
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    MCLOUD = str(pathlib.Path(options.mcloud).resolve())
    os.environ["MCLOUD_LOG"] = "info"
    return summary(run_tests("kv", tests_of(sys.modules["__main__"]), only=options.only))


if __name__ == "__main__":
    sys.exit(main())
