"""What the README and the guides tell people to type, command by command."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

from harness import TREE, Cluster, Failure, expect

# What a page may need from its reader: a passphrase, typed or from here.
READER = {"MCLOUD_PASSPHRASE": "correct horse battery staple", "LC_ALL": "C.UTF-8"}
PAGE_SECONDS = 60


def tour_commands():
    text = (TREE / "README.md").read_text()
    block = re.search(r"<!-- tour:.*?-->\n```sh\n(.*?)```", text, re.S)
    expect(block, "README.md has no tour")
    return [line for line in block[1].splitlines() if line and not line.startswith(("export", "#"))]


def run_blocks(page):
    """The marked blocks of a page, in order; every sh block of a guide is marked."""
    text = page.read_text()
    blocks = re.findall(r"^<!-- run -->\n```sh\n(.*?)^```$", text, re.S | re.M)
    expect(blocks, f"{page.name} has nothing to run")
    expect(len(blocks) == len(re.findall(r"^```sh$", text, re.M)), f"{page.name} has an sh block without <!-- run -->")
    return blocks


def run_page(cluster, page, folder):
    """One shell runs all blocks of a page, as a reader's would. Failure names the command that failed."""
    work = folder / page.stem
    work.mkdir(parents=True)
    (work / "recipes").symlink_to(TREE / "recipes")
    binary = work / "bin"
    binary.mkdir()
    (binary / "mcloud").symlink_to(cluster.mcloud)
    environment = cluster.environment({**READER, "HOME": str(work), "MCLOUD_HOME": str(work / "home"),
                                       "PATH": f"{binary}:{os.environ['PATH']}"})
    script = "set -eu\ntrap 'echo \"failed: $BASH_COMMAND\" >&2' ERR\n" + "".join(run_blocks(page))
    # A page that needs no cluster has a network of its own: its ports are nobody else's, and what it starts ends with it.
    alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    shell = [*alone, "sh", "-c", "ip link set lo up; bash; exit $?"] if "<!-- alone" in page.read_text() else ["bash"]
    done = subprocess.run(shell, input=script, cwd=work, env=environment, capture_output=True, text=True,
                          timeout=PAGE_SECONDS)
    if done.returncode != 0:
        raise Failure(f"docs/guide/{page.name}: " + " | ".join(done.stderr.strip().splitlines()[-3:]))
    return done.stdout


# Commands that only look.
READINGS = [["nodes"], ["status"], ["contracts", "--all"], ["audit", "--everything"], ["identity", "list"],
            ["farm", "list"], ["token", "list"], ["parameters", "show"], ["key", "list"], ["key", "show", "ida"],
            ["cluster", "status"], ["contract", "check", TREE / "recipes/hello/contract.yaml"], ["contract", "explain", "container"],
            ["plan", TREE / "recipes/redis/contract.yaml"], ["network", "show"], ["name", "list"], ["doctor", "--data", "/var/tmp/mcloud"], ["top", "--once"]]

# What people get wrong, and the class of each: docs/reference/cli.md, "Exit statuses".
WRONG = [(2, "invalid", ["nodez"]),
         (2, "invalid", ["nodes", "--jsn"]),
         (2, "invalid", ["parameters", "set", "fence_after=1ms"]),
         (2, "invalid", ["key", "new", "owner", "--no-passphrase"]),
         (3, "not-found", ["status", "nothing"]),
         (3, "not-found", ["key", "show", "idda"]),
         (3, "not-found", ["drain", "n99"]),
         (2, "invalid", ["network", "why", "team/web", "db"]),
         (3, "not-found", ["network", "show", "nothing"]),
         (3, "not-found", ["name", "show", "nobodys"]),
         (3, "not-found", ["token", "new", "hme"]),
         (3, "not-found", ["cluster", "kill", "n99"]),
         (3, "not-found", ["parameters", "set", "fence_after=9s", "--key", "nobody"]),
         (4, "denied", ["drain", "n1", "--key", "ida"]),
         (5, "conflict", ["resume", "n1"]),
         (6, "unavailable", ["nodes", "--cluster", "/nowhere"]),
         (6, "unavailable", ["cluster", "status", "--dir", "/nowhere"])]


def check_wrong(cluster, status, code, words):
    """One JSON document with --json, one line on standard error without; the exit status is the class's."""
    nobody = {"MCLOUD_HOME": str(cluster.folder / "nobody")}
    script = cluster.run(*words, "--json", check=False, env=nobody)
    people = cluster.run(*words, check=False, env=nobody)
    expect(script.returncode == people.returncode == status,
           f"{words}: exit {script.returncode} and {people.returncode}, not {status}: {people.stderr}")
    error = json.loads(script.stdout)["error"]
    expect(error["code"] == code, f"{words}: {error}")
    expect(people.stderr == f"mcloud: {error['message']}\n" and not people.stdout, f"{words}: {people.stderr!r}")


