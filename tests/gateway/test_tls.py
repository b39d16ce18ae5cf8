"""TLS: ended here, supplied, passed through; HTTP/2, gRPC, WebSocket."""
import base64
import hashlib
import os
import re
import socket
import ssl
import struct
import subprocess
import threading

import grpc_echo
from harness import expect
from stand import Backend, Gateway, free_port, route, server, site, text, until


def certificate(folder, name, names, days=30):
    """(chain, key) in PEM, signed by itself."""
    key, chain = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", chain,
                    "-days", str(days), "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)],
                   check=True, capture_output=True)
    return chain.read_text(), key.read_text()


def supplied(folder, name, names, more=""):
    chain, key = certificate(folder, name, names)
    return {"more": f"tls {{ supplied {{ chain: {text(chain)} }} {more} }}", "local": f"tls_private_key: {text(key)}"}


def shown(gateway, name, port=None):
    """The certificate that the gateway shows for a name: its subjectAltName, as DER for comparing."""
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port or gateway.https_port), timeout=10) as raw:
        with context.wrap_socket(raw, server_hostname=name) as connection:
            pem = ssl.DER_cert_to_PEM_cert(connection.getpeercert(True))
    return re.findall(r"DNS:([^,\s]+)", subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=pem, text=True,
                                                       capture_output=True, check=True).stdout)


def test_a_supplied_certificate_is_shown(host, folder):
    """a supplied certificate is shown for its name, replaced without a reload, and a bad one is one clear message"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        one = [server("web", 0, 80, way=a.port)]
        gateway.want(site(names=["www"], servers=one, **supplied(folder, "one", ["www.gw.example"])))
        expect(shown(gateway, "www.gw.example") == ["www.gw.example"], "its name")
        expect(shown(gateway, "stranger.example") == ["gw.example"], "the placeholder for others")
        expect(gateway.request("www.gw.example", tls=True)[::2] == (200, "a"), "served")
        expect(a.requests[-1][2]["x-forwarded-proto"] == "https", a.requests[-1])
        expect("certificate_expires_ms" in gateway.state(), gateway.state())
        pid = gateway.runtime("show info").split("Pid: ")[1].split()[0]
        gateway.want(site(names=["www"], servers=one, **supplied(folder, "two", ["www.gw.example", "also.gw.example"])))
        until(lambda: shown(gateway, "www.gw.example") == ["www.gw.example", "also.gw.example"], "the new one")
        expect(gateway.runtime("show info").split("Pid: ")[1].split()[0] == pid, "the worker is another")
        bad = supplied(folder, "three", ["www.gw.example"])
        bad["local"] = supplied(folder, "four", ["www.gw.example"])["local"]
        gateway.want(site(names=["www"], servers=one, **bad))
        until(lambda: "certificate: the private key is not the certificate" in gateway.state(), gateway.state())
        gateway.want(site(names=["www"], servers=one, **supplied(folder, "five", ["other.example"])))
        until(lambda: "certificate: it is not for www.gw.example" in gateway.state(), gateway.state())
        gateway.want(site(names=["www"], servers=one, more='tls { supplied { chain: "-----BEGIN nonsense" } }'))
        until(lambda: "certificate: there is no PEM certificate" in gateway.state(), gateway.state())
        expect(not list(gateway.data.rglob("*key*")), "no key on the disk")


def test_redirect_and_hsts(host, folder):
    """http:// answers 308 with method and path kept; https:// says HSTS; a site without TLS is not on the TLS port"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        one = [server("web", 0, 80, way=a.port)]
        gateway.want(site(names=["www"], servers=one, **supplied(folder, "one", ["www.gw.example"], "redirect: true hsts_s: 1000")),
                     site(contract="plain", names=["plain"], servers=one))
        status, headers, _ = gateway.request("www.gw.example", "/a/b?c=d", method="POST", body=b"x")
        expect((status, headers["location"]) == (308, f"https://www.gw.example:{gateway.https_port}/a/b?c=d"), (status, headers))
        status, headers, _ = gateway.request("www.gw.example", tls=True)
        expect((status, headers["strict-transport-security"]) == (200, "max-age=1000"), headers)
        expect("strict-transport-security" not in gateway.request("plain.gw.example")[1], "no HSTS")
        expect(gateway.request("plain.gw.example", tls=True)[0] == 421, "not by TLS")


