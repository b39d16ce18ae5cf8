#!/usr/bin/python3
"""An independent reader and writer of the public `.fl` format, to judge ours: nothing in it is shared with src/.

    rfs_judge.py pack FOLDER STORE FILE.fl      rfs_judge.py unpack FILE.fl STORE FOLDER
STORE is the folder of a dir: store. Written from the format's description: the tables of an SQLite file; blocks of
512 KiB whose key is BLAKE2b-256 of the plain bytes, packed by Snappy (raw), sealed by AES-256-GCM with the key's
first 12 bytes as nonce, and named by BLAKE2b-256 of that. It knows the public tables only, reads them as strictly as
the public tools do (types, UTF-8, 32 bytes), and looks at no table of MagicCloud's.
"""
import contextlib
import hashlib
import os
import pathlib
import sqlite3
import stat
import sys

import snappy
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK = 512 * 1024

SCHEMA = """
CREATE TABLE IF NOT EXISTS inode (ino INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER, name VARCHAR(255), size INTEGER,
  uid INTEGER, gid INTEGER, mode INTEGER, rdev INTEGER, ctime INTEGER, mtime INTEGER);
CREATE INDEX IF NOT EXISTS parents ON inode (parent);
CREATE TABLE IF NOT EXISTS extra (ino INTEGER PRIMARY KEY, data VARCHAR(4096));
CREATE TABLE IF NOT EXISTS block (ino INTEGER, id VARCHAR(32), key VARCHAR(32));
CREATE INDEX IF NOT EXISTS block_ino ON block (ino);
CREATE TABLE IF NOT EXISTS tag (key VARCHAR(10) PRIMARY KEY, value VARCHAR(255));
CREATE TABLE IF NOT EXISTS route (start integer, end integer, url VARCHAR(2048));
"""


class Wrong(Exception):
    """The file or a block is not as the format says."""


def demand(holds, what):
    if not holds:
        raise Wrong(what)


def hash_of(data):
    return hashlib.blake2b(data, digest_size=32).digest()


class DirStore:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def get(self, block_id):
        below = self.folder / block_id.hex()[:2]
        path = (below if below.exists() else self.folder) / block_id.hex()
        demand(path.is_file(), f"block {block_id.hex()} is not in the store")
        return path.read_bytes()

    def put(self, block_id, data):
        path = self.folder / block_id.hex()[:2] / block_id.hex()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def encode(plain):
    key = hash_of(plain)
    stored = AESGCM(key).encrypt(key[:12], snappy.compress(plain), None)
    return hash_of(stored), key, stored


def decode(block_id, key, stored, is_convergent=True):
    demand(hash_of(stored) == block_id, f"block {block_id.hex()} has other bytes")
    try:
        plain = snappy.uncompress(AESGCM(key).decrypt(key[:12], stored, None))
    except Exception as error:  # each library has its own
        raise Wrong(f"block {block_id.hex()} does not open: {error!r}") from error
    demand(not is_convergent or hash_of(plain) == key, f"block {block_id.hex()}: its key is not the hash of its content")
    return plain


def inode_rows(database):
    """Rows as the public reader takes them: typed, names UTF-8."""
    query = "select inode.*, extra.data from inode left join extra on inode.ino = extra.ino"
    columns = [one[0] for one in database.execute(query + " limit 0").description]
    wanted = ["ino", "parent", "name", "size", "uid", "gid", "mode", "rdev", "ctime", "mtime", "data"]
    demand(columns == wanted, f"columns {columns}")
    for row in database.execute(query):
        node = dict(zip(columns, row))
        demand(isinstance(node["name"], str), f"ino {node['ino']}: its name is no text")
        demand(all(isinstance(node[n], int) for n in wanted if n not in ("name", "data")), f"ino {node['ino']}: a number")
        demand(node["data"] is None or isinstance(node["data"], (bytes, str)), f"ino {node['ino']}: its data")
        yield node


def blocks_of(database, ino):
    out = []
    for block_id, key in database.execute("select id, key from block where ino = ?", (ino,)):
        demand(isinstance(block_id, bytes) and len(block_id) == 32, f"ino {ino}: a block's id")
        demand(isinstance(key, bytes) and len(key) == 32, f"ino {ino}: a block's key")
        out.append((block_id, key))
    return out


