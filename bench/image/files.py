"""image_seq_read, image_rand_read, image_find, image_import: what is cached, through our mount and through ext4, both as the
lower folder of an overlay, as containers see it."""
import json
import os
import pathlib
import statistics
import subprocess
import time

from world import run

IMPORTS = "import asyncio, http.server, json, logging, sqlite3, ssl, unittest, urllib.request, xml.dom.minidom, email, ctypes, decimal"


def overlay(lower, folder):
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True)
    run("mount", "-t", "overlay", "overlay", folder / "root", "-o", f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work")
    return folder / "root"


def fio(path, kind):
    """Bytes a second of one reader whose file is in the page cache, 3 s."""
    command = ["fio", "--name=x", f"--filename={path}", "--readonly", "--invalidate=0", "--ioengine=psync", "--time_based", "--runtime=3",
               "--output-format=json", *(["--rw=read", "--bs=1M"] if kind == "seq" else ["--rw=randread", "--bs=4k", "--randrepeat=1", "--norandommap"])]
    return json.loads(run(*command))["jobs"][0]["read"]["bw_bytes"]


def seconds(*command):
    started = time.perf_counter()
    run(*command)
    return time.perf_counter() - started


def find(root):
    return seconds("find", root, "-xdev")


def python_import(root):
    return seconds("chroot", root, "/usr/bin/python3", "-c", IMPORTS)


def read_all(root):
    """Brings everything into the cache."""
    run("tar", "-C", root, "-cf", "/dev/null", "--one-file-system", "--warning=none", ".")
    for folder, _, names in os.walk(root):
        for name in names:
            path = pathlib.Path(folder) / name
            if path.is_file() and not path.is_symlink():
                with open(path, "rb", buffering=0) as f:
                    while f.read(1 << 20):
                        pass


def compare(measure, ours, theirs, rounds):
    """Medians of `rounds` pairs, taken in turn; the first pair warms and is dropped."""
    pairs = [(measure(ours), measure(theirs)) for _ in range(rounds + 1)][1:]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def unmount_all(*roots):
    for root in roots:
        subprocess.run(["umount", "-l", str(root)], capture_output=True)
