#!/usr/bin/python3
"""Boots Debian's cloud kernel (cgroup v2) in QEMU and runs the deploy smoke inside: this host may have
cgroup v1, users have v2. Software emulation; a boot that hangs is tried once more.

    guest.py --mcloud BINARY [--shell-log FILE]
Ends with "N passed, N failed".
"""
import argparse
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
CACHE = TREE / "build/guest"

PROGRAMS = ["/usr/bin/crun", "/usr/bin/conmon", "/usr/sbin/nft", "/bin/ip", "/usr/sbin/bird", "/usr/sbin/bridge",
            "/usr/bin/kmod", "/usr/bin/unshare", "/usr/bin/nsenter", "/bin/mount", "/bin/umount", "/usr/sbin/birdc",
            "/usr/bin/curl", "/usr/bin/nice", "/usr/bin/wg", "/usr/sbin/unbound"]
FILES = ["/usr/share/containers/seccomp.json", "/etc/protocols", "/etc/services", "/etc/nsswitch.conf"]
FIRST_MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"]
KERNEL_PARTS = ["kernel/net", "kernel/fs/overlayfs", "kernel/fs/fuse", "kernel/drivers/net", "kernel/drivers/virtio",
                "kernel/drivers/block", "kernel/lib", "kernel/crypto", "kernel/arch"]


def sh(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **options).stdout


def kernel():
    """(vmlinuz, modules folder) of Debian's cloud kernel, unpacked below build/, not installed."""
    depends = sh("apt-cache", "depends", "linux-image-cloud-amd64")
    package = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", depends)[1]
    folder = CACHE / package
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        sh("dpkg-deb", "-x", next(folder.glob("*.deb")), folder)
        version = package.removeprefix("linux-image-")
        sh("depmod", "-b", folder, version)
        (folder / "ready").touch()
    version = package.removeprefix("linux-image-")
    return folder / f"boot/vmlinuz-{version}", folder / f"lib/modules/{version}"


def copy_into(stage, path):
    target = stage / str(path).lstrip("/")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def copy_program(stage, path, target=None):
    if target:
        (stage / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, stage / target)
    else:
        copy_into(stage, path)
    for library in re.findall(r"(/\S+) \(0x", sh("ldd", path)):
        copy_into(stage, library)


def busybox_image(layout):
    """A 1 MB OCI image whose entrypoint is busybox httpd: nginx would take minutes to unpack under emulation."""
    from tiny_image import write_layout
    write_layout(layout, command=["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"],
                 files={"www/index.html": b"served from a guest with cgroup v2\n", "www/big": bytes(4 << 20)})


CONTRACT = """name: smoke
workloads:
  web:
    kind: container
    image: oci:/smoke/image
    replicas: 1
    resources: {cpu: 500m, memory: 32MiB, disk: 16MiB, pids: 16}
    ports: {http: 80}
    health: {http: {port: http, path: /}, interval: 2s, timeout: 2s, retries: 10, start_period: 60s}
  site: {kind: publish, port: 8080, to: "web:http"}
"""

# The same image, lazily: this kernel maps no owners on FUSE, passes no reads through and sends no request again.
LAZY_CONTRACT = """name: lazy
workloads:
  web:
    kind: container
    image: fl:/smoke/web.fl
    replicas: 1
    resources: {cpu: 500m, memory: 32MiB, disk: 16MiB, pids: 16}
    ports: {http: 80}
    health: {http: {port: http, path: /}, interval: 2s, timeout: 2s, retries: 10, start_period: 60s}
  site: {kind: publish, port: 8081, to: "web:http"}
"""

# Two containers on two nodes, in a network of the mesh with rules and in one with a device of its own; this guest has no
# wireguard-go, its kernel must do.
MESH_CONTRACT = """name: mesh
workloads:
  net: {kind: network, range: 10.77.0.0/24, allow: ["left -> right:http"]}
  own: {kind: network, range: 10.78.0.0/24, encryption: dedicated}
""" + "".join(f"""  {name}:
    kind: container
    image: oci:/smoke/image
    resources: {{cpu: 100m, memory: 32MiB, disk: 16MiB, pids: 16}}
    ports: {{http: 80}}
    networks: [net, own]
    placement: {{labels: {{node: {node}}}}}
    health: {{http: {{port: http, path: /}}, interval: 2s, timeout: 2s, retries: 10, start_period: 60s}}
""" for name, node in (("left", "n1"), ("right", "n2")))

