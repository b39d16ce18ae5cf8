"""mcloud image: what people type."""
import base64
import functools
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

from harness import Skip, expect, wait_for
from tiny_image import write_layout


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Tool:
    """The commands with a home of their own."""

    def __init__(self, mcloud, folder):
        self.mcloud, self.folder = mcloud, folder
        self.environment = {**os.environ, "MCLOUD_HOME": str(folder / "home"), "NO_COLOR": "1"}

    def run(self, *words, code=0):
        done = subprocess.run([self.mcloud, "image", *map(str, words)], capture_output=True, timeout=60, env=self.environment)
        said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")[:500]
        expect(done.returncode == code, f"image {' '.join(map(str, words))}: exit {done.returncode}, not {code}: {said}")
        return done.stdout

    def json(self, *words, code=0):
        return json.loads(self.run(*words, "--json", code=code))

    def layout(self, name="layout", text=b"hello\n"):
        write_layout(self.folder / name, ["/bin/sh", "-c", "echo hi"], files={"www/index.html": text, "data/big": os.urandom(1 << 20)})
        return f"oci:{self.folder / name}"

    def convert(self, name="web.fl", source=None, *more):
        self.store = self.folder / "blocks"
        self.store.mkdir(exist_ok=True)
        path = self.folder / name
        self.made = self.json("convert", source or self.layout(), path, "--store", f"dir://{self.store}", *more)
        return path

    def key(self, name):
        subprocess.run([self.mcloud, "key", "new", name, "--no-passphrase"], check=True, capture_output=True, env=self.environment)

    def blocks(self):
        return sorted(path for path in self.store.rglob("*") if path.is_file())


def test_an_image_is_converted_looked_into_and_read(mcloud, folder):
    """convert, inspect, ls, tree and cat agree on what is in the image"""
    tool = Tool(mcloud, folder)
    path = tool.convert()
    expect(tool.made["new_blocks"] > 0 and tool.made["digest"].startswith("sha256:"), f"converted: {tool.made}")
    seen = tool.json("inspect", path)
    expect(seen["digest"] == tool.made["digest"], "inspect says another digest than convert")
    expect(seen["config"]["command"] == ["/bin/sh", "-c", "echo hi"], f"config: {seen['config']}")
    expect(seen["routes"] == [f"dir://{tool.store}"], f"routes: {seen['routes']}")
    names = tool.run("ls", path).decode().split()
    expect({"bin", "etc", "www", "data"} <= set(names), f"ls: {names}")
    long = tool.run("ls", "-l", path, "/bin").decode()
    expect("-rwxr-xr-x" in long and "sh -> busybox" in long, f"ls -l: {long}")
    expect("www/index.html" in tool.run("tree", path).decode(), "tree lacks a file")
    expect(tool.run("cat", path, "/www/index.html") == b"hello\n", "cat prints something else")
    expect(tool.run("cat", path, "/bin/sh") == pathlib.Path("/bin/busybox").read_bytes(), "a large file through a link")
    document = tool.json("cat", path, "/www/index.html")
    expect(base64.b64decode(document["content_base64"]) == b"hello\n", f"cat --json: {document}")


def test_equal_images_make_equal_files_and_send_nothing_twice(mcloud, folder):
    """a second convert writes the same bytes and uploads nothing; another image uploads only what is new"""
    tool = Tool(mcloud, folder)
    source = tool.layout()
    first = tool.convert("a.fl", source)
    second = tool.convert("b.fl", source)
    expect(first.read_bytes() == second.read_bytes(), "equal input gave different files")
    expect(tool.made["new_blocks"] == 0 and tool.made["stored_bytes"] == 0, f"sent again: {tool.made}")
    usage = tool.json("du", first, second)
    expect(usage["bytes"] == 2 * usage["distinct_bytes"] and usage["images"][0]["own_bytes"] == 0, f"du: {usage}")
    expect("50 %" in tool.run("du", first, second).decode(), "du shows no share")


