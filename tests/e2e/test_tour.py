"""The README's tour, command by command."""
import pathlib
import re
import subprocess

from harness import TREE, Cluster, expect, wait_for


def tour_commands():
    text = (TREE / "README.md").read_text()
    block = re.search(r"<!-- tour:.*?-->\n```sh\n(.*?)```", text, re.S)
    expect(block, "README.md has no tour")
    return [line for line in block[1].splitlines() if line and not line.startswith(("export", "#"))]


def test_the_tour_in_the_readme_works(mcloud, folder):
    """every command of the README's tour exits 0 against a cluster as ./up leaves it"""
    with Cluster(mcloud, folder / "tour") as cluster:
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