# Runs as the guest's init. Every wait is bounded by the host's time-out around QEMU.
INIT = """#!/bin/busybox sh
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root NO_COLOR=1 MCLOUD_CLUSTER=/smoke/cluster
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5 devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
mount -t mqueue mqueue /dev/mqueue 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up; ulimit -n 20000
check() { if [ "$2" = 0 ]; then echo "RESULT ok $1"; else echo "RESULT failed $1"; fi; }
echo; [ -f /sys/fs/cgroup/cgroup.controllers ]; check "the guest has cgroup v2 alone" $?
mcloud cluster up --dir /smoke/cluster --nodes 2 > /smoke/up.log 2>&1 &
up=$!
nodes_online() { mcloud cluster status --json 2>/dev/null | grep -o '"ledger_state": *"online"' | wc -l; }
i=0; while [ $i -lt 120 ] && [ "$(nodes_online)" -lt 2 ]; do sleep 1; i=$((i+1)); done
[ "$(nodes_online)" = 2 ]; online=$?; check "two nodes are online" $online
[ $online = 0 ] || { tail -n 30 /smoke/up.log; echo "RESULT end"; poweroff -f; }
mcloud apply /smoke/contract.yaml --no-wait; check "the contract is signed and admitted" $?
url=; i=0; while [ $i -lt 120 ]; do
  url=$(mcloud status smoke --json 2>/dev/null | grep -o 'http://127.0.0.1:[0-9]*' | head -n 1)
  [ -n "$url" ] && curl -s -f -m 2 -o /tmp/page "$url/" && break; sleep 1; i=$((i+1)); done
grep -q 'cgroup v2' /tmp/page; served=$?; check "the service answers from outside the cluster" $served
[ $served = 0 ] || { mcloud status smoke; mcloud cluster status; tail -n 30 /smoke/up.log; curl -v -m 2 "$url/"
  for n in $(mcloud cluster status --json | tr -d ' ' | grep -o '"pid1":[0-9]*' | cut -d : -f 2); do
    echo "--- node with pid 1 = $n"; nsenter -t $n -n ip -br addr; nsenter -t $n -n nft list ruleset; nsenter -t $n -n ip route; done
  bird --version; lsmod | head -n 40; dmesg | tail -n 15; tail -n 20 /smoke/cluster/logs/* /smoke/cluster/nodes/*/*.log 2>/dev/null; }
limits=$(find /sys/fs/cgroup -path '*mcloud*' -name memory.max -exec cat {} + 2>/dev/null); echo "$limits" | grep -q 33554432
check "the memory limit of 32 MiB stands in the container's cgroup" $?
pid_of() { mcloud cluster status --json | tr -d ' \\n' | grep -o '"name":"'$1'"[^}]*"pid1":[0-9]*' | grep -o '[0-9]*$'; }
at() { node=$(pid_of $1); netns=$2; shift 2; nsenter -t $node -m nsenter --net=/run/netns/$netns "$@"; }
netns_of() { nsenter -t $(pid_of $1) -m ls /run/netns 2>/dev/null | grep -e "-$2-0\$"; }
modprobe wireguard
mcloud apply /smoke/mesh.yaml --no-wait; check "a contract with an encrypted network is signed and admitted" $?
i=0; while [ $i -lt 120 ] && { [ -z "$(netns_of n1 left)" ] || [ -z "$(netns_of n2 right)" ]; }; do sleep 1; i=$((i+1)); done
left=$(netns_of n1 left); right=$(netns_of n2 right)
ip_of() { at $1 $2 ip -4 addr show $3 | grep -o 'inet [0-9.]*' | cut -d ' ' -f 2; }
ip6_of() { at $1 $2 ip -6 addr show $3 scope global | grep -o 'inet6 [0-9a-f:]*' | cut -d ' ' -f 2; }
there=$(ip_of n2 "$right" eth0); here=$(ip_of n1 "$left" eth0); there6=$(ip6_of n2 "$right" eth0); own=$(ip_of n2 "$right" eth1)
fetched() { at $1 $2 curl -g -s -m 20 -o /dev/null -w '%{size_download} of 4194304 bytes over the kernel WireGuard, %{speed_download} B/s\n' "http://$3/big"; }
i=0; while [ $i -lt 60 ]; do at n1 "$left" curl -s -m 2 -o /dev/null "http://$there/" && break; sleep 1; i=$((i+1)); done
[ $i -lt 60 ]; meshed=$?; check "containers on two nodes reach each other through the encrypted network" $meshed
for where in "$there" "[$there6]"; do got=$(fetched n1 "$left" "$where"); echo "$where: $got"; echo "$got" | grep -q '^4194304 '
  check "megabytes come whole through it from $([ "$where" = "$there" ] && echo IPv4 || echo IPv6)" $?; done
! at n2 "$right" curl -s -m 2 -o /dev/null "http://$here/" && ! at n1 "$left" busybox ping -c 2 -W 1 "$there" >/dev/null
check "what no rule allows is refused" $?
i=0; while [ $i -lt 30 ]; do at n1 "$left" busybox ping -c 1 -W 2 "$own" >/dev/null && break; sleep 1; i=$((i+1)); done
[ $i -lt 30 ] && fetched n1 "$left" "$own" | grep -q '^4194304 '; check "a network with a device of its own carries them too" $?
spaces=$(nsenter -t $(pid_of n1) -m ls /run/netns | grep mcloud_net_)
for space in $spaces; do at n1 $space ip -d link show type wireguard; done | grep -q mwgd0; check "its device is the kernel's, in the network's own namespace" $?
at n1 mcloud_mesh ip -d link show type wireguard | grep -q mwg0; check "the mesh's device is the kernel's" $?
[ -n "$(at n1 mcloud_mesh wg show all latest-handshakes | grep -v '[[:space:]]0$')" ]; check "it has shaken hands" $?
i=0; while [ $i -lt 30 ]; do at n1 "$left" busybox nslookup right.mesh.internal 10.77.0.1 2>/dev/null | grep -q "$there" && break; sleep 1; i=$((i+1)); done
[ $i -lt 30 ]; check "a name leads to the other node" $?
[ $meshed = 0 ] || { mcloud status mesh; for n in n1 n2; do nsenter -t $(pid_of $n) -m -n sh -c 'ip -br addr; ls /run/netns; nft list tables'; at $n mcloud_mesh wg; done
  lsmod | grep -i wireguard; tail -n 8 /smoke/cluster/nodes/*/*.log 2>/dev/null; }
mcloud cancel mesh; modprobe fuse
mcloud apply /smoke/lazy.yaml --no-wait; check "a contract with a lazy image is signed and admitted" $?
lazy=; rm -f /tmp/page; i=0; while [ $i -lt 60 ]; do
  lazy=$(mcloud status lazy --json 2>/dev/null | grep -o 'http://127.0.0.1:[0-9]*' | head -n 1)
  [ -n "$lazy" ] && curl -s -f -m 2 -o /tmp/page "$lazy/" && break; sleep 1; i=$((i+1)); done
grep -q 'cgroup v2' /tmp/page; served=$?; check "a container serves from an image that is mounted, not unpacked" $served
[ $served = 0 ] || { mcloud status lazy; mcloud logs lazy/web 2>&1 | tail -n 5; dmesg | tail -n 5; tail -n 8 /smoke/cluster/nodes/*/*.log 2>/dev/null; }
kill -9 $(pidof mcloud-imagefs | tr ' ' '\n' | head -n 1); rm -f /tmp/page; i=0
while [ $i -lt 30 ] && ! curl -s -f -m 2 -o /tmp/page "$lazy/"; do sleep 1; i=$((i+1)); done
grep -q 'cgroup v2' /tmp/page; check "it goes on when a process of the lazy file system is killed" $?
node=$(mcloud status smoke --json | tr -d ' \\n' | grep -o '"node":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
mcloud cluster kill "$node"; rm -f /tmp/page; i=0
while [ $i -lt 120 ]; do curl -s -f -m 2 -o /tmp/page "$url/" && [ "$(mcloud status smoke --json | tr -d ' \\n' | grep -o '"node":"[^"]*"' | head -n 1 | cut -d '"' -f 4)" != "$node" ] && break; sleep 1; i=$((i+1)); done
grep -q 'cgroup v2' /tmp/page; check "it answers again after its node was killed" $?
kill -INT $up; i=0; while [ $i -lt 30 ] && kill -0 $up 2>/dev/null; do sleep 1; i=$((i+1)); done
left=$(find /sys/fs/cgroup -type d -name 'mcloud*' | wc -l); [ "$left" = 0 ]; check "no cgroup is left after Ctrl-C" $?
echo "RESULT end"; sync; poweroff -f
"""


