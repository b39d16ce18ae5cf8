"""The images of bench/image, from Debian packages by recipes/build-image; kept in a folder between runs."""
import json
import pathlib
import subprocess

TREE = pathlib.Path(__file__).resolve().parent.parent.parent

APP = '''import http.server, json, decimal, sqlite3, ssl, urllib.request, email.message, xml.etree.ElementTree, logging, asyncio
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"hello": "world"}).encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 80), Page).serve_forever()
'''
# First run: a database folder, then the server; a client asks through the socket until it gets a row.
START_POSTGRES = '''#!/bin/sh
set -e
bin=/usr/lib/postgresql/15/bin
mkdir -p /data /run/postgresql
chown postgres /data /run/postgresql
setpriv --reuid postgres --regid postgres --clear-groups $bin/initdb -D /data --auth trust -N > /dev/null
exec setpriv --reuid postgres --regid postgres --clear-groups $bin/postgres -D /data -c listen_addresses=0.0.0.0 -c fsync=off
'''
SPECS = {
    "minbase": {"packages": ["apt"], "entrypoint": ["/bin/sh"]},
    "nginx": {"packages": ["nginx"], "entrypoint": ["nginx", "-g", "daemon off;"]},
    "redis": {"packages": ["redis-server"], "entrypoint": ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]},
    "python": {"packages": ["python3", "python3-pip"], "entrypoint": ["python3", "/app.py"], "files": {"/app.py": APP}},
    "postgresql": {"packages": ["postgresql"], "entrypoint": ["/bin/sh", "/start.sh"], "files": {"/start.sh": START_POSTGRES}},
}


def build(folder, names=tuple(SPECS)):
    """OCI layouts FOLDER/NAME/image; returns {name: path}. About 30 s each the first time."""
    found = {}
    for name in names:
        recipe = pathlib.Path(folder) / name
        recipe.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**SPECS[name], "keep_documentation": True}, sort_keys=True)
        if not (recipe / "image.json").exists() or (recipe / "image.json").read_text() != text:
            (recipe / "image.json").write_text(text)
        subprocess.run([TREE / "recipes/build-image", recipe], check=True)
        found[name] = recipe / "image"
    return found


if __name__ == "__main__":
    import sys
    print(build(sys.argv[1], sys.argv[2:] or tuple(SPECS)))
