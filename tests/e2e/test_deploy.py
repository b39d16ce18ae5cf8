"""hello: approvals gate, two replicas and a twin, update, drain, cancel."""
import hmac
import http.server
import json
import pathlib
import shutil
import subprocess
import threading

from harness import TREE, Load, expect, fetch, wait_for

HELLO = TREE / "recipes/hello/contract.yaml"
TOKEN = "e2e-token-that-must-stay-secret-7391"
ENV = {"HELLO_TOKEN": TOKEN}


def test_nothing_runs_before_its_approvals(cluster):
    """a contract with one of two approvals is pending and no node runs anything"""
    cluster.run("apply", HELLO, "--no-approve", "--no-wait", env=ENV)
    cluster.run("approve", "hello", "--as", "ida")
    status = cluster.json("status", "hello")
    expect(status["state"] == "pending", f"state is {status['state']}")
    expect(not any(r.get("node") for r in status["replicas"]), "a replica was placed")


def test_a_stranger_cannot_approve(cluster):
    """an approval by somebody who is not a signer is refused and changes nothing"""
    done = cluster.run("approve", "hello", "--as", "operator", check=False)
    expect(done.returncode == 4, f"exit code {done.returncode}: {done.stderr}")
    expect(cluster.json("status", "hello")["state"] == "pending", "the state moved")


def test_two_of_three_approvals_make_it_serve(cluster):
    """after the second approval both publications answer with nginx's page from outside"""
    cluster.run("approve", "hello", "--as", "lena")
    for workload in ("web", "twin"):
        url = cluster.url("hello", workload)
        wait_for(f"200 from {url}", 60, lambda: fetch(url)[0] == 200)
        expect(b"nginx" in fetch(url)[1], "not nginx's page")
    cluster.wait_ready("hello", "web", 2)


def test_replicas_stand_on_different_nodes(cluster):
    """two replicas that must be spread are on two nodes"""
    nodes = {r["node"] for r in cluster.replicas("hello", "web")}
    expect(len(nodes) == 2, f"on {nodes}")


def test_it_is_accepted_after_success(cluster):
    """the acceptance sign-off is recorded and audited"""
    cluster.run("accept", "hello", "--as", "ida")
    text = cluster.run("audit", "hello").stdout
    for word in ("submit", "approve", "accept", "ida", "lena"):
        expect(word in text, f"{word} is not in the audit: {text}")


def test_what_happened_can_be_shown_to_others(cluster):
    """an exported audit verifies offline by the validators' keys alone; one changed byte, or other keys, and it does not"""
    folder = pathlib.Path(cluster.folder)
    bundle, trust = folder / "hello.audit", folder / "audit-trust.json"
    shown = cluster.json("audit", "hello", "--export", bundle)["events"]
    trust.write_text((folder / "ledger/genesis.json").read_text())
    offline = ["audit", "verify", bundle, "--trust", trust, "--cluster", "/nowhere"]
    proven = cluster.json(*offline)["events"]
    expect([e["transaction"] for e in proven] == [e["transaction"] for e in shown], f"not the same events: {proven}")
    expect({"ida", "lena"} <= {e["who"] for e in proven}, f"names are missing: {proven}")
    good = bundle.read_bytes()
    bundle.write_bytes(good[:len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1:])
    done = cluster.run(*offline, check=False)
    expect(done.returncode in (2, 4), f"a changed bundle: exit status {done.returncode}: {done.stdout}")
    bundle.write_bytes(good)
    other = json.loads(trust.read_text())
    other["validators"][0]["key"] = "00" * 31 + "01"
    trust.write_text(json.dumps(other))
    expect(cluster.run(*offline, check=False).returncode == 4, "another validator is believed")