def disk(mcloud, modules, work):
    stage = work / "root"
    for folder in ("proc", "sys", "dev", "run", "tmp", "root", "smoke", "etc", "bin", "sbin", "var/lib"):
        (stage / folder).mkdir(parents=True, exist_ok=True)
    copy_program(stage, mcloud, "usr/bin/mcloud")
    copy_program(stage, mcloud.parent / "mcloud-imagefs", "usr/bin/mcloud-imagefs")
    for program in PROGRAMS:
        if pathlib.Path(program).exists():
            copy_program(stage, program)
    for path in FILES:
        copy_into(stage, path)
    shutil.copy2("/bin/busybox", stage / "bin/busybox")
    for applet in sh("/bin/busybox", "--list").split():
        for place in ("bin", "usr/bin", "usr/sbin"):
            if (stage / place / applet).exists():
                break
        else:
            (stage / "bin" / applet).symlink_to("/bin/busybox")
    (stage / "sbin/modprobe").symlink_to("/usr/bin/kmod")
    (stage / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nbird:x:101:101::/:/bin/false\n"
                                      "unbound:x:107:111::/:/bin/false\n")
    (stage / "etc/group").write_text("root:x:0:\ntty:x:5:\nbird:x:101:\nunbound:x:111:\n")
    target = stage / "lib/modules" / modules.name
    for part in KERNEL_PARTS:
        if (modules / part).exists():
            shutil.copytree(modules / part, target / part)
    for index in modules.glob("modules.*"):
        shutil.copy2(index, target)
    busybox_image(stage / "smoke/image")
    (stage / "smoke/contract.yaml").write_text(CONTRACT)
    (stage / "smoke/lazy.yaml").write_text(LAZY_CONTRACT)
    (stage / "smoke/mesh.yaml").write_text(MESH_CONTRACT)
    flist, blocks = stage / "smoke/web.fl", f"dir://{stage.resolve()}/smoke/blocks"
    sh(mcloud, "image", "convert", f"oci:{stage}/smoke/image", flist, "--store", blocks)
    sh(mcloud, "image", "stores", flist, "--add", "dir:///smoke/blocks", "--remove", blocks)
    (stage / "init").write_text(INIT)
    (stage / "init").chmod(0o755)
    image = work / "disk.img"
    sh("truncate", "-s", "2G", image)
    sh("mkfs.ext4", "-q", "-F", "-d", stage, image)
    return image


