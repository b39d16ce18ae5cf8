"""A 1 MB OCI layout around Debian's static busybox, for tests that want no real distribution."""
import gzip
import hashlib
import io
import json
import pathlib
import tarfile


def write_layout(layout, command, files=None, environment=None, programs=None):
    layout = pathlib.Path(layout)
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def folder(name):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)

        def file(name, data, mode):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "www", "data", "run"):
            folder(name)
        file("bin/busybox", pathlib.Path("/bin/busybox").read_bytes(), 0o755)
        for applet in ("sh", "sleep", "cat", "echo", "wget", "ls", "id", "nc"):
            member = tarfile.TarInfo(f"bin/{applet}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(member)
        file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)
        for name, data in sorted((files or {}).items()):
            file(name, data, 0o644)
        for name, data in sorted((programs or {}).items()):
            file(name, data, 0o755)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        (layout / "blobs/sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}
    layer = put(gzip.compress(plain.getvalue(), 1, mtime=0))
    config = put(json.dumps({
        "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()]},
        "config": {"Cmd": command, "Env": ["PATH=/bin"] + [f"{k}={v}" for k, v in (environment or {}).items()],
                   "WorkingDir": "/"}}).encode())
    manifest = put(json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer}]}).encode())
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
         "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
