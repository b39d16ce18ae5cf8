"""The serving process is killed, again and again, under fio and tar: readers wait and go on, and what they read is right."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import threading

from harness import Skip, expect, wait_for

LARGE_BYTES = 48 << 20
DEATHS = 6


def servers():
    """{process: folder of its mount} of all lazy file systems on this machine."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or not os.readlink(entry / "exe").endswith("/mcloud-imagefs") or b"server" not in (entry / "cmdline").read_bytes():
                continue
            opened = [os.readlink(fd) for fd in (entry / "fd").iterdir()]
            found[int(entry.name)] = next(path.removesuffix("/imagefs.log") for path in opened if path.endswith("/imagefs.log"))
        except (OSError, StopIteration):
            continue  # it has just ended, or begun
    return found


def server_of(digest):
    """The process that serves the only mount with this image; None while there is none."""
    return next((pid for pid, folder in servers().items() if os.path.exists(f"{folder}/mount/{digest}")), None)


def sum_of_tar(folder):
    with subprocess.Popen(["tar", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-C", str(folder), "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
        total = hashlib.file_digest(tar.stdout, "sha256").hexdigest()
    expect(tar.returncode == 0, "tar met an error")
    return total


def read_again_and_again(place, expected, is_over, failures):
    while not is_over.is_set():
        try:
            expect(sum_of_tar(place) == expected, "tar read other bytes")
        except Exception as error:  # told by the thread that waits
            failures.append(str(error))
            return


def fio(path):
    return subprocess.Popen(["fio", "--name=x", f"--filename={path}", "--readonly", "--rw=randread", "--bs=16k", "--ioengine=psync", "--numjobs=2",
                             "--time_based", "--runtime=6", "--thread", "--output-format=terse"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_while_read(place, source, digest):
    is_over, failures = threading.Event(), []
    tar = threading.Thread(target=read_again_and_again, args=(place, sum_of_tar(source), is_over, failures))
    load = fio(place / "large")
    tar.start()
    try:
        for _ in range(DEATHS):
            victim = wait_for("a server", 10, lambda: server_of(digest), 0.05)
            os.kill(victim, signal.SIGKILL)
            wait_for("another server", 20, lambda: server_of(digest) not in (None, victim), 0.05)
        said, _ = load.communicate(timeout=60)
    finally:
        is_over.set()
        tar.join(60)
        load.kill()
    expect(not tar.is_alive(), "tar hangs")
    expect(load.returncode == 0, f"fio: {said[-300:]}")
    expect(not failures, "; ".join(failures))


def test_readers_do_not_notice_that_the_file_system_is_killed(mcloud, folder):
    """SIGKILL of the serving process six times under fio and tar: no error, and every byte is right"""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        raise Skip("needs root and /dev/fuse")
    source, place = folder / "source", folder / "place"
    (source / "many").mkdir(parents=True)
    (source / "large").write_bytes(os.urandom(LARGE_BYTES))
    for i in range(300):
        (source / f"many/{i}").write_bytes(os.urandom(100 + 37 * i))
    converted = subprocess.run([mcloud, "image", "convert", source, folder / "a.fl", "--store", f"dir://{folder}/blocks", "--json"], check=True, capture_output=True)
    digest = json.loads(converted.stdout)["digest"].removeprefix("sha256:")
    served = subprocess.Popen([mcloud, "image", "mount", folder / "a.fl", place], stdout=subprocess.DEVNULL)
    try:
        wait_for("the image is mounted", 20, lambda: (place / "large").exists(), 0.05)
        kill_while_read(place, source, digest)
    finally:
        subprocess.run([mcloud, "image", "unmount", place], capture_output=True)
        served.wait(20)
