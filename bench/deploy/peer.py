"""podman as the peer of bench/deploy: `podman run -d -p` of the same image to the first 200."""
import http.client
import os
import pathlib
import subprocess
import time

# In a mount and network namespace of its own: podman refuses a hybrid cgroup tree, and its rules must not
# touch the host's. Storage lies in a folder that goes with it.
OUTER = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", __file__]
LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000"]


def podman(folder, *arguments, check=True):
    command = ["podman", "--root", f"{folder}/root", "--runroot", "/run/mcloud-peer", "--cgroup-manager", "cgroupfs", "--log-level", "error",
               *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"podman {' '.join(arguments[:2])}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def first_200(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
    raise SystemExit("podman's container did not answer 200")


def inside(image, folder, count):
    """Runs in the namespaces; prints one time (ms) a line."""
    subprocess.run("ip link set lo up; mount -t tmpfs tmpfs /run; umount /sys/fs/cgroup/unified 2>/dev/null", shell=True)
    podman(folder, "pull", "-q", f"oci:{image}")
    name = podman(folder, "images", "--format", "{{.ID}}").split()[0]
    for i in range(count + 1):
        started = time.monotonic()
        podman(folder, "run", "-d", "--rm", "--name", f"peer{i}", *LIMITS, "-p", f"{18080 + i}:80", name)
        first_200(18080 + i)
        took = (time.monotonic() - started) * 1000
        podman(folder, "rm", "-f", "-t", "0", f"peer{i}", check=False)
        if i > 0:  # the first one warms the page cache
            print(f"{took:.2f}", flush=True)


def measure(image, folder, count):
    """Times (ms), or the reason as text when podman does not run here."""
    done = subprocess.run([*OUTER, str(image), str(folder), str(count)], capture_output=True, text=True, timeout=180)
    subprocess.run(["rm", "-rf", str(folder)])
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    return [float(line) for line in done.stdout.split()]


def version():
    return subprocess.run(["podman", "--version"], capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    import sys
    inside(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
