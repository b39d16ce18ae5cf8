"""Ten million keys: memory per key, and how long opening them takes."""
import shutil
import signal

from servers import ask, fill, metric, ours, print_peers, redis

VALUE_BYTES = 100
UNSEALED = 1_000_000  # keys written again before a kill: the log's last file has no checkpoint then
BARS_S = {"clean": 3, "kill": 6}


def measure_keys(options, folder, lines):
    us = ours(options, folder / "many-ours", "interval")
    peer = redis(folder / "many-redis", "interval")
    with us, peer:
        print_peers(us, peer, "interval")
        print(f"memory: RssAnon of the process after {options.keys} keys of 16 B with values of {VALUE_BYTES} B, less "
              "RssAnon before, by key. Ours keeps values in mapped files: those pages are page cache (RssFile), which the "
              "kernel takes back at will, and are not counted")
        per_key = {}
        for server in (us, peer):
            before = server.memory_bytes("RssAnon")
            fill(server, 0, options.keys, VALUE_BYTES)
            per_key[server.name] = (server.memory_bytes("RssAnon") - before) / options.keys
            print(f"{server.name}: RssAnon {server.memory_bytes('RssAnon') >> 20} MiB, RssFile "
                  f"{server.memory_bytes('RssFile') >> 20} MiB, answers DBSIZE {ask(server.port, 'DBSIZE').decode()}")
        lines.append(metric("kv_bytes_per_key", "bytes", per_key[us.name], per_key[peer.name], "<=0.25",
                            per_key[us.name] / per_key[peer.name]))
        peer.end()
        shutil.rmtree(folder / "many-redis")
        if options.with_reopen:
            measure_reopen(options, folder, us, lines)


def measure_reopen(options, folder, us, lines):
    """From the start of the process to the first answer; the files are in the page cache."""
    us.end()
    for how, number in (("clean", signal.SIGTERM), ("kill", signal.SIGKILL)):
        times = []
        for _ in range(options.rounds):
            with ours(options, folder / "many-ours", "interval") as again:
                if ask(again.port, "DBSIZE") != b":%d" % options.keys:
                    raise SystemExit("keys are missing")
                times.append(again.ready_s)
                if how == "kill":
                    fill(again, 0, min(UNSEALED, options.keys), VALUE_BYTES)
                again.end(number)
        times = times[1:] if how == "kill" else times  # the first one opened what was closed cleanly
        print(f"reopening {options.keys} keys, {how}: {', '.join(f'{t:.2f}' for t in times)} s")
        lines.append(metric(f"kv_reopen_10m_{how}_s", "s", max(times), bar=f"<={BARS_S[how]}"))
