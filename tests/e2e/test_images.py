"""Images that start before they are downloaded: from contract to running container, and what may go wrong."""
import os
import pathlib
import shutil
import signal
import subprocess

from harness import Failure, expect, fetch, wait_for
from test_agent import agent_of, command_line, tree_of
from tiny_image import write_layout

HUB = "10.250.0.1"  # the cluster's own "internet": nodes reach it, this host does not
PROGRAM = "busybox-own"  # no other image has its blocks
SERVE = [f"/bin/{PROGRAM}", "httpd", "-f", "-p", "80", "-h", "/www"]


class Site:
    """A small web site as an image of its own: /index.html is tiny, /late is large and read late or never."""

    def __init__(self, cluster, name, command=None):
        self.cluster, self.name = cluster, name
        self.folder = cluster.folder / "images" / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.late = os.urandom(3 << 20)
        self.file, self.blocks = self.folder / "site.fl", self.folder / "blocks"
        write_layout(self.folder / "layout", command or SERVE, files={"www/index.html": name.encode(), "www/late": self.late},
                     programs={f"bin/{PROGRAM}": pathlib.Path("/bin/busybox").read_bytes() + os.urandom(64)})
        self.digest = cluster.json("image", "convert", f"oci:{self.folder / 'layout'}", self.file, "--store",
                                   f"dir://{self.blocks}")["digest"]

    def contract(self, image='"fl:./site.fl"', more="", publish=True):
        text = f"name: {self.name}\nworkloads:\n  net: {{kind: network, range: 10.66.0.0/16}}\n" \
               f"  web:\n    kind: container\n    image: {image}\n    ports: {{http: 80}}\n    networks: [net]\n{more}"
        if publish:
            text += "  site: {kind: publish, port: 8466, to: \"web:http\"}\n"
        path = self.folder / "contract.yaml"
        path.write_text(text)
        return path

    def apply(self, *arguments, **options):
        return self.cluster.run("apply", self.contract(**options), *arguments, check=False, seconds=90)

    def ready(self):
        self.cluster.wait_ready(self.name, "web", 1, 60)
        return self.cluster.url(self.name, "web")

    def node(self):
        return self.cluster.node_of(self.name, "web")

    def cached_bytes(self):
        cache = self.cluster.folder / "nodes" / self.node() / "images/cache"
        return sum(path.stat().st_blocks * 512 for path in cache.rglob("*") if path.is_file())

    def message(self):
        return " ".join(r["message"] for r in self.cluster.replicas(self.name, "web"))

    def refused(self, *words, seconds=40):
        """The message with which nodes refuse it, once it has all the words."""
        try:
            return wait_for("a refusal", seconds, lambda: (lambda m: all(w in m for w in words) and m)(self.message()), 0.1)
        except Failure:
            raise Failure(f"no refusal with {words}: {self.cluster.run('status', self.name).stdout}") from None

    def gone(self):
        self.cluster.run("cancel", self.name, check=False)
        wait_for("its containers gone", 30, lambda: not self.cluster.json("status", self.name)["replicas"], 0.1)


def imagefs_of(cluster, node, role):
    def is_it(pid):
        try:
            return os.readlink(f"/proc/{pid}/exe").endswith("/mcloud-imagefs") and f" {role} " in command_line(pid)
        except OSError:
            return False  # it has just ended
    found = [p for p in tree_of(cluster.cluster_nodes()[node]["pid1"]) if is_it(p)]
    expect(found, f"no {role} of the lazy file system on {node}")
    return found[0]


def test_a_container_starts_while_its_image_arrives(cluster):
    """from a cold node: the site answers, and what nobody has read was not fetched"""
    site = Site(cluster, "cold")
    done = site.apply()
    expect(done.returncode == 0, done.stderr)
    url = site.ready()
    expect(fetch(url)[1] == b"cold", "another page")
    expect(site.cached_bytes() < 3 << 20, f"fetched {site.cached_bytes()} bytes before anybody read them")
    expect(fetch(url + "late", 10)[1] == site.late, "the late file is another")
    site.gone()


def test_the_server_of_images_dies_under_a_running_container(cluster):
    """SIGKILL of the serving process, then of its keeper: reads go on, the container does not notice"""
    site = Site(cluster, "reborn")
    site.apply()
    url = site.ready()
    for role in ("server", "keeper", "server"):
        before = imagefs_of(cluster, site.node(), role)
        os.kill(before, signal.SIGKILL)
        expect(fetch(url, 10)[1] == b"reborn", f"after the {role}'s death")
        wait_for(f"another {role}", 10, lambda: imagefs_of(cluster, site.node(), role) != before, 0.1)
    expect(fetch(url + "late", 10)[1] == site.late, "the late file is another")
    expect(cluster.replicas("reborn", "web")[0]["restarts"] == 0, "the container was restarted")
    site.gone()


def test_an_agents_death_leaves_lazy_images_mounted(cluster):
    """kill -9 of the agent: the container runs on, reads what it has not read before, and is not restarted"""
    site = Site(cluster, "lasting")
    site.apply()
    url = site.ready()
    pid1 = cluster.cluster_nodes()[site.node()]["pid1"]
    agent, server = agent_of(pid1), imagefs_of(cluster, site.node(), "server")
    os.kill(agent, signal.SIGKILL)
    wait_for("another agent", 20, lambda: [p for p in tree_of(pid1) if "node agent" in command_line(p) and p != agent], 0.1)
    expect(imagefs_of(cluster, site.node(), "server") == server, "the lazy file system was started anew")
    expect(fetch(url + "late", 10)[1] == site.late, "the late file is another")
    expect(cluster.replicas("lasting", "web")[0]["restarts"] == 0, "the container was restarted")
    site.gone()


