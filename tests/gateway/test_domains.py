"""Custom domains: whose record says so."""
from harness import expect
from name_server import NameServer
from stand import Backend, Gateway, contract_of, server, site, text, until

DOMAIN = "shop.example.org"
RECORD = "_mcloud." + DOMAIN


def of(contract, backend):
    return site(contract=contract, names=[contract], servers=[server("web", 0, 80, way=backend.port)], more=f"domains: {text(DOMAIN)}")


def says(contract):
    return "mcloud=" + contract_of(contract).hex()


def test_a_domain_is_served_for_the_contract_that_its_record_names(host, folder):
    """a domain is served once its record names the contract; of two that want it the proven one has it, and it moves with the record"""
    with NameServer() as names, Backend("a") as a, Backend("b") as b, Gateway(host, folder, resolver=names.address) as gateway:
        names.records[RECORD] = ["v=spf1 -all", "mcloud=" + "0" * 64]
        gateway.want(of("acme", a), of("other", b))
        until(lambda: names.asked, "it asks")
        expect(gateway.request(DOMAIN)[0] == 421, "served without a proof")
        expect(gateway.request("acme.gw.example")[2] == "a", "its other name is served")
        until(lambda: "waits for TXT _mcloud.shop.example.org" in gateway.state() and f'domains_waiting: "{DOMAIN}"' in gateway.state(), "it waits")
        names.truncates = True  # the answer comes over TCP then
        names.records[RECORD] = [says("other")]
        until(lambda: gateway.request(DOMAIN)[2] == "b", "b has it", 20)
        expect(any(over_tcp for _, _, over_tcp in names.asked), "asked over TCP")
        names.records[RECORD] = [says("acme")]
        until(lambda: gateway.request(DOMAIN)[2] == "a", "a has it", 20)
        del names.records[RECORD]
        until(lambda: "TXT _mcloud.shop.example.org is lost" in gateway.state(), "the warning", 20)
        expect(gateway.request(DOMAIN)[2] == "a", "a lost proof holds for a day")


def test_a_proof_outlives_the_process_and_a_failing_name_server(host, folder):
    """a proof is kept: a gateway that starts while the name server fails serves the domain"""
    with NameServer() as names, Backend("a") as a, Gateway(host, folder, resolver=names.address) as gateway:
        names.records[RECORD] = [says("acme")]
        gateway.want(of("acme", a))
        until(lambda: gateway.request(DOMAIN)[2] == "a", "served")
        gateway.process.terminate()
        gateway.process.wait(20)
        names.failing = True
        gateway.start()

        def serves():
            try:
                return gateway.request(DOMAIN)[2] == "a"
            except OSError:
                return False

        until(serves, "served again")
