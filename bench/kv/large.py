"""Values of 1 MiB: megabytes per second."""
import statistics

from rates import in_turn, ratio, run_client
from servers import fill, metric, ours, print_peers, redis

SIZE = 1 << 20
KEYS = 200
REQUESTS = 2000  # 2 GB a round
BARS = {"write": 1.0, "read": 1.5}


def measure_large(options, folder, lines):
    with ours(options, folder / "large-ours", "interval") as us, redis(folder / "large-redis", "interval") as peer:
        print_peers(us, peer, "interval")
        for server in (us, peer):
            fill(server, 0, KEYS, SIZE)
        for word, command in (("write", "set"), ("read", "get")):
            got = in_turn((us, peer), options.rounds, lambda server: run_client(server, command, SIZE, 1, REQUESTS, KEYS))
            mine, theirs = got[us.name], got[peer.name]
            mb = [statistics.median(rate for rate, _ in results) * SIZE / 1e6 for results in (mine, theirs)]
            print(f"kv_{word}_1m: CPU us per request: ours {statistics.median(c for _, c in mine):.0f}, "
                  f"redis {statistics.median(c for _, c in theirs):.0f}", flush=True)
            lines.append(metric(f"kv_{word}_1m", "MB/s", *mb, f">={BARS[word]}", ratio(mine, theirs, 0)))
