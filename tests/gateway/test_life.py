"""Deaths and reloads: nothing that strangers notice."""
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

from harness import expect
from stand import Backend, Gateway, contract_of, free_port, server, site, until


class FastBackend:
    """HAProxy as a back end: fast enough for wrk."""

    def __init__(self, folder, port):
        self.port = port
        config = folder / "backend.cfg"
        config.write_text(f"global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 60s\nfrontend f\n  bind 127.0.0.1:{port}\n"
                          "  http-request return status 200 content-type text/plain string hello\n")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def worker(gateway):
    return int(re.search(r"^Pid: (\d+)", gateway.runtime("show info"), re.M)[1])


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_fifty_reloads_fail_no_request(host, folder):
    """fifty reloads under load fail no request of wrk, over kept connections and new ones"""
    with FastBackend(folder, free_port()) as backend, Gateway(host, folder) as gateway:
        base = site(names=["www"], servers=[server("web", 0, 80, way=backend.port)])
        gateway.want(base)
        load = subprocess.Popen(["wrk", "-t1", "-c16", "-d60s", "-H", "Host: www.gw.example", f"http://127.0.0.1:{gateway.http_port}/"],
                                stdout=subprocess.PIPE, text=True)
        pids = set()
        for number in range(50):
            gateway.want(base, site(contract="other", names=[f"n{number}"], servers=[server("web", 0, 80, way=backend.port)]))
            pids.add(worker(gateway))
            expect(load.poll() is None, "wrk ended before the reloads did")
        load.send_signal(signal.SIGINT)
        report = load.communicate(timeout=30)[0]
        expect(len(pids) == 50, f"{len(pids)} workers")
        expect("Non-2xx" not in report and "Socket errors" not in report, report)
        expect(int(re.search(r"(\d+) requests in", report)[1]) > 1000, report)


def test_a_killed_haproxy_is_started_again(host, folder):
    """HAProxy killed, master or worker, is started again with all that was wanted"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]))
        for victim in (gateway.master, lambda: worker(gateway)):
            before = gateway.master()
            os.kill(victim(), signal.SIGKILL)
            until(lambda: gateway.master() != before, "another master")

            def serves():
                try:
                    return gateway.request("www.gw.example")[0] == 200
                except OSError:
                    return False

            until(serves, "it serves again")


def test_a_killed_gateway_process_leaves_haproxy_alone(host, folder):
    """the gateway process killed and started again: HAProxy works on, is adopted, and takes changes"""
    with Backend("a") as a, Backend("b") as b, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]))
        master, pid = gateway.master(), worker(gateway)
        gateway.kill()
        expect(gateway.request("www.gw.example")[2] == "a", "it serves without us")
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=b.port)]), wait=False)
        gateway.start()
        until(lambda: gateway.request("www.gw.example")[2] == "b", "it takes changes")
        expect((gateway.master(), worker(gateway)) == (master, pid), "another HAProxy")
        gateway.process.terminate()
        gateway.process.wait(20)
        expect(not is_alive(master), "HAProxy is left behind")


def test_a_file_that_is_no_wish_changes_nothing(host, folder):
    """a wanted file that cannot be read changes nothing and is said"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]))
        (gateway.folder / ".new-wanted").write_bytes(b"\xff\xff")
        (gateway.folder / ".new-wanted").rename(gateway.folder / "wanted")
        until(lambda: 'message: "wanted' in gateway.state(), "the state says so")
        expect(gateway.request("www.gw.example")[2] == "a", "it serves")


def test_a_bad_site_does_not_disturb_a_good_one(host, folder):
    """a site that cannot be served says why in its state; the good one is served"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]),
                     site(contract="evil", names=["x\\n  bind :1"], servers=[server("web", 0, 80, way=a.port)]))
        expect("is no name" in gateway.state() and "serves: true" in gateway.state(), gateway.state())
        expect(gateway.request("www.gw.example")[0] == 200, "served")


def test_every_request_is_a_line_of_the_owners_log(host, folder):
    """every request is one line of JSON in the log of its publication, whatever a stranger puts into it"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]))
        key = contract_of("acme").hex()[:16] + "-site-0"
        until(lambda: gateway.request("www.gw.example", '/a?"b\\c', headers={"User-Agent": 'x"\\\t} {é', "Referer": "r"}) and gateway.log_lines(key),
              "a line")
        before = len(gateway.log_lines(key))
        for number in range(200):
            gateway.request("www.gw.example", f"/n{number}")
        until(lambda: any("/n199" in line for line in gateway.log_lines(key)), "the last line")
        expect(len(gateway.log_lines(key)) >= before + 200, "all lines")
        lines = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F (\{.*\})", line) for line in gateway.log_lines(key)]
        expect(all(lines), "the format of containers' logs")
        first = json.loads(lines[0][1])
        expect(first["method"] == "GET" and first["uri"] == '/a?"b\\c' and first["status"] == 200, first)
        expect(first["host"] == "www.gw.example" and first["client"] == "127.0.0.1" and first["agent"].startswith('x"\\'), first)
        expect(json.loads(lines[-1][1])["uri"] == "/n199", lines[-1][1])
        gateway.kill()
        for number in range(20):  # the first of them may go down with the connection
            gateway.request("www.gw.example", f"/while-away-{number}")
        gateway.start()
        until(lambda: any("/while-away-19" in line for line in gateway.log_lines(key)), "the line from while we were away", 20)


def test_figures_count_on_over_reloads(host, folder):
    """requests and bytes of a site are counted, over reloads"""
    with Backend("a") as a, Gateway(host, folder) as gateway:
        one = site(names=["www"], servers=[server("web", 0, 80, way=a.port)])
        gateway.want(one)
        for _ in range(30):
            gateway.request("www.gw.example")
        until(lambda: "requests: 30" in gateway.state(), "30 requests")
        gateway.want(one, site(contract="other", names=["x"], servers=[server("web", 0, 80, way=a.port)]))
        for _ in range(5):
            gateway.request("www.gw.example")
        until(lambda: "requests: 35" in gateway.state(), "35 requests")


def test_a_way_that_moves_in_flight(host, folder):
    """a request in flight on a replica that leaves is answered; the next goes to another"""
    release = threading.Event()

    def slow(handler):
        if handler.path == "/slow":
            release.wait(10)
        return False

    with Backend("a", answer=slow) as a, Backend("b") as b, Gateway(host, folder) as gateway:
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=a.port)]))
        answers = []
        thread = threading.Thread(target=lambda: answers.append(gateway.request("www.gw.example", "/slow")))
        thread.start()
        until(lambda: a.requests, "it is in flight")
        gateway.want(site(names=["www"], servers=[server("web", 0, 80, way=b.port)]))
        expect(gateway.request("www.gw.example")[2] == "b", "the next")
        release.set()
        thread.join()
        expect(answers[0][0] == 200 and answers[0][2] == "a", answers)
