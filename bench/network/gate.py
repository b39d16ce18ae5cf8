#!/usr/bin/python3
"""The gateway against the bare engine that somebody would configure by hand, in the same run, on the same back end.

    bench/network/gate.py --gate BUILD/src/gateway/gateway_host [--rounds 9] [--seconds 2]
Needs root, haproxy and wrk. The peer is HAProxy with one frontend, the site's name as a rule, X-Forwarded-*, the same safe retries and
an access log of JSON on its standard output, into a file: what ours gives as well. More rows without a bar: against a peer that neither
logs nor tries again (`bare`), and what the second hop of TLS costs that a gateway takes when some site's TLS passes through.
Clients are wrk with 32 kept connections; what is compared takes turns, round after round, in an order that changes. A ratio is the median of the
rounds' own ratios, as a shared machine is faster in one round than in another; both figures are medians. `rounds=[...]` says how far they lie apart.
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TREE / "tests/gateway"), str(TREE / "tests/e2e")]

from stand import Gateway, free_port, route, server, site, text, until  # noqa: E402

NAME = "www.gw.example"
# The same fields as ours.
LOG = ('log-format \'{"client":"%ci","method":"%[capture.req.method,json(utf8s)]","host":"%[capture.req.hdr(0),json(utf8s)]",'
       '"uri":"%[capture.req.uri,json(utf8s)]","protocol":"%[capture.req.ver]","status":%ST,"bytes_in":%U,"bytes_out":%B,"ms":%Ta,"server":"%s",'
       '"tls":"%sslv","referer":"%[capture.req.hdr(2),json(utf8s)]","agent":"%[capture.req.hdr(1),json(utf8s)]","end":"%ts"}\'')
RETRY = ("retries 2\n  option redispatch 1\n  retry-on conn-failure empty-response\n"
         "  http-request disable-l7-retry unless { method GET HEAD OPTIONS }")


def row(metric, ours, peer, peer_name, unit, bar=None, more_is_better=True):
    """Of the rounds of each, in the same order."""
    ratios = [one / other for one, other in zip(ours, peer)]
    ratio = statistics.median(ratios)
    met = bar is None or (ratio >= bar if more_is_better else ratio <= bar)
    print(f"metric={metric} ours={statistics.median(ours):.3f} peer={statistics.median(peer):.3f} peer_name={peer_name} ratio={ratio:.3f} unit={unit}"
          + ("" if bar is None else f" bar={bar:.3f} {'met' if met else 'MISSED'}") + f" rounds=[{' '.join(f'{each:.2f}' for each in ratios)}]", flush=True)


def start(config, folder, name, output=subprocess.DEVNULL):
    path = folder / f"{name}.cfg"
    path.write_text(config)
    return subprocess.Popen(["haproxy", "-db", "-f", str(path)], stdout=output, stderr=subprocess.DEVNULL)


def back_end(folder, port):
    return start(f"global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 60s\nfrontend f\n  bind 127.0.0.1:{port}\n"
                 "  http-request return status 200 content-type text/plain string hello\n", folder, "back-end")


def by_hand(ports, back_end_port, pem, has_log):
    return f"""global
  maxconn 9000
  {'log stdout format raw local0' if has_log else ''}
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  timeout http-request 10s
  {'log global' if has_log else ''}
frontend f
  bind 127.0.0.1:{ports[0]}
  bind 127.0.0.1:{ports[1]} ssl crt {pem} alpn h2,http/1.1
  capture request header Host len 100
  capture request header User-Agent len 256
  capture request header Referer len 256
  {LOG if has_log else ''}
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  use_backend b if {{ hdr(host) -i {NAME} }}
backend b
  balance roundrobin
  {RETRY if has_log else ''}
  server s 127.0.0.1:{back_end_port} check
"""


def wrk(port, scheme, seconds):
    out = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-H", f"Host: {NAME}", f"{scheme}://127.0.0.1:{port}/"],
                         capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"wrk: {out}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", out).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def answers(port):
    out = subprocess.run(["curl", "-s", "-m", "2", "-H", f"Host: {NAME}", f"http://127.0.0.1:{port}/"], capture_output=True, text=True)
    return out.stdout == "hello"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gate", required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    print(subprocess.run(["haproxy", "-v"], capture_output=True, text=True).stdout.splitlines()[0])
    with tempfile.TemporaryDirectory(prefix="mcloud-gate-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        measure(options, folder)


def measure(options, folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key", "-out", folder / "chain",
                    "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"], check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "chain").read_text() + (folder / "key").read_text())
    port, hand, quiet = free_port(), (free_port(), free_port()), (free_port(), free_port())
    log = open(folder / "peer.log", "wb")
    processes = [back_end(folder, port)]
    try:
        until(lambda: answers(port), "the back end answers")  # before its peers check it for the first time
        processes += [start(by_hand(hand, port, folder / "both.pem", True), folder, "hand", log),
                      start(by_hand(quiet, port, folder / "both.pem", False), folder, "quiet")]
        until(lambda: answers(hand[0]) and answers(quiet[0]), "the peers answer")
        with Gateway(options.gate, folder) as gateway:
            ended = site(names=["www"], servers=[server("web", 0, 80, way=port)], more=f"tls {{ supplied {{ chain: {text((folder / 'chain').read_text())} }} }}",
                         local=f"tls_private_key: {text((folder / 'key').read_text())}")
            passed = site(contract="own", names=["own"], mode="SITE_TLS", routes=[route("")], servers=[server("web", 0, 80, way=port)])
            compare(options, gateway, ended, passed, hand, quiet)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def compare(options, gateway, ended, passed, hand, quiet):
    took = {}
    gateway.want(ended)
    ways = {"ours": (gateway.http_port, gateway.https_port), "hand": hand, "quiet": quiet}
    for scheme in ("http", "https"):
        for number in range(options.rounds + 1):
            names = list(ways)
            for name in names[number % 3:] + names[:number % 3] if number % 2 else reversed(names):
                figures = wrk(ways[name][scheme == "https"], scheme, options.seconds if number else 1)
                if number:  # the first round warms up
                    took.setdefault((name, scheme), []).append(figures)
    pick = lambda key, index: [figures[index] for figures in took[key]]
    for scheme in ("http", "https"):
        row(f"gw_{scheme}_rps", pick(("ours", scheme), 0), pick(("hand", scheme), 0), "haproxy", "requests/s", 0.95)
        row(f"gw_{scheme}_p99", pick(("ours", scheme), 1), pick(("hand", scheme), 1), "haproxy", "ms", 1 / 0.95, more_is_better=False)
        row(f"gw_{scheme}_bare", pick(("ours", scheme), 0), pick(("quiet", scheme), 0), "haproxy_without_log_and_retries", "requests/s")
    hop(options, gateway, ended, passed, hand[1])


def hop(options, gateway, ended, passed, hand_port):
    """Against the same peer as without it: a gateway is with a site that passes through, or without."""
    ours, peer = [], []
    gateway.want(ended, passed)
    for number in range(options.rounds):
        turns = [(gateway.https_port, ours), (hand_port, peer)]
        for port, figures in turns if number % 2 else reversed(turns):
            figures.append(wrk(port, "https", options.seconds)[0])
    row("gw_https_hop", ours, peer, "haproxy", "requests/s")


if __name__ == "__main__":
    main()
