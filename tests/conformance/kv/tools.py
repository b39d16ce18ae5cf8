"""Debian's redis-cli and redis-benchmark, unchanged."""
import re
import subprocess


def run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=50, text=True)
    return done.stdout + done.stderr


def judge_cli(judge, port, who, *options, knows_databases=True):
    """`options` make it speak to the server (-3: by HELLO). It selects a database before it says HELLO."""

    def cli(*words, stdin=None):
        return run("redis-cli", "-p", str(port), *options, *words, stdin=stdin)

    equal = judge.equal
    equal(who, "SET, GET", cli("SET", "k", "v") + cli("GET", "k"), "OK\nv\n")
    equal(who, "INCR", cli("INCR", "n"), "1\n")
    equal(who, "MULTI in one session", cli(stdin="MULTI\nSET a 1\nINCR a\nEXEC\n"), "OK\nQUEUED\nQUEUED\nOK\n2\n")
    equal(who, "-x (value from stdin)", cli("-x", "SET", "x", stdin="from stdin") + cli("GET", "x"), "OK\nfrom stdin\n")
    equal(who, "-r (repeat)", cli("-r", "3", "INCR", "r"), "1\n2\n3\n")
    equal(who, "--scan --pattern", sorted(cli("--scan", "--pattern", "?").split()), ["a", "k", "n", "r", "x"])
    equal(who, "an unknown command, then the next", cli(stdin="LPUSH list 1\nPING\n"),
          "ERR unknown command 'LPUSH', with args beginning with: 'list' '1' \n\nPONG\n")
    judge.check(who, "--bigkeys", "5 keys" in (said := cli("--bigkeys")) and "strings with" in said, said)
    judge.check(who, "--json" if "-3" in options else "--csv",
                (said := cli("--json" if "-3" in options else "--csv", "MGET", "k", "none")).strip()
                in ('["v",null]', '"v",NULL'), said)
    judge.check(who, "INFO", "redis_version:7" in (said := cli("INFO")) and "# Keyspace" in said, said)
    if knows_databases:
        equal(who, "-n (another database)", cli("-n", "1", "DBSIZE"), "0\n")
    judge.check(who, "--latency", re.search(r"[\d.]+", said := cli("--latency", "--raw", "-i", "1")) is not None
                and "rror" not in said, said)


def judge_pipe(judge, port):
    """Mass insertion: redis-cli --pipe ends with ECHO of something random and waits for it."""
    lines = "".join(f"*3\r\n$3\r\nSET\r\n${len(key)}\r\n{key}\r\n$5\r\nvalue\r\n" for key in (f"mass{i}" for i in range(20000)))
    said = run("redis-cli", "-p", str(port), "--pipe", stdin=lines)
    judge.check("redis-cli", "--pipe with 20,000 writes", "errors: 0, replies: 20000" in said, said)


def judge_benchmark(judge, port, who, *options):
    for what, words in (("one by one", ("-t", "ping,set,get,incr,mset")), ("in pipelines", ("-t", "set,get", "-P", "16")),
                        ("with threads", ("-t", "get", "--threads", "2")),
                        ("a command of its own", ("APPEND", "bench", "x")), ("random keys", ("-t", "set", "-r", "1000"))):
        said = run("redis-benchmark", "-p", str(port), "-q", "-n", "3000", "-c", "20", *options, *words)
        judge.check(who, what, "requests per second" in said and "rror" not in said, said)
