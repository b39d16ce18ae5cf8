"""A cluster's life on the host: it comes, and leaves nothing."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

from harness import Cluster, expect, wait_for


def footprint(folder):
    """What a cluster could leave behind on this host."""
    found = set()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        found.add("mount " + line.split()[4])
    for path in pathlib.Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add("netns " + os.readlink(path))
        except OSError:
            pass
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(folder).encode() in b" ".join(words) or b"mcloud" in words[0]:
            found.add("process " + b" ".join(words).decode(errors="replace"))
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        found.update("cgroup " + os.path.join(root, f) for f in folders if f.startswith("mcloud"))
    found.add("nft " + subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout)
    found.add("links " + " ".join(sorted(os.listdir("/sys/class/net"))))
    found.update(f"file {p}" for p in pathlib.Path("/run").iterdir())
    return found


def same_as(before, folder):
    left = footprint(folder) - before
    return not left or None


def test_ctrl_c_leaves_nothing(mcloud, folder):
    """after Ctrl-C there is no mount, namespace, process, cgroup, rule or file outside the data folder"""
    before = footprint(folder)
    with Cluster(mcloud, folder / "interrupted", nodes=3):
        pass
    wait_for("the host as it was", 10, lambda: same_as(before, folder), 0.2)


def test_sigkill_of_the_owner_leaves_nothing_that_runs(mcloud, folder):
    """SIGKILL of the cluster's owner ends every process; the next start sweeps its cgroups"""
    before = footprint(folder)
    cluster = Cluster(mcloud, folder / "killed", nodes=2)
    cluster.up()
    cluster.process.kill()
    cluster.process.wait()
    cluster.process = None

    def only_cgroups():
        return not [f for f in footprint(folder) - before if not f.startswith("cgroup")] or None
    wait_for("all processes gone", 15, only_cgroups, 0.2)
    with Cluster(mcloud, folder / "killed", nodes=2):
        pass
    wait_for("the host as it was", 10, lambda: same_as(before, folder), 0.2)


def test_two_clusters_live_side_by_side(mcloud, folder):
    """two clusters on one host do not see each other"""
    with Cluster(mcloud, folder / "one", nodes=2) as one, Cluster(mcloud, folder / "two", nodes=2) as two:
        ids = [{n["id"] for n in c.cluster_nodes().values()} for c in (one, two)]
        expect(not ids[0] & ids[1], "they share nodes")