def test_a_difference_is_told_path_by_path(mcloud, folder):
    """diff names what was added, removed and changed"""
    tool = Tool(mcloud, folder)
    before = folder / "tree"
    (before / "etc").mkdir(parents=True)
    (before / "etc/old").write_text("old")
    (before / "etc/same").write_text("same")
    (before / "etc/changed").write_text("one")
    a = tool.convert("a.fl", str(before))
    (before / "etc/old").unlink()
    (before / "etc/new").write_text("new")
    (before / "etc/changed").write_text("two")
    (before / "etc/changed").chmod(0o600)
    b = tool.convert("b.fl", str(before))
    changes = {(c["change"], c["path"]): c["what"] for c in tool.json("diff", a, b, "--ignore-times")["changes"]}
    expect(set(changes) == {("removed", "/etc/old"), ("added", "/etc/new"), ("changed", "/etc/changed")}, f"diff: {changes}")
    expect(changes["changed", "/etc/changed"] == ["content", "mode"], f"diff: {changes}")
    expect(tool.json("diff", a, a)["equal"] is True, "an image differs from itself")


def test_signing_does_not_change_the_digest_and_a_changed_image_has_no_signature(mcloud, folder):
    """sign, tag and trace keep the digest; verify tells who has signed"""
    tool = Tool(mcloud, folder)
    path = tool.convert()
    tool.key("ida")
    tool.run("verify", path, "--signed-by", "ida", code=4)
    signed = tool.json("sign", path, "--key", "ida")
    expect(signed["digest"] == tool.made["digest"] and signed["signatures"] == 1, f"sign: {signed}")
    tool.run("sign", path, "--key", "ida")
    tool.run("tag", path, "version=1.2", "author=ida")
    expect(tool.json("tag", path)["tags"] == {"version": "1.2", "author": "ida"}, "tags")
    expect("version" not in tool.json("tag", path, "version=")["tags"], "a tag stays")
    (folder / "trace").write_text("bin/busybox 0\n")
    expect(tool.json("trace", path, "--set", folder / "trace")["trace"] == ["bin/busybox 0"], "trace")
    seen = tool.json("inspect", path)
    expect(seen["digest"] == tool.made["digest"], "the digest changed")
    expect([s["name"] for s in seen["signatures"]] == ["ida"], f"signatures: {seen['signatures']}")
    expect(len(tool.json("verify", path, "--signed-by", "ida")["signers"]) == 1, "verify")


def test_an_image_moves_to_another_store_with_its_digest(mcloud, folder):
    """blocks served by a plain web server: the file names it, passwords stay out, everything is read from there"""
    tool = Tool(mcloud, folder)
    path = tool.convert()
    moved = folder / "moved"
    tool.store.rename(moved)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        tool.run("verify", path, "--blocks", code=6)  # at once, not after a wait for each block
        changed = tool.json("stores", path, "--remove", f"dir://{tool.store}", "--add", f"{base}/moved")
        expect(changed["routes"] == [f"{base}/moved"] and changed["digest"] == tool.made["digest"], f"stores: {changed}")
        expect(tool.json("verify", path, "--blocks")["faults"] == [], "not all blocks are there")
        expect(tool.run("cat", f"{base}/web.fl", "/www/index.html") == b"hello\n", "the file itself from the web server")
        secret = tool.json("stores", path, "--add", "zdb://me:secret@host/images")
        expect("secret" not in json.dumps(secret), f"a password in the file: {secret}")
        tool.run("stores", path, "--remove", "dir:///nowhere", code=3)
        tool.run("inspect", f"{base}/nothing.fl", code=3)
    finally:
        server.shutdown()


