"""podman as the peer of bench/image: the same images, from Debian's docker-registry, through the same link."""
import shutil
import subprocess
import time

from world import STORE, drop_caches, probe_in_node, run

REGISTRY_PORT, FAR_PORT = 5000, 5001
LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000"]
CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:5000"}}
log: {{level: error}}
"""


def version():
    return run("podman", "--version").strip() + ", overlay storage, from docker-registry " + run("docker-registry", "--version").split()[-1]


def serve_registry(world, images):
    folder = world.folder / "registry"
    (world.folder / "registry.yml").write_text(CONFIG.format(folder=folder))
    world.start("docker-registry", "serve", world.folder / "registry.yml", ready=("127.0.0.1", REGISTRY_PORT))
    for name, layout in images.items():
        run("skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--insecure-policy", f"oci:{layout}", f"docker://127.0.0.1:{REGISTRY_PORT}/{name}:latest")
    world.far_away(FAR_PORT, REGISTRY_PORT)


class Podman:
    def __init__(self, world):
        self.world, self.folder = world, world.folder / "podman"
        self.count = 0

    def forget(self):
        self.podman("rm", "-f", "-a", "-t", "0", check=False)
        self.podman("rmi", "-f", "-a", check=False)
        subprocess.run(["umount", "-l", self.folder / "root/overlay"], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments):
        return ["nsenter", "--net=/run/netns/node", "podman", "--root", str(self.folder / "root"), "--runroot", "/run/peer",
                "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--log-level", "error", *arguments]

    def podman(self, *arguments, check=True):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True)
        if check and done.returncode != 0:
            raise SystemExit(f"podman {' '.join(arguments[:2])}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def start(self, image, kind, port):
        """(seconds to the first answer, bytes over the link); pulls when the image is not there."""
        self.count += 1
        name, before = f"peer{self.count}", self.world.bytes_received()
        started = time.monotonic()
        probe = probe_in_node(kind, port)
        self.podman("run", "-d", "--rm", "--name", name, "--network", "host", "--tls-verify=false", *LIMITS, f"{STORE}:{FAR_PORT}/{image}:latest")
        if probe.wait() != 0:
            raise SystemExit(f"podman: {image} did not answer")
        took = time.monotonic() - started
        received = self.world.bytes_received() - before
        self.podman("rm", "-f", "-t", "0", name, check=False)
        return took, received

    def end(self):
        """start() ends what it started."""

    def warm_start(self, image):
        """Seconds from the command to a running process (`true`-like containers are not measured: the app's own start is not ours)."""
        self.count += 1
        name = f"peer{self.count}"
        started = time.monotonic()
        self.podman("run", "-d", "--rm", "--name", name, "--network", "host", *LIMITS, "--entrypoint", '["sleep", "60"]', f"{STORE}:{FAR_PORT}/{image}:latest")
        took = time.monotonic() - started
        self.podman("rm", "-f", "-t", "0", name, check=False)
        return took
