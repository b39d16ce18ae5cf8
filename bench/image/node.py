"""Drives the program image_node: a node's images and containers without a ledger, one JSON line a command."""
import json
import shutil
import subprocess
import time

from world import STORE, probe_in_node, run


class Node:
    def __init__(self, program, mcloud, world):
        self.program, self.mcloud, self.world, self.data, self.process = program, mcloud, world, world.folder / "node", None
        self.count, self.roots, self.digests = 0, [], {}

    def command(self, **fields):
        if self.process is None:
            self.data.mkdir(exist_ok=True)
            self.process = subprocess.Popen(["nsenter", "--net=/run/netns/node", str(self.program), str(self.data), "/run/n", str(self.mcloud)], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.world.folder / "node.log", "ab"))
            self.answer("open")
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()
        return self.answer(fields["do"])

    def answer(self, what):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the node's program ended"}
        if "error" in answer:
            log = (self.world.folder / "node.log").read_text()[-600:]
            raise SystemExit(f"image_node {what}: {answer['error']}\n{log}")
        return answer

    def digest_of(self, flist):
        return json.loads(run(self.mcloud, "image", "inspect", flist, "--json"))["digest"]

    def prepare(self, flist):
        self.roots.append(self.command(do="prepare", source=f"fl:{flist}", digest=self.digest_of(flist))["root"])

    def wanted(self, image):
        if image not in self.digests:
            self.digests[image] = self.digest_of(self.world.folder / f"{image}.fl")
        return {"source": f"fl:http://{STORE}:8001/{image}.fl", "digest": self.digests[image]}

    def start(self, image, kind, port):
        """(seconds to the first answer, bytes over the link), from a .fl behind the link; opening the node is not counted, as
        podman has nothing to open."""
        self.count += 1
        wanted = self.wanted(image)
        self.command(do="ping")
        before = self.world.bytes_received()
        started = time.monotonic()
        probe = probe_in_node(kind, port)
        self.last = self.command(do="start", id=f"c{self.count}", **wanted)
        if probe.wait() != 0:
            raise SystemExit(f"ours: {image} did not answer")
        took = time.monotonic() - started
        received = self.world.bytes_received() - before
        return took, received

    def end(self):
        self.command(do="end", id=f"c{self.count}")

    def trace(self, image):
        return self.command(do="trace", digest=self.digests[image])["trace"]

    def warm_start(self, image):
        """Attached anew, its content cached: mount to running process."""
        self.count += 1
        wanted = self.wanted(image)
        self.command(do="detach", digest=wanted["digest"])
        started = time.monotonic()
        self.command(do="start", id=f"c{self.count}", arguments=["sleep", "60"], **wanted)
        took = time.monotonic() - started
        self.end()
        return took

    def walk_all(self):
        for root in self.roots:
            subprocess.run(["find", root, "-ls"], stdout=subprocess.DEVNULL, check=True)

    def mount_rss(self):
        return self.command(do="figures")["rss_bytes"]

    def forget(self):
        if self.process is None:
            return
        self.command(do="stop")
        self.process.stdin.close()
        self.process.wait()
        self.process = None
        shutil.rmtree(self.data, ignore_errors=True)
