"""A contract file in an editor: the YAML language server with our schema."""
import json
import subprocess

import files
from lsp import Server

from harness import expect

SERVER = "yaml-language-server@1.18.0"
FIRST_LINE = "# yaml-language-server: $schema=contract.schema.json\n"


def installed():
    """The server's program, of the pinned version; what was installed once is not asked for again."""
    folder = files.TREE / "build/language"
    program = folder / "node_modules/yaml-language-server/bin/yaml-language-server"
    mark = folder / "installed"
    if not (mark.is_file() and mark.read_text() == SERVER and program.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True}))
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", SERVER],
                              cwd=folder, capture_output=True, text=True, timeout=300)
        expect(done.returncode == 0, f"{SERVER} could not be installed: {(done.stderr or done.stdout)[-300:]}")
        mark.write_text(SERVER)
    return program


class Editor:
    def __init__(self, mcloud, folder):
        schema = subprocess.run([mcloud, "contract", "schema"], capture_output=True, text=True, timeout=20, check=True).stdout
        (folder / "contract.schema.json").write_text(schema)
        self.folder, self.count = folder, 0
        self.server = Server(["node", str(installed()), "--stdio"], folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.end()

    def open(self, text):
        """`|` in the text is where the cursor stands."""
        self.count += 1
        text = FIRST_LINE + text
        before = text.partition("|")[0]
        uri = self.server.open(self.folder / f"contract-{self.count}.yaml", text.replace("|", "", 1))
        line = before.count("\n")
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": len(before) - before.rfind("\n") - 1}}

    def offers(self, text):
        found = self.server.ask("textDocument/completion", self.open(text))
        items = found["items"] if isinstance(found, dict) else found or []
        return {item["label"]: item for item in items}

    def hover(self, text):
        found = self.server.ask("textDocument/hover", self.open(text))
        return json.dumps(found["contents"]) if found else ""

    def wrong(self, text):
        place = self.open(text + "|")
        return self.server.diagnostics[place["textDocument"]["uri"]]


def test_editor_completes(mcloud, folder):
    """completion offers a container's fields in a container, the kinds behind `kind:`, words behind `spread:`, and sentences with them"""
    with Editor(mcloud, folder) as editor:
        offers = editor.offers("name: a\nworkloads:\n  web:\n    kind: container\n    |\n")
        for key in ("image", "replicas", "health", "on_node_loss"):
            expect(key in offers, f"{key} is not offered: {sorted(offers)}")
        expect("followers" not in offers, "a container is offered a kv's field")
        expect("How many of it run." in json.dumps(offers["replicas"]), offers["replicas"])
        offers = editor.offers("name: a\nworkloads:\n  db:\n    kind: kv\n    |\n")
        expect("followers" in offers and "image" not in offers, sorted(offers))
        offers = editor.offers("name: a\nworkloads:\n  web:\n    kind: |\n")
        expect({"container", "kv", "network", "publish", "volume"} <= set(offers), sorted(offers))
        offers = editor.offers("name: a\nplacement:\n  spread: |\n")
        expect({"prefer", "require", "pack"} <= set(offers), sorted(offers))
        offers = editor.offers("name: a\n|\n")
        expect({"expires", "approvals", "workloads"} <= set(offers), sorted(offers))


def test_editor_hovers(mcloud, folder):
    """hovering over a field shows its sentence"""
    with Editor(mcloud, folder) as editor:
        said = editor.hover("name: a\nworkloads:\n  web:\n    kind: container\n    repl|icas: 2\n    image: oci:./i\n")
        expect("How many of it run" in said, said)
        said = editor.hover("name: a\nworkloads:\n  web:\n    kind: container\n    image: oci:./i\n    health:\n      inter|val: 2s\n")
        expect("How often" in said, said)


def test_editor_underlines(mcloud, folder):
    """a wrong key, word and size are diagnostics at their line; good files have none"""
    with Editor(mcloud, folder) as editor:
        wrong = editor.wrong("name: a\nworkloads:\n  web:\n    kind: container\n    image: oci:./i\n    replica: 2\n")
        expect(any("replica" in one["message"] and one["range"]["start"]["line"] == 6 for one in wrong), wrong)
        wrong = editor.wrong("name: a\nworkloads:\n  web:\n    kind: container\n    image: oci:./i\n    on_node_loss: stay\n")
        expect(any(one["range"]["start"]["line"] == 6 for one in wrong), wrong)
        wrong = editor.wrong("name: a\nworkloads:\n  data:\n    kind: volume\n    size: 5Gib\n")
        expect(any(one["range"]["start"]["line"] == 5 for one in wrong), wrong)
        for where, text in files.good_texts().items():
            wrong = editor.wrong(text)
            expect(not wrong, f"{where}: {[(one['range']['start'], one['message'][:150]) for one in wrong[:3]]}")