def test_a_dead_store_does_not_stop_what_is_cached(cluster):
    """the store goes after the start: what was read stays readable, also by a container that starts anew"""
    site = Site(cluster, "cached")
    site.apply()
    url = site.ready()
    expect(fetch(url)[1] == b"cached", "another page")
    site.blocks.rename(site.folder / "gone")
    for _ in range(3):
        expect(fetch(url)[1] == b"cached", "the page is gone with the store")
    (site.folder / "gone").rename(site.blocks)
    expect(fetch(url + "late", 30)[1] == site.late, "the store came back and nobody looked")
    site.gone()


def test_a_tampered_block_is_never_run(cluster):
    """wrong bytes in the only store: the workload fails with the reason, and no wrong byte is executed or read"""
    site = Site(cluster, "tampered")
    for block in site.blocks.rglob("*"):
        if block.is_file() and block.stat().st_size > 100_000:
            data = block.read_bytes()
            block.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    site.apply("--no-wait")
    message = site.refused("wrong bytes")
    expect("reads of the image failed" in message, message)
    site.gone()


def test_a_store_that_is_gone_is_named(cluster):
    """no store has the program's blocks: the workload fails, and its message says which store"""
    site = Site(cluster, "lost")
    shutil.rmtree(site.blocks)
    site.apply("--no-wait")
    site.refused("reads of the image failed", "blocks does not answer", seconds=90)  # a block's deadline is 20 s
    site.gone()


def test_a_container_starts_from_a_web_server_that_only_nodes_reach(cluster):
    """fl:http:// with blocks over http, applied by somebody who stands where the nodes stand"""
    site = Site(cluster, "hub")
    cluster.run("image", "stores", site.file, "--remove", f"dir://{site.blocks}", "--add", f"http://{HUB}:7399/blocks")
    inside = ["nsenter", "-t", str(cluster.service_pid("ledger")), "-n"]
    server = subprocess.Popen([*inside, "python3", "-m", "http.server", "7399", "--bind", HUB, "-d", str(site.folder)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        path = site.contract(image=f'{{source: "fl:http://{HUB}:7399/site.fl", digest: "{site.digest}"}}')
        words = ["apply", path, "--ledger", f"http://{HUB}:7100", "--trust", cluster.folder / "trust.json", "--key", "ida"]
        done = subprocess.run([*inside, cluster.mcloud, *map(str, words)], env=cluster.environment(), capture_output=True,
                              text=True, timeout=60)
        expect(done.returncode == 0, done.stderr)
        url = site.ready()
        expect(fetch(url)[1] == b"hub", "another page")
        expect(fetch(url + "late", 20)[1] == site.late, "the late file is another")
    finally:
        server.kill()
        server.wait()
    site.gone()


def test_a_file_that_changed_after_it_was_approved_is_refused(cluster):
    """the node compares the digest before it mounts anything, and names both"""
    site, other = Site(cluster, "swapped"), Site(cluster, "swapper")
    site.apply("--no-approve", "--no-wait")
    shutil.copy(other.file, site.file)
    cluster.run("approve", "swapped", "--as", "ida")
    site.refused(site.digest, other.digest)
    site.gone()


def test_an_image_without_a_required_signature_is_refused(cluster):
    """apply refuses what is not signed; a node refuses it when the signature goes after the approval"""
    site = Site(cluster, "signed")
    image = '{source: "fl:./site.fl", signed_by: [lena]}'
    refused = site.apply(image=image)
    expect(refused.returncode == 2 and "has not signed" in refused.stderr + refused.stdout, refused.stderr + refused.stdout)
    unsigned = site.file.read_bytes()
    cluster.run("image", "sign", site.file, "--key", "lena")
    site.apply("--no-approve", "--no-wait", image=image)
    signed = site.file.read_bytes()
    site.file.write_bytes(unsigned)
    cluster.run("approve", "signed", "--as", "ida")
    site.refused("is not signed by", site.digest)
    site.gone()
    site.file.write_bytes(signed)
    again = site.apply(image=image)
    expect(again.returncode == 0, again.stderr)
    expect(fetch(site.ready())[1] == b"signed", "another page")
    site.gone()


def test_only_programs_of_the_image_are_run(cluster):
    """programs: image-only: a copied program is refused everywhere, the image's own runs, /etc can be written"""
    script = "for p in /tmp /etc /run /data; do busybox cp /bin/busybox $p/echo; $p/echo ran; echo $p=$?; done; echo x > /etc/x && echo written; sleep 1000"
    site = Site(cluster, "bound", ["/bin/sh", "-c", script])
    site.apply("--no-wait", more="    programs: image-only\n    mounts: {/data: {tmpfs: 8MiB}}\n", publish=False)
    log = wait_for("its log", 40, lambda: (lambda t: "written" in t and t)(cluster.run("logs", "bound/web", check=False).stdout), 0.2)
    for place in ("/tmp", "/etc", "/run", "/data"):
        expect(f"{place}=126" in log, log)
    expect("\nran" not in log, log)
    site.gone()
