#!/usr/bin/python3
"""Images in stores that other people wrote, and in our own: S3 (PyPI's moto), kv, web servers with and without TLS.
Ends with "N passed, N failed, N skipped".   tests/image/stores.py --mcloud build/dev/mcloud [--only WORDS]"""
import argparse
import contextlib
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/conformance/kv"), str(TREE / "tests/e2e")]
import packages  # installs in pinned versions
from harness import Skip, run_tests, summary, tests_of

S3_SERVER = "moto[server]==5.2.5"  # checks signatures with AWS's own library
# Made by the server's owner in this many steps; from then on it asks everybody for a key.
S3_SETUP = """
import json, sys
import boto3
login = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any", verify=False)
iam, s3 = boto3.client("iam", **login), boto3.client("s3", **login)
iam.create_user(UserName="image")
iam.put_user_policy(UserName="image", PolicyName="all", PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
key = iam.create_access_key(UserName="image")["AccessKey"]
s3.create_bucket(Bucket="blocks")
print(key["AccessKeyId"] + ":" + key["SecretAccessKey"])
"""
S3_SETUP_STEPS = 4
MCLOUD = None
UNAVAILABLE, DENIED, CORRUPT = 6, 4, 8


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def run(*words, status=0, **environment):
    done = subprocess.run([MCLOUD, "image", *map(str, words), "--json"], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})
    expect(done.returncode == status, f"{words}: exit {done.returncode}, not {status}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="mcloud-stores-test-") as name:
        yield pathlib.Path(name)


def some_files(place):
    """Large, small, equal and empty files."""
    content = place / "content"
    (content / "deep/er").mkdir(parents=True)
    (content / "large").write_bytes(os.urandom(3 << 20) + b"x" * (1 << 20))
    (content / "same").write_bytes((content / "large").read_bytes())
    (content / "empty").write_bytes(b"")
    for number in range(60):
        (content / "deep/er" / str(number)).write_text(f"small file {number}\n" * (number + 1))
    return content


@contextlib.contextmanager
def started(words, pattern, **environment):
    """A server that says its port in a line that matches; ended by its id."""
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, **environment})
    said, found = "", None
    try:
        while not found:
            line = process.stdout.readline()
            said += line
            expect(line, f"{words[0]} did not start: {said}")
            found = re.search(pattern, line)
        # Nobody waits for us to read what it says.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process, int(found[1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextlib.contextmanager
def s3_server(stem=None):
    """An S3 server with a bucket "blocks"; gives its port and a login "KEY:SECRET"."""
    home = pathlib.Path(MCLOUD).parent / "judges" / "s3"
    if not packages.install(home, "installed", S3_SERVER,
                            ["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade",
                             "--target", str(home), S3_SERVER]):
        raise Skip(f"{S3_SERVER} could not be installed")
    python = ["/usr/bin/python3", "-W", "ignore"]
    tls = ["-c", f"{stem}.pem", "-k", f"{stem}.key"] if stem else []
    environment = {"PYTHONPATH": str(home), "INITIAL_NO_AUTH_ACTION_COUNT": str(S3_SETUP_STEPS), "PYTHONUNBUFFERED": "1"}
    with started([*python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", *tls], r"Running on https?://127.0.0.1:(\d+)",
                 **environment) as (_, port):
        base = f"{'https' if stem else 'http'}://127.0.0.1:{port}"
        done = subprocess.run([*python, "-c", S3_SETUP, base], env={**os.environ, **environment}, capture_output=True,
                              text=True, timeout=60)
        expect(done.returncode == 0, done.stderr)
        yield port, urllib.parse.quote(done.stdout.strip(), safe=":")


def kv_server(place, port=0):
    return started([MCLOUD, "kv", "serve", "--data", place / "kv", "--port", port], r"\d port (\d+)")


def kv(port, *words):
    done = subprocess.run(["redis-cli", "-p", str(port), *map(str, words)], capture_output=True, text=True, timeout=20)
    return done.stdout.strip()


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server(served, certificate=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_certificate(place):
    """A server's certificate that vouches for itself, by OpenSSL's own tool."""
    stem = place / "server"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                    f"{stem}.key", "-out", f"{stem}.pem"], check=True, capture_output=True)
    return stem


def there_and_back(place, content, store, *more, **environment):
    """Converted into the store, verified from it, not sent twice; the file has no password."""
    file = place / "image.fl"
    made = run("convert", content, file, "--store", store, **environment)
    expect(made["new_blocks"] > 60 and made["stored_bytes"] > 3 << 20, f"too little was sent: {made}")
    found = run("verify", file, "--blocks", "--store", store, *more, **environment)
    expect(found["blocks"] == made["blocks"] and not found["faults"], f"{found} of {made}")
    again = run("convert", content, place / "again.fl", "--store", store, **environment)
    expect(again["new_blocks"] == 0 and again["digest"] == made["digest"], f"sent again: {again}")
    return file, made


# --- S3

