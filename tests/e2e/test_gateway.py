"""Gateways: strangers find workloads by name and port, and whatever dies, clients get on. n1 and n2 are gateways; n5 and n6
are behind NAT and are reached by the tunnels they opened."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import places
from harness import expect, fetch, now_ms, wait_for
from places import address, container, contract, contract_id, kill9, node, root, router, stranger, web

GATEWAYS = {"n1": "10.250.0.11", "n2": "10.250.0.12"}
DOMAIN = "gw.localhost"
ACME = f"https://{places.HUB}:14000/dir"


def own(cluster, name):
    """ida has the public name."""
    cluster.run("name", "buy", name, check=False)
    expect(cluster.json("name", "show", name)["owner_name"] == "ida", f"{name} is somebody else's")


def get(place, gateway, name, path="/", *more, scheme="http", seconds=3):
    port = 443 if scheme == "https" else 80
    host = name if "." in name else f"{name}.{DOMAIN}"
    return place.curl(f"{scheme}://{host}{path}", "--resolve", f"{host}:{port}:{GATEWAYS[gateway]}", *more, seconds=seconds)


def wait_served(place, name, gateways=GATEWAYS, seconds=60, **options):
    for gateway in gateways:
        wait_for(f"{name} at {gateway}", seconds, lambda: get(place, gateway, name, **options)[0] == 200, 0.2)


def site(name, *lines):
    return ["kind: publish", f"name: {name}", "to: web:http", *lines]


def test_a_name_is_served_by_both_gateways(cluster):
    """http://shop.gw.localhost answers on both gateways from all replicas, and through the port on this host"""
    own(cluster, "shop")
    with stranger(cluster) as outside, contract(cluster, "shop", {"web": web(cluster, replicas=2), "site": site("shop")}):
        wait_served(outside, "shop")
        for gateway in GATEWAYS:
            wait_for(f"both replicas at {gateway}", 20, lambda: {get(outside, gateway, "shop")[1].strip() for _ in range(6)} == {"web-0", "web-1"}, 0.2)
            expect(get(outside, gateway, "nobody")[0] in (404, 421, 503), "a name of nobody is served")
        port = next(f["port"] for f in cluster.json("cluster", "status")["forwards"] if f["name"] == "gateway-http")
        done = subprocess.run(["curl", "-s", "-m", "3", f"http://shop.{DOMAIN}:{port}/"], capture_output=True, text=True)
        expect(done.stdout.startswith("web-"), f"through this host's port: {done.stdout!r} {done.stderr}")
    wait_for("the name free", 20, lambda: cluster.json("name", "show", "shop")["contract"] == "", 0.2)


def test_a_name_belongs_to_one(cluster):
    """somebody else cannot take a name that is owned, nor publish under it"""
    own(cluster, "mine")
    taken = cluster.run("name", "buy", "mine", "--key", "lena", check=False)
    expect(taken.returncode != 0, "lena bought ida's name")
    text = "name: thief\nworkloads:\n  web:\n" + "".join(f"    {l}\n" for l in web(cluster)) + \
           "  site:\n" + "".join(f"    {l}\n" for l in site("mine"))
    path = pathlib.Path(cluster.folder) / "thief.yaml"
    path.write_text(text)
    done = cluster.run("apply", path, "--no-wait", "--key", "lena", check=False)
    expect(done.returncode != 0 and "mine" in done.stderr, f"lena published under ida's name: {done.stderr}")


class Clients:
    """Clients that know both gateways, as a name with two addresses tells them, and try the other one when one fails."""

    PROGRAM = pathlib.Path(__file__).resolve().parent / "failover_client.py"

    def __init__(self, place, name, threads=8):
        self.process = place.start("python3", self.PROGRAM, name, threads, *GATEWAYS.values(), stdout=subprocess.PIPE, text=True)

    def end(self):
        """Lines of one request each: when it began and ended (monotonic s), status, attempts."""
        self.process.terminate()
        rows = [line.split() for line in self.process.communicate(timeout=10)[0].splitlines()]
        return [(float(begun), float(ended), int(status), int(attempts)) for begun, ended, status, attempts in rows]


