"""Sites over HTTP/1.1: names, paths, back ends."""
import http.client
import pathlib
import socket

from harness import Skip, expect
from stand import Backend, Gateway, route, server, site, until


def one(backend, **more):
    return site(names=["www"], servers=[server("web", 0, 80, way=backend.port)], **more)


def test_a_site_is_served_by_its_name_and_nothing_else_is(host, folder):
    """a site is served by its name; another name gets a page that says what this is"""
    with Backend("a") as backend, Gateway(host, folder) as gateway:
        gateway.want(one(backend))
        status, _, body = gateway.request("www.gw.example")
        expect((status, body) == (200, "a"), (status, body))
        for same in ("WWW.gw.Example", "www.gw.example:8080", "www.gw.example."):
            expect(gateway.request(same)[0] == 200, same)
        for other in ("gw.example", "x.gw.example", "127.0.0.1", "www.gw.example.evil.org", ""):
            status, _, body = gateway.request(other)
            expect(status == 421 and "MagicCloud gateway" in body, (other, status, body))


def test_what_strangers_say_about_themselves_is_replaced(host, folder):
    """X-Forwarded-For, -Proto and -Host are ours, whatever a stranger sends"""
    with Backend("a") as backend, Gateway(host, folder) as gateway:
        gateway.want(one(backend))
        gateway.request("www.gw.example", headers={"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https", "Forwarded": "for=9.9.9.9",
                                                   "X-Real-IP": "9.9.9.9", "X-Forwarded-Host": "evil", "X-Forwarded-Port": "1",
                                                   "X-Forwarded-Client-Cert": "Subject=admin", "X_Forwarded_For": "9.9.9.9", "X-Good": "1"})
        seen = backend.requests[-1][2]
        expect(seen["x-forwarded-for"] == "127.0.0.1" and seen["x-forwarded-proto"] == "http", seen)
        expect(seen["x-forwarded-host"] == "www.gw.example", seen)
        expect(not {"forwarded", "x-real-ip", "x-forwarded-port", "x-forwarded-client-cert", "x_forwarded_for"} & set(seen), seen)
        expect(seen["x-good"] == "1", seen)


def test_paths_lead_by_whole_segments_the_longest_first(host, folder):
    """/api leads /api and /api/x, not /apix; /api/v2 goes before it; strip takes the prefix off"""
    with Backend("root") as root, Backend("api") as api, Backend("v2") as v2, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"],
                          routes=[route("/api/v2", [("v2", 80, 1)], "strip: true"), route("/api", [("api", 80, 1)]), route("/")],
                          servers=[server("api", 0, 80, way=api.port), server("v2", 0, 80, way=v2.port), server("web", 0, 80, way=root.port)]))
        for path, whose in (("/", "root"), ("/apix", "root"), ("/api", "api"), ("/api/", "api"), ("/api/x?y=1", "api"), ("/api/v2", "v2"),
                            ("/api/v2/z?q=/", "v2"), ("/api/v20", "api"), ("/%61pi", "root")):
            body = gateway.request("www.gw.example", path)[2]
            expect(body == whose, (path, body))
        expect([path for _, path, _, _ in v2.requests] == ["/", "/z?q=/"], v2.requests)
        expect([path for _, path, _, _ in api.requests][-2:] == ["/api/x?y=1", "/api/v20"], api.requests)


def test_replicas_come_and_go_without_a_reload(host, folder):
    """replicas that come, drain and go are no reload; a draining one gets nothing new"""
    with Backend("a") as a, Backend("b") as b, Gateway(host, folder) as gateway:
        gateway.want(one(a))
        worker = gateway.runtime("show info").split("Pid: ")[1].split()[0]
        both = [server("web", 0, 80, way=a.port), server("web", 1, 80, way=b.port)]
        gateway.want(site(names=["www"], servers=both))
        expect({gateway.request("www.gw.example")[2] for _ in range(10)} == {"a", "b"}, "both serve")
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port, serves=False), both[1]]))
        expect({gateway.request("www.gw.example")[2] for _ in range(10)} == {"b"}, "only b")
        gateway.want(site(names=["www"], servers=[both[1]]))
        until(lambda: "web-0-" not in gateway.runtime("show servers state"), "a is deleted")
        expect({gateway.request("www.gw.example")[2] for _ in range(10)} == {"b"}, "only b")
        expect(gateway.runtime("show info").split("Pid: ")[1].split()[0] == worker, "the worker is another")


def test_strangers_come_over_ipv6(host, folder):
    """a stranger comes over IPv6 as well, and a list of addresses holds for both families"""
    if not socket.has_ipv6 or not pathlib.Path("/proc/net/if_inet6").read_text():
        raise Skip("no IPv6 here")
    with Backend("a") as backend, Gateway(host, folder) as gateway:
        def status():
            connection = http.client.HTTPConnection("::1", gateway.http_port, timeout=10)
            connection.request("GET", "/", headers={"Host": "www.gw.example"})
            return connection.getresponse().status

        gateway.want(one(backend))
        expect(status() == 200 and backend.requests[-1][2]["x-forwarded-for"] == "::1", backend.requests[-1:])
        gateway.want(one(backend, more='allow: "127.0.0.0/8"'))
        expect(status() == 403 and gateway.request("www.gw.example")[0] == 200, "only IPv4")
        gateway.want(one(backend, more='allow: "::1"'))
        expect(status() == 200 and gateway.request("www.gw.example")[0] == 403, "only IPv6")