def test_verify_reads_every_block_and_names_the_file_that_is_damaged(mcloud, folder):
    """a wrong byte and a missing block in the store are found, and cat prints none of them"""
    tool = Tool(mcloud, folder)
    path = tool.convert()
    whole = tool.json("verify", path, "--blocks")
    expect(whole["faults"] == [] and whole["blocks"] >= 3, f"verify: {whole}")
    largest = max(tool.blocks(), key=lambda block: block.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    largest.write_bytes(damaged)
    found = json.loads(tool.run("verify", path, "--blocks", "--json", code=8))
    expect(len(found["faults"]) == 1 and found["faults"][0]["path"] in ("/data/big", "/bin/busybox"), f"verify: {found}")
    expect("its bytes are those of" in found["faults"][0]["reason"], f"reason: {found}")
    good = pathlib.Path("/bin/busybox").read_bytes()
    bad = found["faults"][0]["path"]
    said = tool.run("cat", path, bad, code=8)
    expect(len(said) % (512 << 10) == 0 and (bad != "/bin/busybox" or good.startswith(said)), "cat printed what is not verified")


def test_a_private_image_shares_no_block_with_a_public_one(mcloud, folder):
    """with --private the ids are others, and the content is the same"""
    tool = Tool(mcloud, folder)
    source = tool.layout()
    tool.convert("public.fl", source)
    public = set(tool.blocks())
    (folder / "secret").write_text("5a" * 32 + "\n")
    (folder / "junk").write_text("5a5a")
    private = tool.convert("private.fl", source, "--private", folder / "secret")
    expect(tool.made["new_blocks"] == tool.made["blocks"] or len(tool.blocks()) == 2 * len(public), "blocks are shared")
    expect(tool.run("cat", private, "/www/index.html") == b"hello\n", "the content differs")
    tool.run("convert", source, folder / "x.fl", "--store", f"dir://{tool.store}", "--private", folder / "junk", code=2)


def test_an_image_goes_back_to_an_oci_layout(mcloud, folder):
    """export writes a layout whose image has the same files"""
    tool = Tool(mcloud, folder)
    path = tool.convert()
    tool.run("export", path, f"oci:{folder / 'back'}:v1")
    again = tool.convert("again.fl", f"oci:{folder / 'back'}:v1")
    expect(tool.json("diff", path, again)["changes"] == [], "the exported image differs")


def test_what_is_no_image_is_refused_in_one_line(mcloud, folder):
    """hostile and broken files, missing paths and stores have an exit status of their class"""
    tool = Tool(mcloud, folder)
    (folder / "text.fl").write_text("not a database")
    tool.run("inspect", folder / "text.fl", code=8)
    tool.run("inspect", folder / "nothing.fl", code=3)
    tool.run("convert", "/nowhere", folder / "x.fl", "--store", f"dir://{folder}/blocks", code=2)
    tool.run("convert", tool.layout(), folder / "x.fl", code=2)
    tool.run("convert", tool.layout(), folder / "x.fl", "--store", "ftp://host/x", code=2)
    path = tool.convert()
    tool.run("ls", path, "/not/there", code=3)
    tool.run("cat", path, "/bin", code=2)
    tool.run("unmount", folder, code=3)


def is_mounted(folder):
    return str(folder) in pathlib.Path("/proc/self/mounts").read_text()


def servers():
    """Processes of the lazy file system that `image mount` started; those of other mounts on this machine are not ours."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "exe").endswith("/mcloud-imagefs"):
                opened = [os.readlink(fd) for fd in (entry / "fd").iterdir()]
                if any(re.match(r"/tmp/mcloud-image-[^/]+/fs/", path) for path in opened):
                    found.add(int(entry.name))
        except OSError:
            continue  # it has just ended
    return found


def test_an_image_is_a_folder_until_it_is_unmounted(mcloud, folder):
    """mount shows the files without a copy; Ctrl-C and unmount leave no mount and no process"""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        raise Skip("needs root and /dev/fuse")
    tool = Tool(mcloud, folder)
    path, place = tool.convert(), folder / "here"
    before = servers()
    for how in ("ctrl-c", "unmount"):
        served = subprocess.Popen([mcloud, "image", "mount", str(path), str(place), "--record", str(folder / "trace"), "--json"], stdout=subprocess.PIPE,
                                  env=tool.environment)
        try:
            line = b""
            while b"}" not in line:
                got = served.stdout.readline()
                expect(got, "mount ended early")
                line += got
            expect((place / "www/index.html").read_bytes() == b"hello\n", "the mount shows something else")
            expect(os.readlink(place / "bin/sh") == "busybox", "a link")
            expect(len(servers() - before) == 2, "no process serves it")
            try:
                (place / "www/x").write_text("x")
                expect(False, "the mount can be written")
            except OSError:
                pass
            if how == "ctrl-c":
                served.send_signal(signal.SIGINT)
            else:
                tool.run("unmount", place)
            expect(served.wait(20) == 0, f"mount ended with {served.returncode}")
        finally:
            served.kill()
            served.wait()
            subprocess.run(["umount", "-l", str(place)], capture_output=True)
        expect(not is_mounted(place), "the mount is still there")
        if how == "ctrl-c":  # the second time its block is fetched before it is read, and nobody asks for it
            expect((folder / "trace").read_text() == "/www/index.html 0\n", f"the trace: {(folder / 'trace').read_text()}")
        tool.run("trace", path, "--set", folder / "trace")
        wait_for("its processes ending", 10, lambda: not servers() - before, 0.1)
