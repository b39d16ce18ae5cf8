"""A language server over its standard input and output, as an editor drives it."""
import json
import os
import select
import subprocess
import time


class Server:
    def __init__(self, command, folder):
        self.folder = folder
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.number, self.bytes, self.diagnostics = 0, b"", {}
        self.ask("initialize", {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": {
            "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}, "hover": {"contentFormat": ["markdown"]}},
            "workspace": {"configuration": True}}})
        self.tell("initialized", {})

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def tell(self, method, params):
        self.send({"method": method, "params": params})

    def receive(self, deadline):
        """One message; what it asks of the editor is answered."""
        while True:
            head, mark, rest = self.bytes.partition(b"\r\n\r\n")
            if mark:
                size = int(head.split(b"Content-Length:")[1].split(b"\r\n")[0])
                if len(rest) >= size:
                    self.bytes = rest[size:]
                    return self.answer(json.loads(rest[:size]))
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("the language server does not answer")
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise EOFError("the language server ended")
            self.bytes += chunk

    def answer(self, message):
        if message.get("method") == "workspace/configuration":
            settings = {"yaml": {"schemaStore": {"enable": False}, "completion": True, "hover": True, "validate": True}}
            self.send({"id": message["id"], "result": [settings.get(item.get("section")) for item in message["params"]["items"]]})
        elif message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            self.send({"id": message["id"], "result": None})
        return message

    def ask(self, method, params, seconds=30):
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        deadline = time.monotonic() + seconds
        while True:
            message = self.receive(deadline)
            if message.get("id") == self.number and "method" not in message:
                if "error" in message:
                    raise RuntimeError(message["error"])
                return message["result"]

    def open(self, path, text):
        """Opens the file and waits for what the server says of it."""
        path.write_text(text)
        uri = path.as_uri()
        self.diagnostics.pop(uri, None)
        self.tell("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        deadline = time.monotonic() + 30
        while uri not in self.diagnostics:
            self.receive(deadline)
        return uri

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