def failover_ms(cluster, name, gateway):
    """One gateway's node is killed under load: until every client is served again (ms), requests that failed at both."""
    with stranger(cluster) as outside:
        wait_served(outside, name)
        clients = Clients(outside, name)
        time.sleep(2)
        killed = cluster.kill_node(gateway) / 1000
        time.sleep(4)
        rows = clients.end()
    hurt = [ended for begun, ended, status, attempts in rows if ended > killed and (attempts > 1 or status != 200 or ended - begun > 0.3)]
    return (max(hurt) - killed) * 1000 if hurt else 0.0, sum(row[2] != 200 for row in rows), len(rows)


def test_a_gateway_dies_under_load(cluster):
    """SIGKILL of one gateway's node: clients with both addresses recover within 2 s and no request fails at both"""
    own(cluster, "busy")
    with contract(cluster, "busy", {"web": web(cluster, on="n3"), "site": site("busy")}):
        for gateway in GATEWAYS:
            took, failed, sent = failover_ms(cluster, "busy", gateway)
            cluster.restore_node(gateway)
            print(f"        {gateway}: recovered after {took:.0f} ms, {failed} of {sent} requests failed")
            expect(took <= 2000 and failed == 0, "clients were hurt")


def test_haproxy_and_the_gateway_process_are_replaced(cluster):
    """kill -9 of HAProxy, of its worker, and of the gateway process: the name is served again within seconds"""
    own(cluster, "phoenix")
    with stranger(cluster) as outside, contract(cluster, "phoenix", {"web": web(cluster, on="n3"), "site": site("phoenix")}):
        wait_served(outside, "phoenix")
        for word in ("haproxy", "node gateway"):
            for pid in places.processes(cluster, word, "n1"):
                kill9(pid)
            killed = now_ms()
            wait_for(f"n1 after kill -9 of {word}", 15, lambda: get(outside, "n1", "phoenix", seconds=1)[0] == 200, 0.02)
            print(f"        {word}: back after {now_ms() - killed:.0f} ms")


# ---- an authority and a name server, in the cluster's root

def free_names(contract_of):
    """unbound's lines: every name of a gateway's domain, and custom domains with the proof of whose they are."""
    lines = [f'local-zone: "{DOMAIN}." redirect'] + [f'local-data: "{DOMAIN}. 5 IN A {a}"' for a in GATEWAYS.values()]
    for domain, owner in contract_of.items():
        lines.append(f'local-zone: "{domain}." static')
        lines += [f'local-data: "{domain}. 5 IN A {a}"' for a in GATEWAYS.values()]
        if owner:
            lines.append(f'local-data: \'_mcloud.{domain}. 1 IN TXT "mcloud={owner}"\'')
    return "".join(f"  {line}\n" for line in lines)


@contextlib.contextmanager
def name_server(cluster, contract_of=None):
    """Where the nodes ask for names (node.json, resolver)."""
    config = pathlib.Path(cluster.folder) / "root-unbound.conf"
    config.write_text(f'server:\n  interface: {places.HUB}\n  username: ""\n  chroot: ""\n  directory: ""\n  pidfile: ""\n'
                      '  use-syslog: no\n  access-control: 0.0.0.0/0 allow\n  module-config: "iterator"\n  local-zone: "." refuse\n'
                      + free_names(contract_of or {}))
    with root(cluster).running("unbound", "-d", "-c", config):
        wait_for("the name server", 5, lambda: root(cluster).dig(DOMAIN, server=places.HUB) != ["SILENT"], 0.1)
        yield


