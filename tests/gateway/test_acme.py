"""Certificates by ACME, from Debian's pebble: an authority that looks whether the challenge is answered."""
import base64
import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time

from harness import Skip, expect
from name_server import NameServer
from stand import Backend, Gateway, contract_of, free_port, server, site, text, until
from test_tls import certificate, shown


def web_key():
    return subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], capture_output=True, text=True, check=True).stdout


def thumbprint(key):
    der = subprocess.run(["openssl", "ec", "-pubout", "-outform", "DER"], input=key.encode(), capture_output=True, check=True).stdout
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()  # noqa: E731
    jwk = {"crv": "P-256", "kty": "EC", "x": encode(der[-64:-32]), "y": encode(der[-32:])}
    return encode(hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest())


class Authority:
    """pebble, which resolves every name at our name server and knocks at the gateway's HTTP port."""

    def __init__(self, folder, names, http_port, validity_s=0):
        self.folder, self.port, self.names = folder / "pebble", free_port(), names
        self.folder.mkdir()
        self.chain, _ = certificate(self.folder, "authority", ["localhost"])
        config = {"pebble": {"listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{free_port()}",
                             "certificate": str(self.folder / "authority.pem"), "privateKey": str(self.folder / "authority.key"),
                             "httpPort": http_port, "tlsPort": free_port(), "ocspResponderURL": "", "externalAccountBindingRequired": False}}
        if validity_s:
            config["pebble"]["certificateValidityPeriod"] = validity_s
        (self.folder / "config.json").write_text(json.dumps(config))
        self.url = f"https://localhost:{self.port}/dir"
        self.process = None

    def start(self):
        environment = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_VA_ALWAYS_VALID="0", PEBBLE_WFE_NONCEREJECT="5")
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(["pebble", "-config", self.folder / "config.json", "-dnsserver", self.names.address], env=environment, stdout=log, stderr=log)
        log.close()

        def answers():
            try:
                connection = http.client.HTTPSConnection("localhost", self.port, context=ssl._create_unverified_context(), timeout=2)
                connection.request("GET", "/dir")
                return connection.getresponse().status == 200
            except OSError:
                return False

        until(answers, "pebble answers")
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def believing(host, folder, authority):
    """The gateway program in a mount namespace whose authorities of the machine are the test's."""
    for program in ("pebble", "uacme", "unshare"):
        if not shutil.which(program):
            raise Skip(f"no {program}")
    script = folder / "host"
    script.write_text("#!/bin/sh\nexec unshare --mount --propagation private sh -c "
                      f"'mount --bind {authority.folder}/authority.pem /etc/ssl/certs/ca-certificates.crt && exec \"$@\"' - {host} \"$@\"\n")
    script.chmod(0o755)
    return str(script)


def acme_site(authority, backend, names=("www",), contract="acme", account=None, domains=()):
    account = account or web_key()
    print_ = thumbprint(account)
    more = " ".join(f"domains: {text(domain)}" for domain in domains)
    return site(contract=contract, names=names, servers=[server("web", 0, 80, way=backend.port)],
                more=f"tls {{ acme {{ directory: {text(authority.url)} account_thumbprint: {text(print_)} }} redirect: true }} {more}",
                local=f"acme_account_key: {text(account)} tls_private_key: {text(web_key())}")


def issued(gateway, name):
    out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.https_port}", "-servername", name], input="", capture_output=True, text=True, timeout=10).stdout
    return "Pebble" in out


