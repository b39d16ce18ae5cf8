"""The public `.fl` format between us and an independent judge (rfs_judge.py), both ways."""
import json
import os
import pathlib
import random
import sqlite3
import stat
import subprocess

import rfs_judge
from harness import expect


class Place:
    """A folder with some of everything, a store, and our command."""

    def __init__(self, mcloud, folder):
        self.mcloud, self.folder = mcloud, folder
        self.store, self.source = folder / "blocks", folder / "source"
        self.store.mkdir()
        self.environment = {**os.environ, "MCLOUD_HOME": str(folder / "home"), "NO_COLOR": "1"}

    def run(self, *words, code=0):
        done = subprocess.run([self.mcloud, "image", *map(str, words)], capture_output=True, timeout=60, env=self.environment)
        said = (done.stderr + done.stdout).decode(errors="replace")
        expect(done.returncode == code, f"image {words}: exit {done.returncode}, not {code}: {said}")
        return done.stdout if code == 0 else said

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

    def convert(self, source, name, *more):
        self.made = self.json("convert", source, self.folder / name, "--store", f"dir://{self.store}", *more)
        return self.folder / name

    def fill(self, seed=1):
        chance = random.Random(seed)
        root = self.source
        for name in ("bin", "etc/deep/er", "empty", "var"):
            (root / name).mkdir(parents=True)
        sizes = {"bin/app": 2 * rfs_judge.BLOCK + 77, "bin/exact": rfs_judge.BLOCK, "etc/one": 1, "etc/none": 0, "etc/deep/er/x": 5000}
        for name, size in sizes.items():
            (root / name).write_bytes(chance.randbytes(size))
        (root / "var/zeros").write_bytes(bytes(3 * rfs_judge.BLOCK + 5))
        (root / "etc/caf\u00e9").write_bytes(b"text " * 50_000)
        os.link(root / "bin/app", root / "var/app")
        os.symlink("../bin/app", root / "etc/link")
        os.symlink("/bin/app", root / "etc/absolute")
        os.chmod(root / "bin/app", 0o4755)
        os.chmod(root / "etc/one", 0o400)
        os.chown(root / "etc/one", 12, 34)
        os.chown(root / "etc/link", 5, 6, follow_symlinks=False)
        for path in sorted(root.rglob("*")):
            os.utime(path, (1_600_000_000, 1_600_000_000 + len(str(path.relative_to(root)))), follow_symlinks=False)
        os.utime(root, (1_600_000_000, 1_600_000_000))


def described(folder):
    """{path: what the public format can say of it}"""
    out = {}
    for path in pathlib.Path(folder).rglob("*"):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        mode = stat.S_IMODE(status.st_mode) if kind != stat.S_IFLNK else 0
        content = os.readlink(path) if kind == stat.S_IFLNK else path.read_bytes() if kind == stat.S_IFREG else None
        times = int(status.st_mtime) if kind != stat.S_IFDIR else None  # making what is inside changes a folder's
        out[str(path.relative_to(folder))] = (kind, mode, status.st_uid, status.st_gid, times, content)
    return out


def expect_equal(a, b):
    first, second = described(a), described(b)
    expect(first.keys() == second.keys(), f"names: {first.keys() ^ second.keys()}")
    for name, one in first.items():
        expect(one == second[name], f"{name}: {[str(x)[:60] for x in one]} and {[str(x)[:60] for x in second[name]]}")


def test_a_public_reader_unpacks_what_we_write(mcloud, folder):
    """what we write, the judge of the public format unpacks to the same folder"""
    place = Place(mcloud, folder)
    place.fill()
    made = place.convert(place.source, "ours.fl")
    rfs_judge.unpack(made, place.store, folder / "out")
    expect_equal(place.source, folder / "out")


