"""The clients of other people, of pinned versions, in a folder of their own."""
import json
import pathlib
import subprocess
import sys

REDIS_PY = "redis==5.2.1"
NODE_REDIS = "redis@5.8.2"


def install(folder, marker, wanted, command):
    """True when `wanted` is there. What was installed once is not asked for again."""
    mark = folder / marker
    if mark.is_file() and mark.read_text() == wanted:
        return True
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        print(f"FAILED: {wanted} could not be installed ({command[0]}): {(done.stderr or done.stdout)[-500:]}")
        return False
    mark.write_text(wanted)
    return True


def redis_py(build):
    folder = pathlib.Path(build) / "python"
    is_there = install(folder, "installed", REDIS_PY,
                       ["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade",
                        "--target", str(folder), REDIS_PY])
    if is_there:
        sys.path.insert(0, str(folder))
    return is_there


def node_redis(build):
    """The folder where node finds it, or nothing."""
    folder = pathlib.Path(build) / "node"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True}))
    is_there = install(folder, "installed", NODE_REDIS,
                       ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", NODE_REDIS])
    return folder if is_there else None
