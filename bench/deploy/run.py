#!/usr/bin/python3
"""deploy_to_200_ms: the last approval is sent -> HTTP 200 from outside; one replica, image unpacked on the node.

    bench/deploy/run.py --mcloud BINARY [--count 20]
The clock starts when the `mcloud approve` process is started (its own start counts) and stops at the first 200 through
the host's URL. Peer, in the same run: `podman run -d -p` of the same image to its first 200.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path[:0] = [str(TREE / "recipes"), str(HERE)]
import peer  # noqa: E402
from trial import Cluster, fetch, now_ms, wait_for  # noqa: E402

CONTRACT = """name: {name}
workloads:
  web:
    kind: container
    image: oci:{image}
    resources: {{cpu: 250m, memory: 64MiB, disk: 64MiB, pids: 64}}
    ports: {{http: 80}}
  site: {{kind: publish, port: {port}, to: "web:http"}}
"""


def deploy_once(cluster, folder, image, i):
    name, port = f"deploy-{i}", 9100 + i
    path = folder / f"{name}.yaml"
    path.write_text(CONTRACT.format(name=name, image=image, port=port))
    cluster.run("apply", path, "--no-approve", "--no-wait")
    started = now_ms()
    approve = subprocess.Popen([cluster.mcloud, "approve", name], env=cluster.environment(), stdout=subprocess.DEVNULL)
    wait_for(f"200 from {name}", 30, lambda: fetch(f"http://127.0.0.1:{port}/", 0.5)[0] == 200, 0.002)
    took = now_ms() - started
    approve.wait()
    cluster.run("cancel", name)
    return took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    image = TREE / "recipes/hello/image"
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-") as text:
        folder = pathlib.Path(text)
        theirs = peer.measure(image, folder / "podman", options.count)
        with Cluster(options.mcloud, folder / "cluster") as cluster:
            for i in range(5):  # every node unpacks the image before the clock counts
                deploy_once(cluster, folder, image, 50 + i)
            ours = [deploy_once(cluster, folder, image, i) for i in range(options.count)]
    print(f"mcloud: {options.count} deployments, ledger block and file fsynced before the answer: "
          f"min {min(ours):.0f} median {statistics.median(ours):.0f} max {max(ours):.0f} ms")
    if isinstance(theirs, str):
        print(f"metric=deploy_to_200_ms ours={statistics.median(ours):.1f} peer=none peer_name=podman ratio=none unit=ms reason={theirs!r}")
        return
    print(f"peer: {peer.version()}: podman run -d --rm {' '.join(peer.LIMITS)} -p PORT:80 IMAGE (no ledger, nothing synced): "
          f"min {min(theirs):.0f} median {statistics.median(theirs):.0f} max {max(theirs):.0f} ms")
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"metric=deploy_to_200_ms ours={statistics.median(ours):.1f} peer={statistics.median(theirs):.1f} "
          f"peer_name=podman ratio={ratio:.2f} unit=ms")


if __name__ == "__main__":
    main()
