"""Secrets: there in the container, nowhere else in clear."""
import hashlib
import subprocess

from harness import expect, wait_for
from test_agent import deploy
from tiny_image import write_layout

TOKEN = "e2e-token-that-must-stay-secret-7391"
CONTRACT = """name: secretive
workloads:
  holder:
    kind: container
    image: oci:./image
    entrypoint: [/bin/busybox, sh, -c]
    command: ['printf %s "$TOKEN" | /bin/busybox sha256sum; /bin/busybox sha256sum /run/token; exec /bin/busybox sleep 1000000']
    environment: {TOKEN: {secret: "env:SOME_TOKEN"}}
    secret_files: {/run/token: {secret: "env:SOME_TOKEN_FILE"}}
"""


def test_a_secret_is_in_the_container_and_nowhere_else(cluster):
    """the container knows the value (it logs its SHA-256); no file of the cluster and no output holds it"""
    write_layout(cluster.folder / "secretive/image", command=["/bin/busybox", "sleep", "1000000"])
    path = cluster.folder / "secretive/contract.yaml"
    path.write_text(CONTRACT)
    env = {"SOME_TOKEN": TOKEN, "SOME_TOKEN_FILE": TOKEN + "-file"}
    outputs = [cluster.run("apply", path, env=env)]
    sums = {hashlib.sha256(text.encode()).hexdigest() for text in (TOKEN, TOKEN + "-file")}

    def logged():
        text = cluster.run("logs", "secretive/holder", check=False).stdout
        return all(one in text for one in sums)
    wait_for("the secrets' hashes in the log", 30, logged, 0.2)

    for command in (["status", "secretive"], ["audit", "secretive"], ["contracts"], ["plan", path], ["apply", path],
                    ["logs", "secretive/holder"]):
        outputs.append(cluster.run(*command, check=False, env=env))
        outputs.append(cluster.run(*command, "--json", check=False, env=env))
    for done in outputs:
        expect(TOKEN not in done.stdout + done.stderr, f"{done.args} prints it")
    found = subprocess.run(["grep", "-rlaF", TOKEN, str(cluster.folder)], capture_output=True, text=True).stdout
    expect(found == "", f"in clear on disk: {found}")
    cluster.run("cancel", "secretive")


def test_logs_are_readable_by_the_owner_only(cluster):
    """the owner reads the container's lines; the sink's files hold none of them in clear"""
    deploy(cluster)

    def lines():
        return cluster.run("logs", "hello/twin", check=False).stdout
    wait_for("a log line of nginx", 20, lambda: "start worker process" in lines(), 0.3)
    found = subprocess.run(["grep", "-rlaF", "start worker process", str(cluster.folder / "sink")], capture_output=True,
                           text=True).stdout
    expect(found == "", f"in clear in the sink: {found}")
