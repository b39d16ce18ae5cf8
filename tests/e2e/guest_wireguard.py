#!/usr/bin/python3
"""Boots Debian's cloud kernel, which has WireGuard, and runs the tests of the mesh's devices in it: the kernel's device is
chosen, and talks to itself and to wireguard-go.

    guest_wireguard.py --test BUILD/src/network/network_test [--log FILE]
Ends with "N passed, N failed".
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import guest

PROGRAMS = ["/usr/sbin/nft", "/usr/bin/kmod", "/usr/bin/wireguard-go", "/bin/ping", "/bin/mount", "/bin/umount"]
CASES = ["kernel WireGuard*", "two nodes reach each other*"]

INIT = """#!/bin/busybox sh
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root NO_COLOR=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
modprobe tun; modprobe wireguard; ip link set lo up; ulimit -n 20000
echo; echo "CASES begin"
network_test --test-case='CASE_NAMES' --success=false --duration=true
echo "CASES end $?"; sync; poweroff -f
"""


def disk(test, modules, work):
    stage = work / "root"
    for folder in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "bin", "sbin"):
        (stage / folder).mkdir(parents=True, exist_ok=True)
    stripped = work / "network_test"
    guest.sh("strip", "-o", stripped, test)
    guest.copy_program(stage, test)
    shutil.rmtree(stage / str(test.parent.resolve()).lstrip("/"), ignore_errors=True)
    (stage / "usr/bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(stripped, stage / "usr/bin/network_test")
    for program in PROGRAMS:
        guest.copy_program(stage, program)
    for path in guest.FILES:
        if pathlib.Path(path).exists():
            guest.copy_into(stage, path)
    shutil.copy2("/bin/busybox", stage / "bin/busybox")
    for applet in guest.sh("/bin/busybox", "--list").split():
        if not any((stage / place / applet).exists() for place in ("bin", "usr/bin", "usr/sbin", "sbin")):
            (stage / "bin" / applet).symlink_to("/bin/busybox")
    (stage / "var").mkdir()
    (stage / "var/run").symlink_to("/run")  # where wireguard-go looks for its folder
    (stage / "sbin/modprobe").symlink_to("/usr/bin/kmod")
    (stage / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (stage / "etc/group").write_text("root:x:0:\n")
    target = stage / "lib/modules" / modules.name
    for part in guest.KERNEL_PARTS:
        if (modules / part).exists():
            shutil.copytree(modules / part, target / part)
    for index in modules.glob("modules.*"):
        shutil.copy2(index, target)
    (stage / "init").write_text(INIT.replace("CASE_NAMES", ",".join(CASES)))
    (stage / "init").chmod(0o755)
    image = work / "disk.img"
    guest.sh("truncate", "-s", "2G", image)
    guest.sh("mkfs.ext4", "-q", "-F", "-d", stage, image)
    return image


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--test", required=True, type=pathlib.Path)
    parser.add_argument("--log", type=pathlib.Path)
    options = parser.parse_args()
    guest.CACHE.mkdir(parents=True, exist_ok=True)
    vmlinuz, modules = guest.kernel()
    with tempfile.TemporaryDirectory(prefix="mcloud-guest-") as folder:
        work = pathlib.Path(folder)
        image, ramdisk = disk(options.test.resolve(), modules, work), guest.initramfs(modules, work)
        for attempt in (1, 2):
            log = guest.boot(vmlinuz, ramdisk, image, 150)
            if "CASES begin" in log:
                break
            print(f"the guest did not come up (try {attempt} of 2)")
    if options.log:
        options.log.write_text(log)
    log = re.sub(r"\x1b\[[0-9;]*m", "", log)
    for seconds, sentence in re.findall(r"^([\d.]+) s: (.*?)\r?$", log, re.M):
        print(f"guest: {sentence} ({float(seconds):.1f} s)")
    counts = re.search(r"test cases:\s+(\d+) \|\s+(\d+) passed \|\s+(\d+) failed", log)
    passed, failed = (int(counts[2]), int(counts[3])) if counts else (0, 1)
    # A kernel without WireGuard would skip its tests and prove nothing.
    if "skipped: " in log or "CASES end" not in log or passed < 3:
        failed = max(failed, 1)
    if failed:
        print(log[-6000:])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