def test_an_image_goes_into_a_bucket_of_others_and_comes_back():
    with folder() as place, s3_server() as (port, login):
        there_and_back(place, some_files(place), f"s3://{login}@127.0.0.1:{port}/blocks?region=us-east-1")


def test_a_bucket_over_tls_is_believed_by_its_certificate_only():
    with folder() as place:
        stem = make_certificate(place)
        with s3_server(stem) as (port, login):
            content = some_files(place)
            store = f"s3s://{login}@127.0.0.1:{port}/blocks"
            there_and_back(place, content, store, SSL_CERT_FILE=f"{stem}.pem")
            error = run("convert", content, place / "no.fl", "--store", store, status=DENIED)["error"]["message"]
            expect("certificate" in error and login not in error, error)


def test_a_wrong_secret_and_a_bucket_that_is_not_there_are_said_without_the_secret():
    with folder() as place, s3_server() as (port, login):
        content = some_files(place)
        key, _, secret = login.partition(":")
        error = run("convert", content, place / "a.fl", "--store", f"s3://{key}:wr0ng@127.0.0.1:{port}/blocks",
                    status=DENIED)["error"]["message"]
        expect("403" in error and "wr0ng" not in error, error)
        error = run("convert", content, place / "a.fl", "--store", f"s3://{login}@127.0.0.1:{port}/nowhere",
                    status=2)["error"]["message"]
        expect("NoSuchBucket" in error and secret not in error, error)


# --- kv

def test_an_image_goes_into_our_kv_and_comes_back():
    with folder() as place, kv_server(place) as (_, port):
        there_and_back(place, some_files(place), f"zdb://127.0.0.1:{port}")


def test_a_namespace_with_a_password_wants_it_and_the_file_does_not_tell_it():
    with folder() as place, kv_server(place) as (_, port):
        for words in (("NSNEW", "blocks"), ("NSSET", "blocks", "password", "s3cret"), ("NSSET", "blocks", "public", 0)):
            expect(kv(port, *words) == "OK", words)
        content = some_files(place)
        file, _ = there_and_back(place, content, f"zdb://me:s3cret@127.0.0.1:{port}/blocks")
        expect(b"s3cret" not in file.read_bytes(), "the password is in the file")
        for login in ("", "me:wrong@"):
            error = run("convert", content, place / "no.fl", "--store", f"zdb://{login}127.0.0.1:{port}/blocks",
                        status=DENIED)["error"]["message"]
            expect("wrong" not in error, error)


def test_a_reader_waits_for_a_kv_that_is_killed_and_started_again():
    with folder() as place:
        content = some_files(place)
        with kv_server(place) as (first, port):
            run("convert", content, place / "image.fl", "--store", f"zdb://127.0.0.1:{port}")
            first.kill()
            first.wait()
        reader = subprocess.Popen([MCLOUD, "image", "verify", place / "image.fl", "--blocks", "--json"],
                                  stdout=subprocess.PIPE, text=True)
        with kv_server(place, port):
            said, _ = reader.communicate(timeout=60)
        expect(reader.returncode == 0 and not json.loads(said)["faults"], said)


# --- web servers

def test_a_web_server_with_a_folder_of_blocks_is_a_store():
    with folder() as place:
        content = some_files(place)
        run("convert", content, place / "image.fl", "--store", f"dir://{place}/blocks")
        (place / "image.fl").rename(place / "blocks" / "image.fl")
        stem = make_certificate(place)
        with web_server(place / "blocks") as port, web_server(place / "blocks", stem) as tls_port:
            shutil.move(place / "blocks", place / "moved")
            (place / "blocks").symlink_to("moved")
            for base, environment in ((f"http://127.0.0.1:{port}", {}),
                                      (f"https://localhost:{tls_port}", {"SSL_CERT_FILE": f"{stem}.pem"})):
                found = run("verify", f"{place}/moved/image.fl", "--blocks", "--store", base, **environment)
                expect(not found["faults"] and found["blocks"] > 60, found)
            error = run("convert", content, place / "b.fl", "--store", f"http://127.0.0.1:{port}/new", status=9)["error"]
            expect("read only" in error["message"], error)


def test_wrong_bytes_of_one_store_are_fetched_from_another_and_alone_are_corrupt():
    with folder() as place:
        content = some_files(place)
        bad, good = f"dir://{place}/bad", f"dir://{place}/good"
        run("convert", content, place / "image.fl", "--store", bad, "--store", good)
        for block in (place / "bad").glob("*/*"):
            block.write_bytes(block.read_bytes()[:-1] + b"?")
        expect(not run("verify", place / "image.fl", "--blocks")["faults"], "a good copy was there")
        shutil.rmtree(place / "good")
        (place / "good").mkdir()
        run("verify", place / "image.fl", "--blocks", status=CORRUPT)


def main():
    global MCLOUD
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    MCLOUD = str(pathlib.Path(options.mcloud).resolve())
    return summary(run_tests("stores", tests_of(sys.modules["__main__"]), only=options.only))


if __name__ == "__main__":
    sys.exit(main())