def test_a_certificate_is_ordered_and_shown(host, folder):
    """a site shows a placeholder, then a certificate by ACME, although the authority is down at first; no reload"""
    with NameServer() as names, Backend("a") as a:
        http_port = free_port()
        authority = Authority(folder, names, http_port)
        names.records.update({"www.gw.example": "127.0.0.1", "also.gw.example": "127.0.0.1"})
        with Gateway(believing(host, folder, authority), folder, resolver=names.address) as gateway:
            gateway.http_port = http_port
            wanted = acme_site(authority, a, names=("also", "www"))
            gateway.want(wanted)
            pid = gateway.runtime("show info").split("Pid: ")[1].split()[0]
            until(lambda: "certificate: " in gateway.state(), "it says that the authority is down", 40)
            expect(gateway.request("www.gw.example", tls=True)[0] == 200 and not issued(gateway, "www.gw.example"), "the placeholder is there")
            authority.start()
            until(lambda: issued(gateway, "www.gw.example"), "the certificate comes", 60)
            expect(sorted(shown(gateway, "also.gw.example")) == ["also.gw.example", "www.gw.example"], "both names")
            until(lambda: "certificate_expires_ms" in gateway.state() and "message" not in gateway.state(), gateway.state())
            expect(gateway.runtime("show info").split("Pid: ")[1].split()[0] == pid, "the worker is another")
            expect(not [p for p in gateway.data.rglob("*") if p.is_file() and "PRIVATE" in p.read_text()], "a key in DATA")
            orders = (authority.folder / "log").read_text().count("issued certificate")
            gateway.kill_haproxy()
            gateway.kill()
            gateway.start()

            def again():
                try:
                    return issued(gateway, "www.gw.example")
                except (OSError, subprocess.SubprocessError):
                    return False

            until(again, "shown after a restart")
            expect((authority.folder / "log").read_text().count("issued certificate") == orders, "ordered twice")
        authority.stop()


def test_an_order_that_is_refused(host, folder):
    """a name that does not lead here gets no certificate: one clear message, the placeholder stays, another domain is not held up"""
    with NameServer() as names, Backend("a") as a:
        http_port = free_port()
        authority = Authority(folder, names, http_port).start()
        names.records.update({"www.gw.example": "127.0.0.1", "elsewhere.example.org": "127.0.0.2",
                              "_mcloud.elsewhere.example.org": ["mcloud=" + contract_of("acme").hex()]})
        with Gateway(believing(host, folder, authority), folder, resolver=names.address) as gateway:
            gateway.http_port = http_port
            gateway.want(acme_site(authority, a, domains=["elsewhere.example.org"]))
            until(lambda: issued(gateway, "www.gw.example"), "the good name has its certificate", 40)
            until(lambda: 'message: "certificate: ' in gateway.state(), gateway.state(), 40)
            expect(shown(gateway, "elsewhere.example.org") == ["elsewhere.example.org"] and not issued(gateway, "elsewhere.example.org"), "a placeholder")
        authority.stop()


def test_a_certificate_is_renewed(host, folder):
    """a certificate is renewed at two thirds of its life, without a reload"""
    with NameServer() as names, Backend("a") as a:
        http_port = free_port()
        authority = Authority(folder, names, http_port, validity_s=15).start()
        names.records["www.gw.example"] = "127.0.0.1"
        with Gateway(believing(host, folder, authority), folder, resolver=names.address) as gateway:
            gateway.http_port = http_port
            gateway.want(acme_site(authority, a))
            until(lambda: issued(gateway, "www.gw.example"), "the first", 40)

            def serial():
                out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.https_port}", "-servername", "www.gw.example"],
                                     input="", capture_output=True, text=True, timeout=10).stdout
                return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=out, capture_output=True, text=True).stdout

            before, began = serial(), time.monotonic()
            until(lambda: serial() != before, "the second", 30)
            expect(time.monotonic() - began > 3, "renewed too early")
        authority.stop()


def test_challenges_are_answered_without_state(host, folder):
    """any token of the site's account is answered with the thumbprint, nothing else is, also where HTTP is redirected"""
    with NameServer() as names, Backend("a") as a, Gateway(host, folder) as gateway:
        account = web_key()
        authority = Authority(folder, names, gateway.http_port)
        gateway.want(acme_site(authority, a, account=account), site(contract="plain", names=["plain"], servers=[server("web", 0, 80, way=a.port)]))
        base = "/.well-known/acme-challenge/"
        status, _, body = gateway.request("www.gw.example", base + "tok_EN-1")
        expect((status, body) == (200, "tok_EN-1." + thumbprint(account)), (status, body))
        for path in (base + "a.b", base + "%41", base + "a/b", base, base + "x" * 200, base + "<script>"):
            expect(gateway.request("www.gw.example", path)[0] in (308, 400), path)
        expect(gateway.request("plain.gw.example", base + "token")[2] == "a", "it goes to the site that has no account")
        expect(gateway.request("stranger.example", base + "token")[0] == 421, "a stranger's name")
