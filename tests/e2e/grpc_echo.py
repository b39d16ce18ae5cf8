#!/usr/bin/python3
"""Just enough of gRPC (HTTP/2, python3-h2) to echo: `serve PORT NAME`, and `talk ADDRESS PORT HOST [hold]`, which opens a call over
TLS, sees its first message answered while the call is open, and prints the server's name; then, without `hold`, ends it."""
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions


def serve_one(raw, name):
    try:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        raw.sendall(connection.data_to_send())
        while data := raw.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc"), ("replica", name)])
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    connection.send_data(event.stream_id, event.data)
                elif isinstance(event, h2.events.StreamEnded):
                    connection.send_headers(event.stream_id, [("grpc-status", "0"), ("grpc-message", "done")], end_stream=True)
            raw.sendall(connection.data_to_send())
    except (OSError, h2.exceptions.ProtocolError):
        pass


def serve(listener, name="server"):
    """Until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_one, args=(connection, name), daemon=True).start()


def plain(headers):
    return {k.decode() if isinstance(k, bytes) else k: v.decode() if isinstance(v, bytes) else v for k, v in headers}


class Call:
    """One call: `first` goes out and must come back before the end is sent."""

    def __init__(self, address, port, host, first=b"first"):
        context = ssl._create_unverified_context()
        context.set_alpn_protocols(["h2"])
        self.stream = context.wrap_socket(socket.create_connection((address, port), timeout=10), server_hostname=host)
        self.client, self.got, self.headers, self.trailers = h2.connection.H2Connection(), b"", {}, None
        self.client.initiate_connection()
        self.client.send_headers(1, [(":method", "POST"), (":path", "/service/Method"), (":scheme", "https"), (":authority", host),
                                     ("te", "trailers"), ("content-type", "application/grpc")])
        self.client.send_data(1, first)
        self.until(lambda: self.got == first or self.trailers is not None)
        if self.trailers is not None:
            raise OSError(f"ended early: {self.headers} {self.trailers}")

    def until(self, condition):
        self.stream.sendall(self.client.data_to_send())
        while not condition():
            data = self.stream.recv(65536)
            if not data:
                raise OSError(f"hung up after {self.got}")
            for event in self.client.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    self.headers = plain(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    self.got += event.data
                elif isinstance(event, h2.events.TrailersReceived):
                    self.trailers = plain(event.headers)
                elif isinstance(event, (h2.events.StreamReset, h2.events.StreamEnded)) and self.trailers is None:
                    raise OSError(f"ended without trailers: {self.headers} {self.got}")
            self.stream.sendall(self.client.data_to_send())

    def end(self, last=b" second"):
        self.client.send_data(1, last, end_stream=True)
        self.until(lambda: self.trailers is not None)
        self.stream.close()


def main():
    if sys.argv[1] == "serve":
        return serve(socket.create_server(("", int(sys.argv[2]))), sys.argv[3])
    call = Call(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    print(call.headers["replica"], flush=True)
    if sys.argv[5:] == ["hold"]:
        sys.stdin.readline()
    call.end()
    print(call.got.decode(), call.trailers["grpc-status"], flush=True)


if __name__ == "__main__":
    main()