def open_file(path):
    with open(path, "rb") as file:
        head = file.read(20)
    demand(head.startswith(b"SQLite format 3\0"), "no SQLite file")
    demand(head[18:20] == b"\1\1", "its journal mode is not delete")
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def unpack(path, store, folder, is_convergent=True):
    """Makes FOLDER; owners as root only. Devices and sockets are left out, as the public tool does."""
    store, folder = DirStore(store), pathlib.Path(folder)
    with contextlib.closing(open_file(path)) as database:
        children = {}
        for node in inode_rows(database):
            children.setdefault(node["parent"], []).append(node)
        root = children.get(0, [])
        demand(len(root) == 1 and root[0]["ino"] == 1 and root[0]["name"] == "/", "the root is ino 1, parent 0, name /")
        waiting = [(root[0], folder)]
        while waiting:
            node, place = waiting.pop()
            waiting += [(child, place / child["name"]) for child in children.get(node["ino"], [])]
            write_node(database, store, node, place, is_convergent)
    return len(list(folder.rglob("*")))


def write_node(database, store, node, place, is_convergent):
    mode = node["mode"]
    if stat.S_ISDIR(mode):
        place.mkdir()
        os.chmod(place, stat.S_IMODE(mode) | 0o700)
    elif stat.S_ISREG(mode):
        content = b"".join(decode(i, k, store.get(i), is_convergent) for i, k in blocks_of(database, node["ino"]))
        demand(len(content) == node["size"], f"ino {node['ino']}: {len(content)} bytes, its size says {node['size']}")
        place.write_bytes(content)
        os.chmod(place, stat.S_IMODE(mode))
    elif stat.S_ISLNK(mode):
        demand(node["data"], f"ino {node['ino']}: a link without a target")
        os.symlink(node["data"], os.fsencode(place))
    else:
        return
    if os.geteuid() == 0:
        os.chown(place, node["uid"], node["gid"], follow_symlinks=False)
        if stat.S_ISREG(mode):
            os.chmod(place, stat.S_IMODE(mode))
    os.utime(place, (node["mtime"], node["mtime"]), follow_symlinks=False)


def pack(folder, store, path, url=None, tags=None):
    """Rows in the order in which the public tool makes them: a folder, then what is in it, sub-folders last come first."""
    folder, store = pathlib.Path(folder), DirStore(store)
    pathlib.Path(path).unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
        database.execute("insert into route (start, end, url) values (0, 255, ?)", (url or f"dir://{store.folder}",))
        for key, value in (tags or {}).items():
            database.execute("insert or replace into tag (key, value) values (?, ?)", (key, value))
        waiting = [(0, folder, "/")]
        while waiting:
            parent, place, name = waiting.pop()
            ino = add_inode(database, parent, name, place.lstat())
            for child in os.scandir(place):
                child_path, status = pathlib.Path(child.path), child.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((ino, child_path, child.name))
                    continue
                child_ino = add_inode(database, ino, child.name, status)
                if stat.S_ISLNK(status.st_mode):
                    target = os.readlink(os.fsencode(child_path))
                    database.execute("insert into extra (ino, data) values (?, ?)", (child_ino, target))
                if stat.S_ISREG(status.st_mode):
                    add_blocks(database, store, child_ino, child_path)
        database.commit()


def add_inode(database, parent, name, status):
    values = (parent, os.fsencode(name).decode(errors="replace"), status.st_size, status.st_uid, status.st_gid, status.st_mode,
              status.st_rdev, int(status.st_ctime), int(status.st_mtime))
    return database.execute("insert into inode (parent, name, size, uid, gid, mode, rdev, ctime, mtime) "
                            "values (?, ?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid


def add_blocks(database, store, ino, path):
    with open(path, "rb") as file:
        while plain := file.read(BLOCK):
            block_id, key, stored = encode(plain)
            store.put(block_id, stored)
            database.execute("insert into block (ino, id, key) values (?, ?, ?)", (ino, block_id, key))


def main():
    words = sys.argv[1:]
    if len(words) == 4 and words[0] == "pack":
        return pack(*words[1:])
    if len(words) == 4 and words[0] == "unpack":
        return print(unpack(*words[1:]), "entries")
    return print(__doc__) or 2


if __name__ == "__main__":
    sys.exit(main())
