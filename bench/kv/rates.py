"""Requests per second and CPU time per request, ours and the peer in turn, the null server beside them."""
import pathlib
import re
import statistics
import subprocess

from servers import ask, fill, metric, ours, print_peers, redis

KEYS = 1_000_000
CLIENTS = 50
SYNC_SEGMENT_MB = 16  # small, so that a run spans several and their zeroing is inside it
# By the metric's name without _4k: ratio, CPU time.
BARS = {"kv_set_p1": (0.95, 0.8), "kv_get_p1": (0.95, 0.8), "kv_set_p16": (1.5, 0.6), "kv_get_p16": (1.2, 0.6)}
SYNC_BARS = {100: 1.2, 4096: 1.5}
OF_NULL = 0.8  # of the null server's rate: then the client is the limit, and the ratio says nothing


def run_client(server, command, size, pipeline, requests, keys=KEYS):
    """(requests per second, CPU microseconds of the server per request)"""
    before = server.cpu_seconds()
    out = subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-c", str(CLIENTS), "-n",
                          str(requests), "-r", str(keys), "-d", str(size), "-P", str(pipeline), "-t", command, "--csv"],
                         capture_output=True, text=True, timeout=400)
    used = server.cpu_seconds() - before
    found = re.search(r'^"\w+","([\d.]+)"', out.stdout, re.M)
    if not found:
        raise SystemExit(f"redis-benchmark against {server.name}: {out.stdout} {out.stderr}")
    return float(found[1]), used / requests * 1e6


def in_turn(servers, rounds, measure):
    """{name: [one result a round]}; each round begins with another one."""
    results = {server.name: [] for server in servers}
    for number in range(rounds):
        for i in range(len(servers)):
            server = servers[(number + i) % len(servers)]
            results[server.name].append(measure(server))
    return results


def ratio(above, below, column):
    return statistics.median(a[column] / b[column] for a, b in zip(above, below))


def middle(results, column):
    return statistics.median(result[column] for result in results)


def compare(options, servers, name, command, size, pipeline, bars):
    us, peer, null = servers
    rounds = options.rounds * (2 if pipeline > 1 else 1)  # they are short
    got = in_turn(servers, rounds, lambda server: run_client(server, command, size, pipeline, options.requests))
    mine, theirs, ceiling = got[us.name], got[peer.name], got[null.name]
    of_null = ratio(mine, ceiling, 0)
    shown = [f"{rate[0]:.0f}/{other[0]:.0f}" for rate, other in zip(mine, theirs)]
    print(f"{name}: ours/redis by round: {', '.join(shown)}")
    print(f"{name}: CPU us per request: ours {middle(mine, 1):.2f}, redis {middle(theirs, 1):.2f}, "
          f"null server {middle(ceiling, 1):.2f}", flush=True)
    rate_bar, cpu_bar = bars
    lines = [metric(name, "requests/s", middle(mine, 0), middle(theirs, 0), f">={rate_bar}", ratio(mine, theirs, 0),
                    more=f"null={middle(ceiling, 0):.0f} of_null={of_null:.2f}")]
    if cpu_bar:
        lines.append(metric(f"{name}_cpu_us", "us/request", middle(mine, 1), middle(theirs, 1), f"<={cpu_bar}",
                            ratio(mine, theirs, 1), more=f"null={middle(ceiling, 1):.2f}"))
    return lines


def sizes_of(options):
    return [int(size) for size in options.sizes.split(",")]


def pipelines_of(options):
    return [int(pipeline) for pipeline in options.pipelines.split(",")]


def suffix(size):
    return {100: "", 4096: "_4k"}.get(size, f"_{size}")


def null_for(null, size):
    """The null server answers GET with a value as large as the others'."""
    ask(null.port, "VALUE", str(size))
    return null


def measure_rates(options, folder, null, commands, lines):
    for size in sizes_of(options):
        us = ours(options, folder / f"ours-{size}", "interval")
        peer = redis(folder / f"redis-{size}", "interval")
        with us, peer:
            print_peers(us, peer, "interval")
            for server in (us, peer):
                fill(server, 0, KEYS, size)
            for command in commands:
                for pipeline in pipelines_of(options):
                    name = f"kv_{command}_p{pipeline}"
                    lines += compare(options, (us, peer, null_for(null, size)), name + suffix(size), command, size,
                                     pipeline, BARS[name])


def count_syncs(trace):
    """From the table of strace -c."""
    found = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(fdatasync|fsync)$", trace.read_text(), re.M)
    return sum(int(count) for count, _ in found)


def trace_syncs(options, folder, name, size, pipeline):
    """Syncs and rate of both servers under strace, which stops them at a sync only. Not the run that is measured."""
    for who, start in (("ours", lambda wrapper: ours(options, folder / f"{name}-ours", "always", SYNC_SEGMENT_MB, wrapper)),
                       ("redis", lambda wrapper: redis(folder / f"{name}-redis", "always", wrapper))):
        trace = folder / f"{name}-{who}.trace"
        wrapper = ["strace", "-f", "--seccomp-bpf", "-c", "-e", "trace=fdatasync,fsync", "-o", str(trace)]
        requests = options.requests // 4
        with start(wrapper) as server:
            rate, _ = run_client(server, "set", size, pipeline, requests)
        syncs = count_syncs(trace)
        seconds = requests / rate
        print(f"{name}: {who} under strace: {syncs / seconds:.0f} syncs a second, {requests / max(syncs, 1):.1f} requests a sync")


def measure_sync(options, folder, null, lines):
    for size in sizes_of(options):
        for pipeline in pipelines_of(options):
            name = f"kv_sync_p{pipeline}{suffix(size)}"
            us = ours(options, folder / f"{name}-us", "always", SYNC_SEGMENT_MB)
            peer = redis(folder / f"{name}-peer", "always")
            with us, peer:
                print_peers(us, peer, "always")
                lines += compare(options, (us, peer, null), name, "set", size, pipeline, (SYNC_BARS.get(size, 1.2), None))
                segments = len(list(pathlib.Path(folder / f"{name}-us").rglob("*.log")))
            print(f"{name}: the run spans {segments} segments of {SYNC_SEGMENT_MB} MiB")
            if segments < 3:
                raise SystemExit("a run must span 3 segments")
            trace_syncs(options, folder, name, size, pipeline)