def test_status_is_watched(cluster):
    """`status --watch` shows the next block without being asked again"""
    command = [cluster.mcloud, "status", "--watch", "--json"]
    with subprocess.Popen(command, env=cluster.environment(), stdout=subprocess.PIPE, text=True) as watching:
        watchdog = threading.Timer(30, watching.kill)
        watchdog.start()
        try:
            first = json.loads(watching.stdout.readline())["height"]
            cluster.run("farm", "new", "watched", "--country", "CH")
            later = next((height for height in (json.loads(line)["height"] for line in watching.stdout) if height > first), None)
            expect(later is not None, f"nothing newer than block {first} within 30 s")
        finally:
            watchdog.cancel()
            watching.kill()


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook's receiver that refuses the first two deliveries; what it took is in `taken`."""
    secret, refusals, taken = b"hook-secret", [500, 503], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        wanted = "sha256=" + hmac.new(self.secret, body, "sha256").hexdigest()
        status = self.refusals.pop() if self.refusals else 204
        if status == 204:
            self.taken.append((self.path, self.headers["x-mcloud-signature"] == wanted, json.loads(body)))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_events_reach_a_webhook(cluster):
    """each event is POSTed, signed, in order, until it is taken; a killed process goes on where it was"""
    folder = pathlib.Path(cluster.folder)
    (folder / "secret").write_bytes(Receiver.secret + b"\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [cluster.mcloud, "events", "--webhook", f"http://127.0.0.1:{server.server_port}/hook?room=1", "--secret", folder / "secret",
               "--position", folder / "position"]

    def farms():
        return [event["subject"] for _, _, event in Receiver.taken if event["what"] == "create-farm"]
    try:
        for number in (1, 2):
            with subprocess.Popen(command, env=cluster.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    wait_for("the position", 10, (folder / "position").exists, 0.05)
                    cluster.run("farm", "new", f"hooked-{number}", "--country", "CH")
                    wait_for("the event", 30, lambda: f"hooked-{number}" in farms(), 0.05)
                finally:
                    process.kill()
            cluster.run("farm", "new", f"missed-{number}", "--country", "CH")  # nobody listens
        with subprocess.Popen(command, env=cluster.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for("the last event", 30, lambda: "missed-2" in farms(), 0.05)
            finally:
                process.kill()
    finally:
        server.shutdown()
    expect(list(dict.fromkeys(farms())) == ["hooked-1", "missed-1", "hooked-2", "missed-2"], f"farms: {farms()}")
    expect(not Receiver.refusals and all(path == "/hook?room=1" and signed for path, signed, _ in Receiver.taken), f"{Receiver.taken}")


def test_the_whole_ledger_is_verified_beside_its_server(cluster):
    """`ledger verify` finds a running ledger whole; in a copy it names the block of one flipped byte"""
    folder = pathlib.Path(cluster.folder)
    report = cluster.json("ledger", "verify", "--data", folder / "ledger")
    expect(report["whole"] and report["executed_to"] == report["height"] > 3, f"{report}")
    copy = folder / "copy"
    shutil.copytree(folder / "ledger/blocks", copy / "blocks")
    shutil.copy(folder / "ledger/genesis.json", copy)
    blocks = sorted((copy / "blocks").iterdir())[0]
    data = bytearray(blocks.read_bytes())
    # The second record: a record is "BLK1", length, height, check, block.
    second = 32 + 24 + int.from_bytes(data[36:40], "big")
    data[second + 100] ^= 1
    blocks.write_bytes(data)
    done = cluster.run("ledger", "verify", "--data", copy, "--json", check=False)
    report = json.loads(done.stdout)
    expect(done.returncode == 8 and not report["whole"], f"exit status {done.returncode}: {report}")
    expect([d["height"] for d in report["damage"]] == [1] and report["executed_to"] == 0, f"{report}")
    shutil.rmtree(copy)


def test_applying_the_same_file_changes_nothing(cluster):
    """apply twice is one version"""
    before = cluster.json("status", "hello")
    cluster.run("apply", HELLO, env=ENV)
    after = cluster.json("status", "hello")
    expect(before["version"] == after["version"], "a new version was made")


def test_an_update_rolls_without_a_failed_request(cluster):
    """a changed environment replaces replica after replica; requests go on"""
    changed = pathlib.Path(cluster.folder) / "changed.yaml"
    text = HELLO.read_text().replace("oci:./image", f"oci:{TREE}/recipes/hello/image")
    changed.write_text(text.replace("GREETING: hello", "GREETING: moin"))
    expect("moin" in changed.read_text(), "the recipe has no GREETING any more")
    load = Load(cluster.url("hello", "web"), 200)
    try:
        cluster.run("apply", changed, "--no-approve", "--no-wait", env=ENV)
        for name in ("ida", "lena"):
            cluster.run("approve", "hello", "--as", name)

        def rolled():
            replicas = cluster.replicas("hello", "web")
            return all(r["version"] == 2 and r["state"] == "healthy" for r in replicas)
        wait_for("both replicas at version 2", 60, rolled, 0.2)
    finally:
        sent, failed = load.end()
    expect(sent > 200, f"only {sent} requests were sent")
    expect(failed == 0, f"{failed} of {sent} requests failed: {load.failures[:3]}")


def test_a_drained_node_is_left(cluster):
    """drain moves what may move and nothing comes back until resume"""
    node = cluster.node_of("hello", "twin")
    cluster.run("drain", node)
    url = cluster.url("hello", "twin")
    wait_for("the twin elsewhere", 30, lambda: cluster.node_of("hello", "twin") not in ("", None, node), 0.2)
    wait_for("200 again", 30, lambda: fetch(url)[0] == 200)
    cluster.run("resume", node)


def test_cancel_leaves_nothing_running(cluster):
    """a cancelled contract's containers are gone from every node"""
    url = cluster.url("hello", "web")
    cluster.run("cancel", "hello")
    wait_for("no answer any more", 20, lambda: fetch(url, 0.5)[0] == 0, 0.1)

    def containers():
        out = subprocess.run(["pgrep", "-fa", f"nginx: master"], capture_output=True, text=True).stdout
        return [line for line in out.splitlines() if "nginx" in line and in_cluster(cluster, int(line.split()[0]))]
    wait_for("no nginx of the cluster left", 20, lambda: not containers(), 0.2)


def in_cluster(cluster, pid):
    """Is the process a descendant of one of the cluster's nodes?"""
    roots = {n["pid1"] for n in cluster.cluster_nodes().values()}
    while pid > 1:
        if pid in roots:
            return True
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return False
