"""How back ends are chosen, checked and tried again."""
import collections
import socket
import threading

import h2.config
import h2.connection
import h2.events

from harness import expect
from stand import Backend, Gateway, free_port, route, server, site, until


def two(a, b, more="", **site_more):
    return site(names=["www"], routes=[route("/", more=more)], servers=[server("web", 0, 80, way=a), server("web", 1, 80, way=b)], **site_more)


def test_a_dead_back_end_costs_no_request(host, folder):
    """a back end that refuses connections costs no request, not even a POST: a connection that failed has sent nothing"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(two(a.port, free_port(), "check_ms: 60000"))
        for number in range(20):
            status, _, body = gateway.request("www.gw.example", method="POST" if number % 2 else "GET", body=b"x" if number % 2 else None)
            expect((status, body) == (200, "a"), (status, body))


def test_an_empty_answer_is_tried_again_only_when_that_is_safe(host, folder):
    """an empty answer to GET is tried at the other back end; to POST it is a 502, and the work is done once"""
    def hang_up(handler):
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return True

    with Backend("good") as good, Backend("bad", answer=hang_up) as bad, Gateway(host, folder) as gateway:
        gateway.want(two(good.port, bad.port))
        for _ in range(10):
            status, _, body = gateway.request("www.gw.example")
            expect((status, body) == (200, "good"), (status, body))
        bad.requests.clear()
        good.requests.clear()
        answers = collections.Counter(gateway.request("www.gw.example", method="POST", body=b"pay")[0] for _ in range(10))
        expect(answers == {200: 5, 502: 5}, answers)
        expect((len(good.requests), len(bad.requests)) == (5, 5), "each POST is done once")


def test_a_back_end_whose_check_fails_gets_nothing(host, folder):
    """a back end whose check fails gets no request; it comes back when the check does"""
    with Backend("a") as a, Backend("b") as b, Gateway(host, folder) as gateway:
        gateway.want(two(a.port, b.port, 'check_path: "/check" check_ms: 200'))
        b.healthy = False
        until(lambda: "servers_up: 1" in gateway.state(), "one server is up")
        expect({gateway.request("www.gw.example")[2] for _ in range(10)} == {"a"}, "only a")
        b.healthy = True
        until(lambda: "servers_up: 2" in gateway.state(), "both are up")
        expect({gateway.request("www.gw.example")[2] for _ in range(10)} == {"a", "b"}, "both")
        a.healthy = b.healthy = False
        until(lambda: "servers_up" not in gateway.state(), "none is up")
        status, _, body = gateway.request("www.gw.example")
        expect(status == 503 and "haproxy" not in body.lower(), (status, body))
        until(lambda: "serves: true" not in gateway.state(), "the state says that it does not serve")


def test_a_weight_is_a_share(host, folder):
    """a canary with a tenth of the weight gets a tenth, although the other has two replicas"""
    with Backend("a") as a, Backend("b") as b, Backend("canary") as canary, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], routes=[route("/", [("web", 80, 90), ("canary", 80, 10)])],
                          servers=[server("canary", 0, 80, way=canary.port), server("web", 0, 80, way=a.port), server("web", 1, 80, way=b.port)]))
        counts = collections.Counter(gateway.request("www.gw.example")[2] for _ in range(200))
        expect(17 <= counts["canary"] <= 23 and abs(counts["a"] - counts["b"]) <= 4, counts)


def test_least_connections_and_source(host, folder):
    """least connections avoids the busy back end; by source a client stays"""
    release = threading.Event()

    def slow(handler):
        if handler.path == "/slow":
            release.wait(10)
        return False

    with Backend("a", answer=slow) as a, Backend("b", answer=slow) as b, Gateway(host, folder) as gateway:
        gateway.want(two(a.port, b.port, "balance: BALANCE_LEAST_CONNECTIONS"))
        busy = []
        thread = threading.Thread(target=lambda: busy.append(gateway.request("www.gw.example", "/slow")[2]))
        thread.start()
        until(lambda: a.requests or b.requests, "one is busy")
        others = {gateway.request("www.gw.example")[2] for _ in range(10)}
        release.set()
        thread.join()
        expect(others == {"a", "b"} - set(busy), (others, busy))
        gateway.want(two(a.port, b.port, "balance: BALANCE_SOURCE"))
        expect(len({gateway.request("www.gw.example")[2] for _ in range(10)}) == 1, "one for one source")


def test_a_sticky_client_stays_with_its_replica(host, folder):
    """a client with the cookie stays with its replica, and is led on when that is gone"""
    with Backend("a") as a, Backend("b") as b, Gateway(host, folder) as gateway:
        gateway.want(two(a.port, b.port, "sticky: true"))
        _, headers, first = gateway.request("www.gw.example")
        cookie = headers["set-cookie"]
        expect("HttpOnly" in cookie and "web" not in cookie, cookie)
        cookie = {"Cookie": cookie.split(";")[0]}
        expect({gateway.request("www.gw.example", headers=cookie)[2] for _ in range(10)} == {first}, "it stays")
        other = "b" if first == "a" else "a"
        left = server("web", 1, 80, way=b.port) if first == "a" else server("web", 0, 80, way=a.port)
        gateway.want(site(names=["www"], routes=[route("/", more="sticky: true")], servers=[left]))
        status, headers, body = gateway.request("www.gw.example", headers=cookie)
        expect((status, body) == (200, other) and "set-cookie" in headers, (status, body))


def http2(gateway, method, body=b"", headers=()):
    """The status of a request without TLS by prior knowledge; its body has the length that the headers state, or none stated."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    connection.send_headers(1, [(":method", method), (":path", "/"), (":scheme", "http"), (":authority", "www.gw.example"), *headers], end_stream=not body)
    if body:
        connection.send_data(1, body, end_stream=True)
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=15) as raw:
        raw.sendall(connection.data_to_send())
        while data := raw.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    return int(dict(event.headers)[":status"])
            raw.sendall(connection.data_to_send())
    return 0


