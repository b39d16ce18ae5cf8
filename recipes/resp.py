#!/usr/bin/python3
"""A small client of the Redis protocol: for trying the kv recipe by hand, and what its tests drive.

    recipes/resp.py redis://:PASSWORD@127.0.0.1:PORT COMMAND [WORD...]
"""
import socket
import sys
import urllib.parse


class Refused(Exception):
    """An error reply: the server has understood and says no."""


class Client:
    """One connection. Any OSError ends it; whether the command under way was done is then unknown."""

    def __init__(self, host, port, password=None, timeout=2.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if password is not None:
            self.call("AUTH", password)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, *words):
        """The reply: str, int, bytes, list or None. Raises Refused."""
        replies = self.pipeline([words])
        if isinstance(replies[0], Refused):
            raise replies[0]
        return replies[0]

    def pipeline(self, commands):
        """All replies in order; an error reply stands as a Refused in its place."""
        out = b""
        for words in commands:
            parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            out += b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        self.socket.sendall(out)
        return [self.reply() for _ in commands]

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def take(self, count):
        while len(self.buffer) < count + 2:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count + 2:]
        return data

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:].decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            return Refused(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.take(int(rest))
        if kind == b"*":
            return None if rest == "-1" else [self.reply() for _ in range(int(rest))]
        raise OSError(f"not the Redis protocol: {line[:60]!r}")


def main():
    if len(sys.argv) < 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    url = urllib.parse.urlsplit(sys.argv[1])
    password = urllib.parse.unquote(url.password) if url.password else None
    try:
        with Client(url.hostname, url.port or 6379, password) as client:
            reply = client.call(*sys.argv[2:])
    except (OSError, Refused) as error:
        print(f"resp.py: {error}", file=sys.stderr)
        return 1
    print(reply.decode(errors="replace") if isinstance(reply, bytes) else reply)
    return 0


if __name__ == "__main__":
    sys.exit(main())