def initramfs(modules, work):
    stage = work / "initramfs"
    (stage / "bin").mkdir(parents=True)
    (stage / "new").mkdir()
    (stage / "proc").mkdir()
    (stage / "dev").mkdir()
    shutil.copy2("/bin/busybox", stage / "bin/busybox")
    lines = ["#!/bin/busybox sh", "/bin/busybox mount -t devtmpfs dev /dev"]
    for name in FIRST_MODULES:
        for path in modules.rglob(f"{name}.ko"):
            shutil.copy2(path, stage / path.name)
            lines.append(f"/bin/busybox insmod /{path.name}")
    lines += ["i=0; while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do /bin/busybox sleep 0.1; i=$((i+1)); done",
              "/bin/busybox mount -t ext4 /dev/vda /new", "exec /bin/busybox switch_root /new /init"]
    (stage / "init").write_text("\n".join(lines) + "\n")
    (stage / "init").chmod(0o755)
    names = sh("find", ".", cwd=stage)
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=stage, input=names.encode(), capture_output=True,
                             check=True).stdout
    path = work / "initramfs.gz"
    path.write_bytes(gzip.compress(archive, 1))
    return path


def boot(vmlinuz, ramdisk, image, seconds):
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2048",
               "-nographic", "-no-reboot", "-kernel", vmlinuz, "-initrd", ramdisk, "-append", "console=ttyS0 panic=-1 quiet",
               "-drive", f"file={image},format=raw,if=virtio,snapshot=on", "-nic", "none"]
    try:
        return subprocess.run([str(c) for c in command], capture_output=True, timeout=seconds,
                              stdin=subprocess.DEVNULL).stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mcloud", required=True, type=pathlib.Path)
    parser.add_argument("--shell-log", type=pathlib.Path)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    CACHE.mkdir(parents=True, exist_ok=True)
    vmlinuz, modules = kernel()
    with tempfile.TemporaryDirectory(prefix="mcloud-guest-") as folder:
        work = pathlib.Path(folder)
        image, ramdisk = disk(options.mcloud, modules, work), initramfs(modules, work)
        for attempt in (1, 2):
            log = boot(vmlinuz, ramdisk, image, 420)
            if "RESULT" in log:
                break
            print(f"the guest did not come up (try {attempt} of 2)")
    if options.shell_log:
        options.shell_log.write_text(log)
    results = re.findall(r"^RESULT (ok|failed) (.*?)\r?$", log, re.M)
    for verdict, sentence in results:
        print(f"{verdict:7} guest: {sentence}")
    passed = sum(1 for verdict, _ in results if verdict == "ok")
    failed = len(results) - passed + ("RESULT end" not in log)
    if failed:
        print(log[-6000:])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