@contextlib.contextmanager
def authority(cluster):
    """Debian's pebble, which the gateways' nodes trust. Yields the file of its root certificate."""
    folder = pathlib.Path(cluster.folder) / "pebble"
    folder.mkdir(exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=pebble", "-addext", f"subjectAltName=IP:{places.HUB}", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem"], check=True, capture_output=True)
    (folder / "config.json").write_text(json.dumps({"pebble": {
        "listenAddress": f"{places.HUB}:14000", "managementListenAddress": f"{places.HUB}:15000", "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"), "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
    bundle = folder / "bundle.pem"
    bundle.write_text(pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text() + (folder / "cert.pem").read_text())
    for name in GATEWAYS:
        node(cluster, name).out("mount", "--bind", bundle, "/etc/ssl/certs/ca-certificates.crt")
    home = root(cluster)
    pebble = places.Place("pebble", [*home.enter, "env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"])
    with pebble.running("pebble", "-config", folder / "config.json", "-dnsserver", f"{places.HUB}:53"):
        get_root = ["curl", "-s", "-k", "-f", "-m", "2", f"https://{places.HUB}:15000/roots/0"]
        wait_for("pebble", 10, lambda: home.run(*get_root).returncode == 0, 0.1)
        (folder / "root.pem").write_text(home.out(*get_root))
        yield folder / "root.pem"


def test_https_with_certificates_of_an_authority(cluster):
    """tls: acme gets certificates on both gateways, HTTP/2 works, plain HTTP is led to HTTPS"""
    own(cluster, "secure")
    tls = f"tls: {{acme: {{directory: \"{ACME}\"}}}}"
    with stranger(cluster) as outside, name_server(cluster), authority(cluster) as trusted, \
            contract(cluster, "secure", {"web": web(cluster, on="n3"), "site": site("secure", tls, "redirect: true", "hsts: 1d")}):
        for gateway in GATEWAYS:
            wait_for(f"HTTPS at {gateway}", 90, lambda: get(outside, gateway, "secure", "/", "--cacert", trusted, scheme="https")[0] == 200, 0.5)
            status, head = get(outside, gateway, "secure", "/", "--cacert", trusted, "--http2", "-I", scheme="https")
            expect(status == 200 and head.startswith("HTTP/2"), f"no HTTP/2: {head[:100]}")
            expect("strict-transport-security: max-age=86400" in head.lower(), f"no HSTS: {head}")
            status, head = get(outside, gateway, "secure", "/x", "-I")
            expect(status in (301, 302, 307, 308) and f"https://secure.{DOMAIN}/x" in head, f"no redirect: {head}")
        states = cluster.run("status", "secure").stdout
        expect("secure" in states, states)


def test_tls_passes_through_by_name(cluster):
    """tls: passthrough leads by SNI to the workload, whose own certificate the client sees"""
    own(cluster, "own-tls")
    folder = pathlib.Path(cluster.folder) / "own-tls"
    folder.mkdir(exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=own", "-addext", f"subjectAltName=DNS:own-tls.{DOMAIN}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    work = {"web": web(cluster, on="n3", ports="{http: 80, https: 443}"),
            "site": ["kind: publish", "name: own-tls", "to: web:https", "tls: passthrough"]}
    with stranger(cluster) as outside, contract(cluster, "passing", work):
        server = container(cluster, "passing", "web")
        with server.running("openssl", "s_server", "-accept", "443", "-cert", folder / "cert.pem", "-key", folder / "key.pem", "-www"):
            for gateway in GATEWAYS:
                wait_for(f"the workload's own TLS at {gateway}", 30, lambda: get(
                    outside, gateway, "own-tls", "/", "--cacert", folder / "cert.pem", scheme="https")[0] == 200, 0.2)


UDP_ECHO = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 5353))\n"
            "while True:\n d, a = s.recvfrom(2048)\n s.sendto(d, a)")
UDP_ASK = ("import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(1)\n"
           "s.sendto(b'ping', (sys.argv[1], int(sys.argv[2])))\nprint(s.recv(100).decode())")


def test_tcp_and_udp_ports(cluster):
    """raw ports lead through every gateway, TCP and UDP"""
    work = {"web": web(cluster, on="n3", ports="{http: 80, sql: 5432, game: 5353/udp}"),
            "sql": ["kind: publish", "at: gateways", "port: 5432", "to: web:sql"],
            "game": ["kind: publish", "at: gateways", "port: 5353", "to: web:game"]}
    with stranger(cluster) as outside, contract(cluster, "raw", work):
        server = container(cluster, "raw", "web")
        with server.running("python3", "-m", "http.server", "5432"), server.running("python3", "-c", UDP_ECHO):
            for gateway, where in GATEWAYS.items():
                wait_for(f"tcp at {gateway}", 30, lambda: outside.curl(f"http://{where}:5432/")[0] == 200, 0.2)
                wait_for(f"udp at {gateway}", 30, lambda: "ping" in outside.run("python3", "-c", UDP_ASK, where, 5353).stdout, 0.2)


WEBSOCKET = pathlib.Path(__file__).resolve().parent / "websocket_echo.py"


def test_websockets_live_on(cluster):
    """a WebSocket through the gateway echoes, also after HAProxy was configured anew"""
    own(cluster, "chat")
    work = {"web": web(cluster, on="n3", ports="{http: 80, ws: 8080}"), "site": ["kind: publish", "name: chat", "to: web:ws"]}
    own(cluster, "other")
    with stranger(cluster) as outside, contract(cluster, "chat", work):
        server = container(cluster, "chat", "web")
        with server.running("python3", WEBSOCKET, "serve", "8080"):
            client = None
            try:
                def opened():
                    nonlocal client
                    client = outside.start("python3", WEBSOCKET, "talk", GATEWAYS["n1"], 80, f"chat.{DOMAIN}", stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, text=True)
                    return client.stdout.readline() == "open\n"
                wait_for("the WebSocket", 30, opened, 0.3)
                for word, act in (("first", lambda: None), ("second", lambda: places.apply(cluster, "more", {
                        "web": web(cluster, on="n4"), "site": site("other")}) or wait_served(outside, "other", ["n1"]))):
                    act()
                    client.stdin.write(word + "\n")
                    client.stdin.flush()
                    expect(client.stdout.readline() == word + "\n", f"the echo of {word} is lost")
            finally:
                if client is not None:
                    client.kill()
                    client.wait()
                cluster.run("cancel", "more", check=False)


GRPC = pathlib.Path(__file__).resolve().parent / "grpc_echo.py"


def self_signed(cluster, name):
    """(chain, key), files."""
    folder = pathlib.Path(cluster.folder) / f"tls-{name}"
    folder.mkdir(exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}.{DOMAIN}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def call(outside, gateway, *more):
    done = outside.run(sys.executable, GRPC, "talk", GATEWAYS[gateway], 443, f"rpc.{DOMAIN}", *more)
    return done.stdout.split("\n") if done.returncode == 0 else [done.stderr.strip().splitlines()[-1]]


def test_grpc_least_connections_sticky_and_weights(cluster):
    """gRPC calls stay open both ways and the next ones avoid who is busy; a cookie holds at both gateways; weights are shares"""
    for name in ("rpc", "cookie", "shares"):
        own(cluster, name)
    chain, key = self_signed(cluster, "rpc")
    work = {"web": web(cluster, replicas=2, ports="{http: 80, grpc: 50051}"), "canary": web(cluster, on="n3"),
            "rpc": ["kind: publish", "name: rpc", f'tls: {{chain: "file:{chain}", key: {{secret: "file:{key}"}}}}',
                    'to: "web:grpc"', "h2: true", "balance: least-connections"],
            "cookie": ["kind: publish", "name: cookie", 'to: "web:http"', "sticky: true"],
            "shares": ["kind: publish", "name: shares", 'to: [{to: "web:http", weight: 3}, {to: "canary:http", weight: 1}]']}
    with stranger(cluster) as outside, contract(cluster, "kinds", work), contextlib.ExitStack() as servers:
        for index in (0, 1):
            servers.enter_context(container(cluster, "kinds", "web", index).running(sys.executable, GRPC, "serve", 50051, f"web-{index}"))
        for gateway in GATEWAYS:
            wait_for(f"both replicas by gRPC at {gateway}", 30, lambda: {call(outside, gateway)[0] for _ in range(4)} == {"web-0", "web-1"}, 0.3)
            held = outside.start(sys.executable, GRPC, "talk", GATEWAYS[gateway], 443, f"rpc.{DOMAIN}", "hold", stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
            busy = held.stdout.readline().strip()
            others = [call(outside, gateway) for _ in range(6)]
            answer = held.communicate("\n", timeout=10)[0].strip()
            expect(busy in ("web-0", "web-1") and answer == "first second 0", f"the call that is held: {busy!r} {answer!r}")
            expect(all(other == ["web-1" if busy == "web-0" else "web-0", "first second 0", ""] for other in others), f"{busy} is busy: {others}")
        jar = pathlib.Path(cluster.folder) / "cookies"
        jar.unlink(missing_ok=True)
        wait_served(outside, "cookie")
        first = get(outside, "n1", "cookie", "/", "-c", jar)[1].strip()
        stays = {get(outside, gateway, "cookie", "/", "-b", jar)[1].strip() for gateway in GATEWAYS for _ in range(5)}
        expect(first and stays == {first}, f"a client with the cookie of {first} is led to {stays}")
        for gateway in GATEWAYS:
            wait_for("three at the shares", 30, lambda: len({get(outside, gateway, "shares")[1].strip() for _ in range(8)}) == 3, 0.2)
            canary = [get(outside, gateway, "shares")[1].strip() for _ in range(40)].count("canary-0")
            expect(9 <= canary <= 11, f"a quarter of 40 is not {canary}")


def test_a_custom_domain_is_served_for_whom_its_owner_names(cluster):
    """a domain is served when its TXT record names the contract, and not before"""
    work = {"web": web(cluster, on="n3"), "site": ["kind: publish", "domains: [www.example.org]", "to: web:http"]}
    with stranger(cluster) as outside:
        with name_server(cluster, {"www.example.org": None}), contract(cluster, "domain", work):
            places.wait_ms(3000)
            expect(get(outside, "n1", "www.example.org")[0] != 200, "served without a proof")
        with contract(cluster, "domain", work), name_server(cluster, {"www.example.org": contract_id(cluster, "domain")}):
            wait_served(outside, "www.example.org", seconds=60)


# ---- from inside out

def test_behind_nat_by_tunnel(cluster):
    """a workload on a node behind NAT is served by both gateways over connections that the node opened"""
    own(cluster, "inside")
    with stranger(cluster) as outside, contract(cluster, "inside", {"web": web(cluster, on="n5"), "site": site("inside")}):
        wait_served(outside, "inside")
        ways = node(cluster, "n5").out("ss", "-Htn", "state", "established")
        for where in GATEWAYS.values():
            expect(re.search(rf"{re.escape(where)}:7443\b", ways), f"no connection from n5 to {where}: {ways}")
        # The names' server stands on addresses that only the node's own networks reach.
        listening = [line.split()[3] for line in node(cluster, "n5").out("ss", "-Htln").splitlines()]
        expect(set(listening) <= {"198.19.255.254:53", "[fd6d:6300:7472::fffe]:53"}, f"n5 listens on TCP: {listening}")


def test_udp_by_tunnel(cluster):
    """a UDP server behind NAT answers strangers through both gateways, over connections that its node opened"""
    work = {"web": web(cluster, on="n5", ports="{http: 80, game: 5353/udp}"),
            "game": ["kind: publish", "at: gateways", "port: 5354", "to: web:game", "exposure: tunnel"]}
    with stranger(cluster) as outside, contract(cluster, "gaming", work):
        with container(cluster, "gaming", "web").running("python3", "-c", UDP_ECHO):
            for gateway, where in GATEWAYS.items():
                wait_for(f"udp at {gateway}", 30, lambda: "ping" in outside.run("python3", "-c", UDP_ASK, where, 5354).stdout, 0.2)


def test_a_hidden_node_accepts_no_inbound_tcp(cluster):
    """nmap finds no open port on a node behind NAT, from outside and from its own router, and its rules count none taken"""
    own(cluster, "closed")
    with stranger(cluster) as outside, contract(cluster, "closed", {"web": web(cluster, on="n5"), "site": site("closed", "exposure: tunnel")}):
        wait_served(outside, "closed")
        n5, near = node(cluster, "n5"), router(cluster, "n5")
        watch = ("table inet watch {\n counter syns { }\n counter taken { }\n"
                 " chain arrival {\n  type filter hook prerouting priority -400;\n  iifname \"uplink\" tcp flags & (syn|ack) == syn counter name syns\n }\n"
                 " chain answer {\n  type filter hook output priority 400;\n  oifname \"uplink\" tcp flags & (syn|ack) == (syn|ack) counter name taken\n }\n}\n")
        n5.run("nft", "-f", "-", stdin=watch, check=True)
        try:
            # Their namespaces have no /sys of their own, in which nmap looks for interfaces: it connects like anybody.
            for place, where in ((near, "192.168.5.2"), (outside, "10.250.0.15")):
                report = place.out("nmap", "-Pn", "-n", "--unprivileged", "-sT", "-T5", "--max-retries", "0", "--min-parallelism", "500", "-p", "1-65535",
                                   where, seconds=150)
                expect(" open" not in report, f"{place.name}: {report}")
            counts = {c["counter"]["name"]: c["counter"]["packets"] for c in json.loads(n5.out("nft", "-j", "list", "counters", "table", "inet", "watch"))["nftables"]
                      if "counter" in c}
            expect(counts["syns"] >= 60_000 and counts["taken"] == 0, f"counters: {counts}")
            expect(get(outside, "n1", "closed")[0] == 200, "it is served no more")
        finally:
            n5.run("nft", "delete", "table", "inet", "watch")


def test_one_of_two_tunnels_breaks(cluster):
    """two replicas behind NAT: when the tunnel of one is cut in silence or killed, requests in flight get a clean 502 at most and
    every new one and every retry succeeds"""
    own(cluster, "twoways")
    with stranger(cluster) as outside, contract(cluster, "twoways", {
            "one": web(cluster, on="n5"), "two": web(cluster, on="n6"), "site": ["kind: publish", "name: twoways", "to: [one:http, two:http]"]}):
        wait_served(outside, "twoways")
        for gateway in GATEWAYS:
            wait_for("both replicas", 30, lambda: {get(outside, gateway, "twoways")[1].strip() for _ in range(6)} == {"one-0", "two-0"}, 0.3)
        faults = {"killed": (lambda: [kill9(p) for p in places.processes(cluster, "node tunnel", "n5")], lambda: None),
                  "cut": (lambda: cluster.run("cluster", "cut", "n6"), lambda: cluster.run("cluster", "mend", "n6"))}
        for what, (break_it, mend) in faults.items():
            clients = Clients(outside, "twoways")
            time.sleep(1)
            broken = time.monotonic()
            break_it()
            time.sleep(6)
            rows = clients.end()
            mend()
            bad = [row for row in rows if row[2] != 200]
            late = [row for row in bad if row[0] > broken + 0.1]
            print(f"        {what}: {len(bad)} of {len(rows)} requests failed, {len(late)} of them new ones")
            expect(all(row[2] in (502, 504) for row in bad), f"not a clean answer: {bad[:3]}")
            expect(what == "cut" or not late, f"new requests failed: {late[:3]}")
            for gateway in GATEWAYS:
                wait_for("both replicas again", 60, lambda: {get(outside, gateway, "twoways")[1].strip() for _ in range(6)} == {"one-0", "two-0"}, 0.3)


def test_large_answers_through_gateway_and_tunnel(cluster):
    """32 MiB come whole through the gateway, direct and by tunnel"""
    image = pathlib.Path(cluster.folder) / "big-web"
    if not image.exists():
        from tiny_image import write_layout
        write_layout(image, command=["/bin/sh", "-c", "/bin/busybox head -c 33554432 /dev/zero > /tmp/big; echo x > /tmp/index.html; "
                                                      "exec /bin/busybox httpd -f -p 80 -h /tmp"])
    for name, where in (("near", "n3"), ("far", "n5")):
        own(cluster, f"big-{name}")
        lines = [line.replace("disk: 16MiB", "disk: 64MiB").replace("memory: 32MiB", "memory: 128MiB") for line in web(cluster, image=image, on=where)]
        with stranger(cluster) as outside, contract(cluster, f"big-{name}", {"web": lines, "site": site(f"big-{name}")}):
            wait_served(outside, f"big-{name}")
            for gateway in GATEWAYS:
                status, size = get(outside, gateway, f"big-{name}", "/big", "-o", "/dev/null", "-w", "%{size_download}\n%{http_code}", seconds=40)
                expect((status, size.strip()) == (200, "33554432"), f"{name} through {gateway}: {status} {size}")


def test_an_idle_gateway_costs_nothing(cluster):
    """without publications no gateway process runs"""
    wait_for("no gateway process", 30, lambda: not any(places.processes(cluster, word, name) for name in GATEWAYS
                                                       for word in ("haproxy", "node gateway")), 0.5)
