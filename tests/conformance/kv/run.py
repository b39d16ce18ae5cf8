#!/usr/bin/python3
"""Outside judges of `mcloud kv serve`: other people's clients, and the same words to Debian's redis-server.
Ends with "N passed, N failed".   run.py --mcloud build/dev/mcloud [--build build/conformance]"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import differential
import packages
import python_client
import servers
import tools
from judge import Judge

HERE = pathlib.Path(__file__).parent
TREE = HERE.parent.parent.parent


def judge_node(judge, build, port, who, version):
    folder = packages.node_redis(build)
    if folder is None:
        return judge.check(who, "installed", False, "see above")
    done = subprocess.run(["node", str(HERE / "node_client.js"), str(port), str(version)], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "NODE_PATH": str(folder / "node_modules")})
    for line in done.stdout.splitlines():
        found = json.loads(line)
        judge.check(who, found["what"], found["right"], found["came"])
    judge.equal(who, "ends well", (done.returncode, done.stderr), (0, ""))


def judge_clients(judge, build, server, is_redis):
    by = "" if is_redis else " (0-db port, HELLO)"
    hello = [] if is_redis else ["-3"]
    tools.judge_cli(judge, server.port, "redis-cli" + by, *hello, knows_databases=is_redis)
    if is_redis:
        tools.judge_cli(judge, server.port, "redis-cli -3", "-3", "-n", "3")
        tools.judge_pipe(judge, server.port)
    tools.judge_benchmark(judge, server.port, "redis-benchmark" + by, *hello)
    if packages.redis_py(build):
        for protocol in (2, 3) if is_redis else (3,):
            python_client.judge_redis_py(judge, server.port, f"redis-py RESP{protocol}{by}", protocol)
    else:
        judge.check("redis-py", "installed", False, "see above")
    for version in (2, 3) if is_redis else (3,):
        judge_node(judge, build, server.port, f"node-redis RESP{version}{by}", version)
    judge.check("everybody", "the server lives" + by, server.is_alive())


def judge_difference(judge, ours, theirs):
    run = differential.Differential(ours, theirs)
    run.run()
    judge.check("differential", f"{run.requests} requests answered as redis-server does, or differently by design",
                not run.wrong, f"{len(run.wrong)} differ")
    for line in run.wrong[:60]:
        print("  " + line[:300])
    judge.check("differential", "enough of them were the same", run.same > 1200, run.same)
    print(f"{run.requests} requests: {run.same} same, {run.by_design} different by design, {len(run.wrong)} wrong")
    if unused := run.unused():
        print("no longer different, to be taken out of differences.txt: " + " | ".join(unused))
    missing, wrong = differential.unknown_commands(ours, theirs)
    judge.check("differential", f"{len(missing)} commands that are not offered are unknown, and disconnect nobody", not wrong, wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--build", default=str(TREE / "build" / "conformance"))
    options = parser.parse_args()
    judge = Judge()
    with servers.new_folder() as one, servers.new_folder() as other, \
            servers.start_ours(options.mcloud, one, "redis") as ours, servers.start_redis(other) as theirs:
        judge_difference(judge, ours, theirs)
    with servers.new_folder() as one, servers.start_ours(options.mcloud, one, "redis", "--threads", "2") as ours:
        judge_clients(judge, options.build, ours, True)
    with servers.new_folder() as one, servers.start_ours(options.mcloud, one, "0-db") as ours:
        judge_clients(judge, options.build, ours, False)
    judge.table()
    print(f"{judge.passed} passed, {judge.failed} failed")
    return 1 if judge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