def keys_of(value):
    """All names in a JSON document; what stands under `labels` is people's own."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    below = (keys_of(v) for k, v in value.items() if k != "labels")
    return set(value).union(*below)


def check_json_is_documented(cluster):
    documented = set(re.findall(r"`(\w+)`", (TREE / "docs/reference/cli.md").read_text()))
    for reading in READINGS:
        unknown = keys_of(cluster.json(*reading)) - documented
        expect(not unknown, f"mcloud {reading[0]} --json has undocumented keys: {sorted(unknown)}")


def run_tour(cluster):
    """As a reader of the README would, on a cluster as ./up leaves it."""
    cluster.deploy_hello(TREE / "recipes/hello")
    cluster.wait_ready("hello", "web", 2, 60)
    cluster.wait_ready("hello", "twin", 1, 60)
    for line in tour_commands():
        if "accept" in line:
            cluster.wait_ready("hello", "web", 2, 60)
            cluster.wait_ready("hello", "twin", 1, 60)
        words = line.split("#")[0].split()
        expect(words[0] == "mcloud", f"not a command of ours: {line}")
        cluster.run(*words[1:])


def zsh_completes(cluster, typed, wanted):
    """In a real terminal: zsh completes only for a person."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**cluster.environment({}), "TERM": "dumb", "PS1": "> "})
    try:
        os.write(terminal, b"autoload -Uz compinit && compinit -D -u; source <(mcloud completion zsh); print rea''dy\n")
        seen, asked, end = b"", False, time.monotonic() + 20
        while time.monotonic() < end and wanted.encode() not in seen:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
            if not asked and b"ready" in seen.replace(b"rea''dy", b""):
                asked, seen = True, b""
                os.write(terminal, typed.encode() + b"\t")
        expect(wanted.encode() in seen, f"zsh makes of {typed!r}: {seen!r}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def check_shells(cluster, folder):
    binary = folder / "shells"
    binary.mkdir()
    (binary / "mcloud").symlink_to(cluster.mcloud)
    path = f"{binary}:{os.environ['PATH']}"

    def said(*words):
        return subprocess.run(words, env=cluster.environment({"PATH": path}), capture_output=True, text=True, timeout=30, check=True).stdout

    def bash(line):
        words = line.split(" ")
        return said("bash", "--norc", "-c", "source <(mcloud completion bash); compopt() { echo \"$@\"; }; COMP_WORDS=(\"$@\"); "
                    "COMP_CWORD=$(($# - 1)); _mcloud; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", *words).split()
    expect(bash("mcloud dra") == ["drain"], "bash does not complete a command")
    expect(bash("mcloud drain n") == ["n1", "n2", "n3", "n4", "n5"], f"bash does not complete nodes: {bash('mcloud drain n')}")
    expect("default" in bash("mcloud apply "), "bash does not complete files")
    fish = [line.split("\t")[0] for line in said("fish", "--no-config", "-c", "mcloud completion fish | source; complete -C 'mcloud drain n'").splitlines()]
    expect(fish == ["n1", "n2", "n3", "n4", "n5"], f"fish completes {fish}")
    environment = cluster.environment
    cluster.environment = lambda more=None: {**environment(more), "PATH": path}
    try:
        zsh_completes(cluster, "mcloud dra", "mcloud drain")
    finally:
        cluster.environment = environment
    page = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-"], input=said("mcloud", "man"), capture_output=True, text=True,
                          env={**os.environ, "MANWIDTH": "100"}, timeout=30)
    expect(page.returncode == 0 and not page.stderr and "mcloud audit verify" in page.stdout, f"the manual: {page.stderr}")


def test_what_readme_and_guides_say_works(mcloud, folder):
    """the README's tour and every guide work when typed in order; JSON keys and exit statuses are as documented; bash, zsh and fish
    complete, and man shows the manual"""
    with Cluster(mcloud, folder / "cluster") as cluster:
        run_tour(cluster)
        check_shells(cluster, folder)
        pages = sorted((TREE / "docs/guide").glob("*.md"))
        expect(len(pages) >= 4, "docs/guide is incomplete")
        for page in pages:
            started = time.monotonic()
            run_page(cluster, page, folder / "reader")
            print(f"        {time.monotonic() - started:6.1f} s  {page.name}", flush=True)
            left = cluster.json("contracts")["contracts"]
            expect(not left, f"{page.name} leaves contracts behind: {[c['name'] for c in left]}")
        check_json_is_documented(cluster)
        for status, code, words in WRONG:
            check_wrong(cluster, status, code, words)
