"""The bytes of RESP, without anybody's client library: what was said, exactly."""
import socket

TIMEOUT_S = 10


class Connection:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), TIMEOUT_S)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, *words):
        self.send(request(words))
        return self.reply()

    def reply(self):
        """One reply as (kind, value): value is bytes, None, or a list of replies. EOFError: the server has closed."""
        line = self.line()
        kind, rest = line[:1].decode("latin-1"), line[1:]
        if kind in "$=":
            return kind, None if rest == b"-1" else self.exactly(int(rest))
        if kind in "*~>":
            return kind, None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == "%":
            return kind, [self.reply() for _ in range(2 * int(rest))]
        return kind, rest

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, size):
        while len(self.buffer) < size + 2:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size + 2:]
        return data

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the server has closed the connection")
        self.buffer += data


def request(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def show(reply):
    if isinstance(reply, str):
        return reply
    kind, value = reply
    if isinstance(value, list):
        return kind + "[" + ", ".join(show(one) for one in value) + "]"
    return kind + ("nil" if value is None else value.decode("latin-1"))