def test_http2_of_browsers(host, folder):
    """browsers get HTTP/2 by ALPN and without TLS by prior knowledge; back ends see HTTP/1.1"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)], **supplied(folder, "one", ["www.gw.example"])))
        for url in (f"https://www.gw.example:{gateway.https_port}/x", f"http://www.gw.example:{gateway.http_port}/x"):
            out = subprocess.run(["curl", "-sk", "--http2" if url.startswith("https") else "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}",
                                  "--connect-to", "::127.0.0.1:", url], capture_output=True, text=True, timeout=20).stdout
            expect(out == "a 2 200", (url, out))
        load = subprocess.run(["h2load", "-n2000", "-c4", "-m10", "-H", ":authority: www.gw.example", f"https://127.0.0.1:{gateway.https_port}/"],
                              capture_output=True, text=True, timeout=60).stdout
        expect("2000 succeeded, 0 failed" in load, load)


def test_grpc(host, folder):
    """gRPC: HTTP/2 all the way, messages both ways before the end, trailers at the end; a body bound does not stop its streams"""
    with socket.create_server(("127.0.0.1", 0)) as listener, Gateway(host, folder) as gateway:
        threading.Thread(target=grpc_echo.serve, args=(listener,), daemon=True).start()
        wanted = supplied(folder, "one", ["www.gw.example"])
        wanted["more"] += " body_max_bytes: 100"
        gateway.want(site(names=["www"], routes=[route("/", more="h2: true")], servers=[server("web", 0, 80, way=listener.getsockname()[1])], **wanted))
        call = grpc_echo.Call("127.0.0.1", gateway.https_port, "www.gw.example")
        call.end()
        expect(call.got == b"first second", call.got)
        expect(call.trailers == {"grpc-status": "0", "grpc-message": "done"}, call.trailers)


def web_socket(handler):
    """Answers the handshake (RFC 6455), then echoes frames' bytes as they come."""
    key = handler.headers.get("Sec-WebSocket-Key")
    if not key:
        return False
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    handler.wfile.write((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").encode())
    while data := handler.connection.recv(65536):
        handler.connection.sendall(data)
    handler.close_connection = True
    return True


def test_web_sockets_outlive_reloads(host, folder):
    """a WebSocket is led through, outlives reloads and more silence than the answer's bound"""
    with Backend("a", answer=web_socket) as a, Gateway(host, folder) as gateway:
        one = site(names=["www"], servers=[server("web", 0, 80, way=a.port)], more="response_ms: 500 idle_ms: 20000")
        gateway.want(one)
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
            connection.sendall(b"GET /chat HTTP/1.1\r\nHost: www.gw.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
            head = connection.recv(4096)
            expect(b" 101 " in head.split(b"\r\n")[0], head)
            for number in range(4):
                frame = b"\x82" + struct.pack("B", 5) + f"f{number:04}".encode()
                connection.sendall(frame)
                expect(connection.recv(100) == frame, "echo")
                gateway.want(one, site(contract="other", names=[f"n{number}"], servers=[server("web", 0, 80, way=a.port)]))


def tls_backend(folder, name):
    """TLS of its own: what passes through must end here."""
    chain, key = certificate(folder, name, [f"{name}.gw.example"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(raw):
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nmy")
        except OSError:
            pass

    def accept():
        while True:
            try:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def test_pass_through_beside_ended_tls(host, folder):
    """pass-through by name shares the port with TLS that ends here; it comes and goes without breaking the other"""
    port = tls_backend(folder, "own")
    with Backend("a") as a, Gateway(host, folder) as gateway:
        ended = site(names=["www"], servers=[server("web", 0, 80, way=a.port)], **supplied(folder, "one", ["www.gw.example"]))
        passed = site(contract="own", names=["own"], mode="SITE_TLS", routes=[route("")], servers=[server("web", 0, 80, way=port)])
        for wanted in ([ended], [ended, passed], [ended]):
            gateway.want(*wanted)
            expect(gateway.request("www.gw.example", tls=True)[::2] == (200, "a"), "ended here")
            expect(a.requests[-1][2]["x-forwarded-for"] == "127.0.0.1", a.requests[-1])
            expect(shown(gateway, "own.gw.example") == (["own.gw.example"] if len(wanted) == 2 else ["gw.example"]), "whose certificate")
            if len(wanted) == 2:
                expect(gateway.request("own.gw.example", tls=True)[2] == "my", "passed through")
                expect(gateway.request("own.gw.example")[0] == 421, "there is no plain HTTP for it")
