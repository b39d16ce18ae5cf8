"""Secrets: there in the container, nowhere else in clear."""
import pathlib
import subprocess

from harness import TREE, expect, wait_for
from test_agent import nginx_masters

HELLO = TREE / "recipes/hello/contract.yaml"
TOKEN = "e2e-token-that-must-stay-secret-7391"


def test_a_secret_is_in_the_container_and_nowhere_else(cluster):
    """the value is in the process's environment; no file of the cluster and no output holds it"""
    known = cluster.try_json("status", "hello")
    if known and known["state"] == "active":
        cluster.run("cancel", "hello")
    outputs = [cluster.run("apply", HELLO, "--no-approve", "--no-wait", env={"HELLO_TOKEN": TOKEN})]
    for name in ("ida", "lena"):
        outputs.append(cluster.run("approve", "hello", "--as", name))
    cluster.wait_ready("hello", "twin", 1, 60)
    pid1 = cluster.cluster_nodes()[cluster.node_of("hello", "twin")]["pid1"]
    environments = [pathlib.Path(f"/proc/{p}/environ").read_bytes() for p in nginx_masters(pid1)]
    expect(any(TOKEN.encode() in e for e in environments), "the container did not get it")

    for command in (["status", "hello"], ["audit", "hello"], ["contracts"], ["plan", str(HELLO)]):
        outputs.append(cluster.run(*command, check=False, env={"HELLO_TOKEN": TOKEN}))
        outputs.append(cluster.run(*command, "--json", check=False, env={"HELLO_TOKEN": TOKEN}))
    for done in outputs:
        expect(TOKEN not in done.stdout + done.stderr, f"{done.args} prints it")
    found = subprocess.run(["grep", "-rlaF", TOKEN, str(cluster.folder)], capture_output=True, text=True).stdout
    expect(found == "", f"in clear on disk: {found}")


def test_logs_are_readable_by_the_owner_only(cluster):
    """the owner reads the container's lines; the sink's files hold none of them in clear"""
    def lines():
        return cluster.run("logs", "hello/twin", check=False).stdout
    wait_for("a log line of nginx", 20, lambda: "start worker process" in lines(), 0.3)
    found = subprocess.run(["grep", "-rlaF", "start worker process", str(cluster.folder / "sink")], capture_output=True,
                           text=True).stdout
    expect(found == "", f"in clear in the sink: {found}")
