"""Drives the program image_node: a node's images and containers without a ledger, one JSON line a command."""
import json
import shutil
import subprocess
import time

from world import STORE, probe_in_node


class Node:
    def __init__(self, program, world):
        self.program, self.world, self.data, self.process = program, world, world.folder / "node", None
        self.count, self.prepared = 0, {}

    def command(self, **fields):
        if self.process is None:
            self.data.mkdir(exist_ok=True)
            self.process = subprocess.Popen(["nsenter", "--net=/run/netns/node", str(self.program), str(self.data), "/run/n"], text=True,
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

    def prepare(self, source):
        answer = self.command(do="prepare", source=source)
        self.prepared[source] = answer
        return answer

    def start(self, image, kind, port):
        """(seconds to the first answer, bytes over the link), from a .fl behind the link; opening the node is not counted, as
        podman has nothing to open."""
        self.count += 1
        self.command(do="ping")
        before = self.world.bytes_received()
        started = time.monotonic()
        probe = probe_in_node(kind, port)
        self.command(do="start", id=f"c{self.count}", source=f"fl:http://{STORE}:8001/{image}.fl")
        if probe.wait() != 0:
            raise SystemExit(f"ours: {image} did not answer")
        took = time.monotonic() - started
        received = self.world.bytes_received() - before
        self.command(do="end", id=f"c{self.count}")
        return took, received

    def warm_start(self, image):
        """Attached anew, its content cached: mount to running process."""
        self.count += 1
        source = f"fl:http://{STORE}:8001/{image}.fl"
        self.command(do="detach", source=source)
        started = time.monotonic()
        self.command(do="start", id=f"c{self.count}", source=source, arguments=["sleep", "60"])
        took = time.monotonic() - started
        self.command(do="end", id=f"c{self.count}")
        return took

    def walk_all(self):
        for prepared in self.prepared.values():
            subprocess.run(["find", prepared["root"], "-ls"], stdout=subprocess.DEVNULL, check=True)

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