def test_limits_of_a_site(host, folder):
    """a body that is too large is a 413, one without length a 411, a stranger outside the list a 403, a slow answer a 504"""
    release = threading.Event()

    def slow(handler):
        if handler.path == "/slow":
            release.wait(10)
        return False

    with Backend("a", answer=slow) as a, Gateway(host, folder) as gateway:
        one = [server("web", 0, 80, way=a.port)]
        gateway.want(site(names=["www"], servers=one, more="body_max_bytes: 1000 response_ms: 300"))
        expect(gateway.request("www.gw.example", method="POST", body=b"x" * 1000)[0] == 200, "at the bound")
        expect(gateway.request("www.gw.example", method="POST", body=b"x" * 1001)[0] == 413, "over it")
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=15) as raw:
            raw.sendall(b"POST / HTTP/1.1\r\nHost: www.gw.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
            expect(raw.recv(4096).startswith(b"HTTP/1.1 411"), "no length")
        reached = len(a.requests)
        for method in ("POST", "GET"):  # HTTP/2 has bodies without a length
            for size in (5, 5000):
                status = http2(gateway, method, b"x" * size)
                expect(status == 411 or size > 1000 and status == 413, f"{method} of {size} bytes without a length: {status}")
        expect(len(a.requests) == reached, a.requests[reached:])
        for method in ("GET", "DELETE", "POST"):
            expect(http2(gateway, method) == 200, f"{method} without a body")
        for size, status in ((1000, 200), (1001, 413)):
            expect(http2(gateway, "POST", b"x" * size, [("content-length", str(size))]) == status, "the bound over HTTP/2")
        status, _, body = gateway.request("www.gw.example", "/slow")
        release.set()
        expect(status == 504, (status, body))
        gateway.want(site(names=["www"], servers=one, more='allow: "10.0.0.0/8" allow: "fd00::/8"'))
        expect(gateway.request("www.gw.example")[0] == 403, "not on the list")
        gateway.want(site(names=["www"], servers=one, more='allow: "127.0.0.0/8"'))
        expect(gateway.request("www.gw.example")[0] == 200, "on the list")


def test_smuggled_requests_are_refused(host, folder):
    """a request with two lengths or a broken header is refused and reaches nobody; of a length and chunks a back end sees the chunks alone"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]))
        for lines in (["Content-Length: 5", "Content-Length: 6"], ["Content-Length: +5"], ["Transfer-Encoding : chunked"],
                      ["Bad Header: x"], ["Host: other"]):
            with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
                head = "\r\n".join(["POST /smuggle HTTP/1.1", "Host: www.gw.example"] + lines)
                connection.sendall(head.encode() + b"\r\n\r\nhello")
                answer = connection.recv(4096)
                expect(answer.startswith(b"HTTP/1.1 400"), (lines, answer[:60]))
        expect(not a.requests, a.requests)
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
            connection.sendall(b"POST /both HTTP/1.1\r\nHost: www.gw.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            expect(connection.recv(4096).startswith(b"HTTP/1.1 200"), "the chunks count")
        seen = next(headers for _, path, headers, _ in a.requests if path == "/both")
        expect("content-length" not in seen and seen["transfer-encoding"] == "chunked", seen)


def test_a_raw_port(host, folder):
    """a raw TCP port leads bytes both ways; a stranger outside the list is hung up on"""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(connection):
        with connection:
            while piece := connection.recv(65536):
                connection.sendall(piece)

    def accept():
        while True:
            try:
                threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    port = free_port()
    with Gateway(host, folder) as gateway:
        servers = [server("web", 0, 80, way=listener.getsockname()[1])]
        gateway.want(site(mode="SITE_TCP", routes=[route("")], servers=servers, more=f"port: {port}"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"hello")
            expect(connection.recv(100) == b"hello", "echo")
        gateway.want(site(mode="SITE_TCP", routes=[route("")], servers=servers, more=f'port: {port} allow: "10.0.0.0/8"'))
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                expect(connection.recv(100) == b"", "hung up on")
        except ConnectionResetError:
            pass
    listener.close()
