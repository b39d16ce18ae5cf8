"""How far a follower is behind its master while clients write as fast as they can."""
import subprocess
import time

from servers import Client, ask, metric, ours

SECONDS = 20
BAR_MS = 100


def measure_lag(options, folder, lines):
    with ours(options, folder / "lag-master", "interval") as master, \
            ours(options, folder / "lag-follower", "interval") as follower:
        answer = ask(follower.port, "FOLLOW", "127.0.0.1", str(master.port))
        if not answer.startswith(b"+OK"):
            raise SystemExit(f"FOLLOW: {answer.decode()}")
        wait_for(follower, master)
        load = subprocess.Popen(["redis-benchmark", "-h", "127.0.0.1", "-p", str(master.port), "-c", "50", "-P", "16", "-t", "set",
                                 "-d", "100", "-r", "1000000", "-n", "1000000000", "-q"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            lags = sample(master, follower)
        finally:
            load.terminate()
            load.wait()
        written = int(dict(line.split(b":", 1) for line in ask(master.port, "INFO").split(b"\r\n") if b":" in line)
                      .get(b"total_commands_processed", b"0"))
    lags.sort()
    p50, p99 = lags[len(lags) // 2], lags[min(len(lags) - 1, len(lags) * 99 // 100)]
    print(f"follower lag: {len(lags)} samples, p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {lags[-1]:.2f} ms; "
          f"the master ran {written / SECONDS:.0f} commands a second meanwhile; client, master and follower share the machine")
    lines.append(metric("kv_follower_lag_p99_ms", "ms", p99, bar=f"<{BAR_MS}"))


def wait_for(follower, master):
    deadline = time.monotonic() + 30
    ask(master.port, "SET", "lag:first", "1")
    while ask(follower.port, "GET", "lag:first") != b"1":
        if time.monotonic() > deadline:
            raise SystemExit("the follower does not follow")
        time.sleep(0.01)


def sample(master, follower):
    """From the master's OK to the follower's first answer with that value, in ms; its reading is part of it."""
    writer, reader = Client(master.port), Client(follower.port)
    lags = []
    end = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < end:
        number += 1
        wanted = str(number).encode()
        writer.ask("SET", "lag:probe", wanted)
        written = time.monotonic()
        while reader.ask("GET", "lag:probe") != wanted:
            if time.monotonic() > written + 10:
                raise SystemExit("the follower is more than 10 s behind")
        lags.append((time.monotonic() - written) * 1000)
        time.sleep(0.005)  # spreads the samples over the run
    return lags
