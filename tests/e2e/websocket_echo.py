#!/usr/bin/python3
"""Just enough of WebSocket (RFC 6455) to echo: `serve PORT`, and `talk ADDRESS PORT HOST`, which sends lines and prints answers."""
import base64
import hashlib
import os
import socket
import struct
import sys
import threading

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def read_head(stream):
    head = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        head.append(line.strip())
    return head


def read_frame(stream):
    """Short text frames only; None at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    size, mask = head[1] & 127, stream.read(4) if head[1] & 128 else bytes(4)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(stream.read(size)))


def serve_one(connection):
    with connection, connection.makefile("rb") as stream:
        keys = [line.split(b":", 1)[1].strip() for line in read_head(stream) if line.lower().startswith(b"sec-websocket-key")]
        if not keys:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        accept = base64.b64encode(hashlib.sha1(keys[0] + MAGIC).digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                           + accept + b"\r\n\r\n")
        while (text := read_frame(stream)) is not None:
            connection.sendall(struct.pack("!BB", 0x81, len(text)) + text)


def serve(port):
    with socket.create_server(("", port)) as server:
        while True:
            threading.Thread(target=serve_one, args=(server.accept()[0],), daemon=True).start()


def talk(address, port, host):
    connection = socket.create_connection((address, port), 3)
    connection.settimeout(20)
    key = base64.b64encode(os.urandom(16))
    connection.sendall(b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
    stream = connection.makefile("rb")
    head = read_head(stream)
    if not head or b" 101 " not in head[0]:
        sys.exit(f"no WebSocket: {head[:1]}")
    print("open", flush=True)
    for line in sys.stdin:
        text = line.rstrip("\n").encode()
        mask = os.urandom(4)
        connection.sendall(struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text)))
        print((read_frame(stream) or b"<end>").decode(), flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    talk(sys.argv[2], int(sys.argv[3]), sys.argv[4])
