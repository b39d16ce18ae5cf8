#!/usr/bin/python3
"""Lazy images against what people use today.

    bench/image/run.py --mcloud BINARY --node BINARY --relay BINARY [--images FOLDER] [--rounds 5] [--only METRIC...]
`ninja -C build/release mcloud image_node image_relay` builds them. Needs root and the peers: apt-get install podman
docker-registry skopeo umoci fio mmdebstrap. Images are built from Debian packages into FOLDER (two minutes, once).
"""
import argparse
import hashlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import files  # noqa: E402
import images  # noqa: E402
import podman  # noqa: E402
import world  # noqa: E402
from node import Node  # noqa: E402
from world import run  # noqa: E402

APPS = {"python": ("http", 80), "postgresql": ("postgres", 5432)}
TREE = pathlib.Path(__file__).resolve().parent.parent.parent


def row(metric, ours, peer, peer_name, unit, more_is_better=False, bar=None):
    ratio = ours / peer if peer else None
    fits = "" if bar is None or ratio is None else f" bar={bar} {'met' if (ratio >= bar if more_is_better else ratio <= bar) else 'MISSED'}"
    shown = "none" if peer is None else f"{peer:.3f}"
    print(f"metric={metric} ours={ours:.3f} peer={shown} peer_name={peer_name} ratio={'none' if ratio is None else f'{ratio:.3f}'} unit={unit}{fits}", flush=True)


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.mcloud = options.mcloud
        self.layouts = images.build(options.images)
        self.flists = {}

    def convert(self, name, store):
        if (name, store) not in self.flists:
            path = self.folder / f"{name}.fl"
            run(self.mcloud, "image", "convert", f"oci:{self.layouts[name]}", path, "--store", store)
            self.flists[name, store] = path
        return self.flists[name, store]

    # -- starting --------------------------------------------------------------------------------------------------
    def starts(self):
        """image_cold_start, image_cold_bytes, image_warm_start"""
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as folder:
            place = world.World(self.options.relay, folder)
            try:
                self.measure_starts(place)
            finally:
                place.close()

    def measure_starts(self, place):
        podman.serve_registry(place, {name: self.layouts[name] for name in APPS})
        print(f"peer: {podman.version()}; podman run -d --rm --network host {' '.join(podman.LIMITS)}; nothing is synced")
        store = place.folder / "blocks"
        place.start(self.mcloud, "kv", "serve", "--data", store, "--listen", "127.0.0.1", "--port", "9900", ready=("127.0.0.1", 9900))
        place.far_away(9901, 9900)
        place.start("/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "-d", place.folder, "8000", ready=("127.0.0.1", 8000))
        place.far_away(8001, 8000)
        print(f"ours: .fl over http, blocks from mcloud kv, both through the same link (tbf 1gbit, relay {world.DELAY_US} us each way); cache bits are set after fdatasync")
        for name in APPS:
            run(self.mcloud, "image", "convert", f"oci:{self.layouts[name]}", place.folder / f"{name}.fl", "--store", f"zdb://{world.STORE}:9901/default")
        peer = podman.Podman(place)
        node = Node(self.options.node, self.mcloud, place)
        try:
            self.compare_starts(node, peer, place)
        finally:
            peer.forget()
            node.forget()

    def compare_starts(self, node, peer, place):
        for name, (kind, port) in APPS.items():
            self.cold_starts(name, kind, port, node, peer, "")
            self.add_trace(name, kind, port, node, place)
            self.cold_starts(name, kind, port, node, peer, "_traced")
        for name, (kind, port) in APPS.items():
            for side in (node, peer):  # everything that a start needs is there, and warm
                side.start(name, kind, port)
                side.end()
                side.warm_start(name)
            pairs = [(node.warm_start(name), peer.warm_start(name)) for _ in range(2 * self.options.rounds)]
            row(f"image_warm_start_{name}", *(1000 * statistics.median(p[i] for p in pairs) for i in (0, 1)), "podman", "ms", bar=1.0)

    def cold_starts(self, name, kind, port, node, peer, suffix):
        pairs = []
        for _ in range(self.options.rounds):
            peer.forget()
            world.drop_caches()
            theirs = peer.start(name, kind, port)
            node.forget()
            world.drop_caches()
            pairs.append((node.start(name, kind, port), theirs))
            print(f"  {name}{suffix}: podman {theirs[0]:.2f} s; ours {pairs[-1][0][0]:.2f} s, of these to the mount {node.last['prepared_ms']:.0f} ms, to the program {node.last['started_ms']:.0f} ms")
            node.end()
        row(f"image_cold_start_{name}{suffix}", *(statistics.median(p[i][0] for p in pairs) for i in (0, 1)), "podman", "s", bar=0.25)
        row(f"image_cold_bytes_{name}{suffix}", *(statistics.median(p[i][1] for p in pairs) / 1e6 for i in (0, 1)), "podman", "MB", bar=0.25)

    def add_trace(self, name, kind, port, node, place):
        """What the image's author does once: start it, record what it reads, put that into the .fl."""
        node.forget()
        node.start(name, kind, port)
        (place.folder / "trace").write_text("\n".join(node.trace(name)) + "\n")
        node.end()
        run(self.mcloud, "image", "trace", place.folder / f"{name}.fl", "--set", place.folder / "trace")

    # -- reading what is cached ------------------------------------------------------------------------------------
    def reads(self):
        """image_seq_read, image_rand_read, image_find, image_import"""
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as text:
            folder = pathlib.Path(text)
            umoci = folder / "umoci"
            run("umoci", "unpack", "--image", f"{self.layouts['python']}:latest", umoci)
            with open(umoci / "rootfs/large", "wb") as large:
                for i in range(4096):
                    large.write(hashlib.sha256(str(i).encode()).digest() * 2048)
            run(self.mcloud, "image", "convert", umoci / "rootfs", folder / "all.fl", "--store", f"dir://{folder}/blocks")
            mounting = subprocess.Popen([self.mcloud, "image", "mount", folder / "all.fl", folder / "mount"], stdout=subprocess.DEVNULL)
            world.wait_until("the image is mounted", 10, lambda: (folder / "mount/large").exists())
            ours, theirs = files.overlay(folder / "mount", folder / "a"), files.overlay(umoci / "rootfs", folder / "b")
            try:
                files.read_all(ours)
                files.read_all(theirs)
                rounds = self.options.rounds
                print("peer: the same files on ext4 under an overlay; fio psync, page cache warm, 3 s, in turn")
                for kind in ("seq", "rand"):
                    a, b = files.compare(lambda root: files.fio(root / "large", kind), ours, theirs, rounds)
                    row(f"image_{kind}_read", a / 1e6, b / 1e6, "ext4_overlay", "MB/s", True, 0.9)
                for name, measure in (("find", files.find), ("import", files.python_import)):
                    a, b = files.compare(measure, ours, theirs, 3 * rounds)
                    row(f"image_{name}", 1 / a, 1 / b, "ext4_overlay", "1/s", True, 0.9)
            finally:
                files.unmount_all(ours, theirs)
                run(self.mcloud, "image", "unmount", folder / "mount")
                mounting.wait()

    # -- converting ------------------------------------------------------------------------------------------------
    def conversions(self):
        """image_convert: plain bytes a CPU second"""
        pairs = []
        for i in range(self.options.rounds):
            with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as text:
                folder, one = pathlib.Path(text), []
                for command in ([self.mcloud, "image", "convert", f"oci:{self.layouts['python']}", folder / "x.fl", "--store", f"dir://{folder}/blocks"],
                                ["umoci", "unpack", "--image", f"{self.layouts['python']}:latest", folder / "umoci"]):
                    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
                    run(*command)
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    one.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - started))
                size = sum(p.lstat().st_size for p in (folder / "umoci/rootfs").rglob("*") if p.is_file() and not p.is_symlink()) / 1e6
                pairs.append((size, *one))
        print(f"peer: {run('umoci', '--version').strip()}; umoci unpack syncs nothing; ours makes every block durable; image of {pairs[0][0]:.0f} MB")
        for i, name in ((0, "cpu"), (1, "wall")):
            a, b = (statistics.median(p[0] / p[side][i] for p in pairs) for side in (1, 2))
            row("image_convert" if name == "cpu" else "image_convert_wall", a, b, "umoci", f"MB/s_{name}", True, 1.0 if name == "cpu" else None)

    # -- sizes -----------------------------------------------------------------------------------------------------
    def sizes(self):
        """image_dedup, image_mount_rss_mb"""
        store = f"dir://{self.folder}/all-blocks"
        paths = [self.convert(name, store) for name in images.SPECS]
        usage = json.loads(run(self.mcloud, "image", "du", *paths, "--json"))
        stored = sum(p.stat().st_size for p in (self.folder / "all-blocks").rglob("*") if p.is_file())
        row("image_dedup", stored / 1e6, usage["bytes"] / 1e6, "sum_of_uncompressed", "MB", bar=0.45)
        print(f"  (unique plain blocks: {usage['distinct_bytes'] / usage['bytes']:.3f} of all bytes)")
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as folder:
            place = world.World(self.options.relay, folder)
            node = Node(self.options.node, self.mcloud, place)
            try:
                for i in range(50):
                    source = paths[i % len(paths)]
                    path = place.folder / f"{i}.fl"
                    recipe = place.folder / "recipe.yaml"
                    recipe.write_text(f"from: fl:{source}\nfiles: {{/number: {{content: \"{i}\"}}}}\n")
                    run(self.mcloud, "image", "build", recipe, path, "--store", store)
                    node.prepare(path)
                node.walk_all()
                row("image_mount_rss_mb", node.mount_rss() / 1e6, None, "none", "MB")
                node.forget()
            finally:
                place.close()


PARTS = {"starts": Bench.starts, "reads": Bench.reads, "conversions": Bench.conversions, "sizes": Bench.sizes}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--node", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--relay", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--images", default=str(TREE / "build/bench/image"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    images.build(options.images)
    with tempfile.TemporaryDirectory(prefix="mcloud-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"), ignore_cleanup_errors=True) as folder:
        bench = Bench(options, pathlib.Path(folder))
        for part in options.only:
            print(f"-- {PARTS[part].__doc__}", flush=True)
            PARTS[part](bench)


if __name__ == "__main__":
    world.enter()
    main()
