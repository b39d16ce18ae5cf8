"""Figures of networks and gateways as people see them: what was sent is what nodes measured. In the networks' cluster."""
import itertools
import pathlib
import subprocess

from harness import Failure, expect, wait_for
from places import address, container, contract, stranger, web
from test_gateway import GATEWAYS, get, own, self_signed

RULES = ["kind: network", "range: 10.82.0.0/24", 'allow: ["left -> right:80", "left -> right:bulk"]']
BULK = 8 << 20


class Figures:
    """What `mcloud network show CONTRACT --figures` says now."""

    def __init__(self, cluster, contract_name):
        self.all = cluster.json("network", "show", contract_name, "--figures")["figures"]

    def of(self, name, **labels):
        """The values, by (node, to)."""
        rows = [one for one in self.all if one["name"] == f"mcloud_{name}" and all(one["labels"].get(k) == v for k, v in labels.items())]
        return {(one["labels"].get("node"), one["labels"].get("to")): float(one["value"]) for one in rows}


def ends_at(chain):
    """When a certificate ends, in seconds since 1970."""
    text = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", chain], capture_output=True, text=True, check=True).stdout
    return int(subprocess.run(["date", "-u", "-d", text.strip().removeprefix("notAfter="), "+%s"], capture_output=True, text=True, check=True).stdout)


def test_figures_are_what_was_sent(cluster):
    """bytes, drops by rule, round trips, loss, handshakes, requests, tunnels and the end of a certificate, as they happened"""
    own(cluster, "figures")
    chain, key = self_signed(cluster, "figures")
    work = {"net": RULES, "left": web(cluster, on="n1"), "right": web(cluster, on="n3", ports="{http: 80, bulk: 5201}"), "nat": web(cluster, on="n5"),
            "site": ["kind: publish", "name: figures", f'tls: {{chain: "file:{chain}", key: {{secret: "file:{key}"}}}}', "to: [right:http, nat:http]"]}
    with stranger(cluster) as outside, contract(cluster, "figures", work):
        left, right = container(cluster, "figures", "left"), container(cluster, "figures", "right")

        def ask(gateway):
            return get(outside, gateway, "figures", "/", "--cacert", chain, scheme="https")[0]
        for gateway in GATEWAYS:
            wait_for(f"HTTPS at {gateway}", 40, lambda: ask(gateway) == 200, 0.2)

        # Megabytes from n3 to n1, five tries that no rule allows, a hundred requests.
        bulk = pathlib.Path(cluster.folder) / "bulk"
        bulk.mkdir(exist_ok=True)
        (bulk / "data").write_bytes(bytes(BULK))
        with right.running("python3", "-m", "http.server", "5201", "-d", bulk):
            wait_for("the server", 10, lambda: left.connects(address(right), 5201) == "yes", 0.1)
            expect(left.curl(f"http://{address(right)}:5201/data", "-o", "/dev/null", seconds=20)[0] == 200, "the megabytes do not come")
        for _ in range(5):
            expect(right.connects(address(left), 80, 0.2) != "yes", "a rule leaks")
        for _ in range(100):
            expect(ask("n1") == 200, "no answer")

        def judged():
            """Nodes send figures every 10 s, each at its own time: all of them have told of it when the judges agree."""
            figures = Figures(cluster, "figures")
            judge_networks(figures)
            judge_gateways(figures, ends_at(chain))
            return True
        agreed("figures of all of it", 60, judged)
        text = cluster.run("network", "show", "figures", "--figures").stdout
        for head in ("ROUND TRIP", "LAST HANDSHAKE", "TO NODES", "DROPPED", "CERTIFICATE ENDS", "TUNNEL OF"):
            expect(head in text, f"no table with {head}: {text}")


def agreed(what, seconds, judge):
    """Asks the judge again until it has nothing to say; the last complaint is the failure."""
    complaints = []

    def again():
        try:
            return judge()
        except AssertionError as complaint:
            complaints[:] = [str(complaint)]
            return None
    try:
        wait_for(what, seconds, again, 0.5)
    except Failure as late:
        raise Failure(f"{late}; last: {complaints}") from late


def judge_networks(figures):
    for direction, node in (("out", "n3"), ("in", "n1")):
        carried = figures.of("network_bytes_total", way="nodes", direction=direction).get((node, None), 0)
        expect(BULK <= carried <= 1.15 * BULK + (1 << 20), f"{direction} at {node}: {carried}")
    outer = figures.of("mesh_bytes_total", direction="out").get(("n3", "n1"), 0)
    expect(outer >= BULK, f"WireGuard from n3 to n1: {outer}")
    drops = figures.of("network_drops_total", rule="not allowed out")
    expect(5 <= drops.get(("n3", None), 0) <= 50, f"drops: {drops}")
    # A name and a rule of each namespace: more than one of a node would hide behind (node, to).
    netns = {one["labels"]["netns"] for one in figures.all if one["name"] == "mcloud_network_drops_total" and one["value"] != "0"
             and one["labels"]["rule"] == "not allowed out"}
    expect(any(name.endswith("-right-0") for name in netns), f"who was not allowed out: {netns}")
    pairs = set(itertools.permutations(("n1", "n2", "n3", "n5"), 2))
    trips, lost = figures.of("mesh_rtt_seconds"), figures.of("mesh_lost_ratio")
    expect(set(trips) == pairs and set(lost) == pairs, f"round trips: {sorted(trips)}")
    expect(all(0 < value < 0.5 for value in trips.values()), f"round trips: {trips}")
    expect(all(0 <= value <= 0.6 for value in lost.values()), f"lost: {lost}")
    # By either key: a node that has changed its own stands in the other slot.
    ages = figures.of("mesh_handshake_age_seconds", device="mwg0") | figures.of("mesh_handshake_age_seconds", device="mwg1")
    expect(pairs <= set(ages) and all(-1 <= value <= 200 for value in ages.values()), f"handshakes: {ages}")


def judge_gateways(figures, end):
    requests = figures.of("gateway_requests_total", workload="site")
    expect(100 <= requests.get(("n1", None), 0) <= 300, f"requests: {requests}")
    out = figures.of("gateway_bytes_total", direction="out", workload="site")
    expect(out.get(("n1", None), 0) >= 100 * len("web-0"), f"bytes: {out}")
    for gateway in GATEWAYS:
        expect(figures.of("gateway_servers_up", workload="site").get((gateway, None)) == 2, "replicas that get requests")
        expect(figures.of("gateway_certificate_expires_seconds", workload="site").get((gateway, None)) == end, "the certificate's end")
        expect(figures.of("tunnel_up").get(("n5", gateway)) == 1, f"the tunnel from n5 to {gateway}")
    expect(sum(figures.of("tunnel_streams_total").values()) >= 1, "streams of tunnels")