def test_we_read_what_a_public_writer_packs(mcloud, folder):
    """what the judge packs, we read: every block verified, all names and contents the same"""
    place = Place(mcloud, folder)
    place.fill(seed=2)
    packed = folder / "theirs.fl"
    rfs_judge.pack(place.source, place.store, packed, tags={"description": "packed by another", "author": "judge"})
    place.run("verify", packed, "--blocks")
    seen = place.json("inspect", packed)
    expect(seen["tags"]["author"] == "judge", f"tags: {seen}")
    for name in ("bin/app", "etc/one", "etc/none", "var/zeros", "etc/caf\u00e9", "etc/deep/er/x"):
        expect(place.run("cat", packed, "/" + name) == (place.source / name).read_bytes(), f"{name} has other bytes")
    # Through us into a file of ours, and out by the judge again.
    again = place.convert(f"fl:{packed}", "again.fl")
    rfs_judge.unpack(again, place.store, folder / "out")
    expect_equal(place.source, folder / "out")


def test_both_cut_and_key_blocks_the_same_way(mcloud, folder):
    """the same file has the same blocks from both: stores are shared with users of the public tools"""
    place = Place(mcloud, folder)
    place.fill(seed=3)
    rfs_judge.pack(place.source, place.store, folder / "theirs.fl")
    made = place.convert(place.source, "ours.fl")
    query = "select distinct hex(id), hex(key) from block order by 1"
    blocks = [sqlite3.connect(path).execute(query).fetchall() for path in (folder / "theirs.fl", made)]
    expect(blocks[0] == blocks[1] and len(blocks[0]) > 5, f"blocks differ: {len(blocks[0])} and {len(blocks[1])}")
    expect(place.made["new_blocks"] == 0, f"sent again what was there: {place.made}")


def test_a_public_tool_edits_our_file(mcloud, folder):
    """tags and stores that a public tool changes in our file are read; the image and its digest stay"""
    place = Place(mcloud, folder)
    place.fill()
    made = place.convert(place.source, "ours.fl")
    digest = place.json("inspect", made)["digest"]
    database = sqlite3.connect(made)
    database.execute("insert or replace into tag (key, value) values ('version', '2')")
    database.execute("delete from route")
    database.execute("insert into route (start, end, url) values (0, 127, 'dir:///elsewhere')")
    database.commit()
    database.close()
    seen = place.json("inspect", made)
    expect(seen["digest"] == digest and seen["tags"]["version"] == "2", f"inspect: {seen}")
    expect("dir:///elsewhere" in seen["routes"][0], f"routes: {seen['routes']}")


def test_a_changed_block_is_found_by_both(mcloud, folder):
    """a store that lies is caught, by the judge and by us: neither takes the other's word"""
    place = Place(mcloud, folder)
    place.fill()
    made = place.convert(place.source, "ours.fl")
    path = next(path for path in sorted(place.store.rglob("*")) if path.is_file() and path.stat().st_size > 1000)
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    try:
        rfs_judge.unpack(made, place.store, folder / "out")
        raise AssertionError("the judge took a wrong block")
    except rfs_judge.Wrong as wrong:
        expect(path.name in str(wrong), f"the judge says: {wrong}")
    expect(path.name in place.run("verify", made, "--blocks", code=8), "our message names the block")


def test_a_private_image_opens_with_its_keys_and_tells_nobody_what_it_holds(mcloud, folder):
    """a private image is read by public readers from its file; its blocks' names are not those of the public ones"""
    place = Place(mcloud, folder)
    place.fill()
    secret = folder / "secret"
    secret.write_text("5a" * 32)
    public = place.convert(place.source, "public.fl")
    private = place.convert(place.source, "private.fl", "--private", secret)
    rfs_judge.unpack(private, place.store, folder / "out", is_convergent=False)
    expect_equal(place.source, folder / "out")
    ids = [set(sqlite3.connect(path).execute("select hex(id) from block")) for path in (public, private)]
    expect(not ids[0] & ids[1], "blocks of a private image have public names")
    try:
        rfs_judge.unpack(private, place.store, folder / "strict")
        raise AssertionError("its keys are hashes of its content")
    except rfs_judge.Wrong:
        pass
