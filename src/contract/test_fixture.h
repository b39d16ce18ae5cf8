// Tests only: a resolver that knows everybody, files of testdata/, and contracts compiled from text.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "contract/compile.h"
#include "contract/parse.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "crypto/test_certificate.h"
#include "testing/source_tree.h"

namespace mcloud::contract::fixture {

// The same word gives the same key.
inline crypto::SigningKey key_named(std::string_view name) {
  return crypto::SigningKey::from_seed(crypto::blake2b(name).view()).value();
}

class KnowsAll : public Resolver {
 public:
  Result<PublicKey> key_of(std::string_view who) override {
    if (who == "nobody") return make_error(Code::NotFound, "nobody is called \"nobody\" on this ledger");
    if (who.size() == 64) return PublicKey::from_hex(who);
    return key_named(who).public_key();
  }
  Result<NodeId> node_key(std::string_view name) override {
    if (name == "node-99") return make_error(Code::NotFound, "there is no node \"node-99\"");
    return key_named(name).public_key();
  }
  Result<Image> image(std::string_view source, std::string_view digest) override {
    if (source == "oci:./missing") return make_error(Code::NotFound, "there is no OCI layout in ./missing");
    std::string absolute(source);
    if (size_t dot = absolute.find(":./"); dot != std::string::npos) absolute.replace(dot, 3, ":/recipes/");
    std::string held = "sha256:" + to_hex(crypto::sha256(source));
    if (!digest.empty() && digest != held) return make_error(Code::Invalid, "holds " + held + ", not " + std::string(digest));
    return Image{absolute, held, signers};
  }
  Result<Bytes> secret_value(const SecretReference& reference) override {
    if (reference.text == "UNSET") return make_error(Code::NotFound, "the environment has no UNSET");
    if (reference.text == "chain") return Bytes(crypto::kTestCertificate);
    if (reference.text == "key") return Bytes(crypto::kTestWebKey);
    auto found = secrets.find(reference.text);
    return found != secrets.end() ? found->second : "secret of " + reference.text;
  }

  std::map<std::string, Bytes> secrets;
  std::optional<std::vector<PublicKey>> signers;  // of all images
};

inline CompileContext context(std::string_view owner = "owner") {
  CompileContext out;
  out.chain_id = "test-chain";
  out.owner = key_named(owner).public_key();
  out.nonce = "0123456789abcdef";
  out.now_ms = 1'700'000'000'000;
  return out;
}

// Throws what is wrong, so that doctest shows it.
inline Contract parsed(std::string_view yaml) {
  ParseOutcome outcome = parse_contract(yaml, "test.yaml");
  if (!outcome.contract) throw std::runtime_error(format_diagnostics(outcome.diagnostics));
  return std::move(*outcome.contract);
}
inline Compiled compiled(std::string_view yaml, const CompileContext& with = context()) {
  KnowsAll resolver;
  CompileOutcome outcome = compile(parsed(yaml), with, resolver);
  if (!outcome.compiled) throw std::runtime_error(format_diagnostics(outcome.diagnostics));
  return std::move(*outcome.compiled);
}

inline std::filesystem::path testdata() { return std::filesystem::path(testing::source_tree()) / "src/contract/testdata"; }

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The golden text at `path`. With MCLOUD_UPDATE_GOLDEN=1 it is written first: read the difference before
// you keep it.
inline std::string golden(const std::filesystem::path& path, const std::string& now) {
  if (const char* update = std::getenv("MCLOUD_UPDATE_GOLDEN"); update != nullptr && update[0] == '1') {
    std::ofstream(path, std::ios::binary) << now;
  }
  return read_text(path);
}

// Uses every part of the language.
inline constexpr std::string_view kEverything = R"(
name: everything
expires: 12h
approvals:
  threshold: 3
  acceptance: 2
  signers:
    - {who: ida, role: it}
    - {who: lena, role: legal, required: true, weight: 2}
    - {who: owner, role: business}
    - karl
placement: {farms: [home, attic], countries: [NL, BE], labels: {disk: ssd}}
workloads:
  data: {kind: volume, size: 1GiB}
  logs: {kind: volume, size: 64MiB}
  backend: {kind: network, range: 10.7.0.0/16}
  front: {kind: network, range: 192.168.7.0/24}
  db:
    kind: container
    image: docker-archive:./db.tar:db:1
    networks: [backend]
    mounts:
      /data: data
      /logs: {volume: logs}
      /tmp: {tmpfs: 16MiB}
    secret_files:
      /run/secrets/token: {secret: "file:token.txt", mode: 0440}
    ports: {sql: 5432}
    health: {exec: [pg_isready, -h, localhost], interval: 1s, timeout: 500ms, retries: 5, start_period: 1m}
    user: postgres:postgres
    working_folder: /data
    read_only: true
    stop_grace: 30s
    on_node_loss: start-empty
    on_isolation: stop
    on_mass_loss: move
    restart: {when: on-failure, backoff: 1s, backoff_max: 1m, tries: 3}
  web:
    kind: container
    image: oci:./web
    replicas: 4
    resources: {cpu: "0.5", memory: 64MiB, disk: 256MiB, pids: 64, files: 1024}
    entrypoint: [/bin/web]
    command: [--verbose, "two words"]
    environment: {GREETING: hello, EMPTY: "", TOKEN: {secret: "env:TOKEN"}, PIN: {secret: "value:1234"}}
    networks: [front, backend]
    ports: {http: 80, dns: 53/udp, metrics: 9100}
    health: {http: {port: http, path: /healthy}}
    restart: never
    placement: {farms: [home], spread: require, together: [cache], apart: [db], pin: home/node-1}
    update: {max_unavailable: 2, healthy_after: 3s}
  app:
    kind: container
    image: {source: "fl:./app.fl", digest: "sha256:040099610191065228a94678a8119656a7e14291877032d282cf43f3b5e97677", signed_by: [lena, ida]}
    programs: image-only
    networks: [backend]
  cache:
    kind: container
    image: docker://docker.io/library/redis:7
    networks: [backend]
    ports: {redis: 6379}
    health: {tcp: {port: 6379}}
  ids:
    kind: kv
    size: 64MiB
    mode: sequence
    durability: interval
    interval: 2s
    history: {newer: 30d}
    dialect: 0-db
    networks: [backend]
    on_node_loss: wait
  keys: {kind: publish, port: 6379, to: store}
  names: {kind: publish, port: 53, to: "web:dns"}
  site: {kind: publish, port: 8080, to: "web:http"}
  site-too: {kind: publish, port: 8081, to: "web:80"}
  store:
    kind: kv
    size: 1GiB
    disk: 8GiB
    mode: user
    durability: always
    history: {last: 5}
    followers: 2
    min_replicas: 1
    password: {secret: "env:PASSWORD"}
    public: true
    dialect: redis
    port: 6380
    networks: [backend, front]
    resources: {cpu: "0.5", memory: 512MiB}
    placement: {farms: [home], apart: [db]}
    on_node_loss: move
    on_isolation: run
    update: {healthy_after: 2s}
)";

// Every field of networks that people join and of publications at gateways.
inline constexpr std::string_view kReach = R"(
name: reach
placement: {farms: [home], labels: {disk: ssd}}
workloads:
  back:
    kind: network
    range: 10.7.0.0/16
    dedicated: true
    allow: ["web -> store", "devices -> web:http", "device:laptop -> any", {from: web, to: api, port: 8000-8010, protocol: udp}]
    members: [lena, ida]
    access: {port: 21000, replicas: 2, placement: {farms: [attic], countries: [BE], labels: {zone: a}}}
  front: {kind: network, range: 10.8.0.0/16, access: true}
  lan: {kind: network, range: 10.9.0.0/16, encryption: none, bridge: office, allow: []}
  web:
    kind: container
    image: oci:./web
    networks: [back, front]
    ports: {http: 80, tls: 443}
    health: {http: {port: http, path: /healthy}}
  api: {kind: container, image: "oci:./api", networks: [back, lan], ports: {http: 8080, grpc: 9090, dns: 53/udp}}
  store: {kind: kv, size: 64MiB, followers: 1, networks: [back]}
  shop:
    kind: publish
    names: [shop, boutique]
    domains: [shop.example.org, xn--bcher-kva.example]
    tls: {acme: {directory: "https://localhost:14000/dir", email: it@example.org}}
    redirect: false
    hsts: 180d
    routes:
      /: web:http
      /api: {to: [{to: "api:http", weight: 3}, "web:http"], balance: least-connections, sticky: true, check: {path: "/ok?x=1", interval: 5s}, strip: true}
      /grpc: {to: "api:grpc", h2: true, balance: source}
    exposure: tunnel
    timeouts: {connect: 1s, idle: 10m, request: 5s, response: 2m}
    body_max: 10MiB
    allow: [192.0.2.7, "2001:DB8:0::/32", 10.0.0.0/8]
    retries: 1
    gateways: 3
    networks: [back]
    placement: {countries: [NL], labels: {size: large}}
  plain: {kind: publish, name: plain, to: "web:http"}
  own: {kind: publish, name: own, to: "web:http", tls: {chain: "value:chain", key: {secret: "value:key"}}}
  sni: {kind: publish, domains: [sni.example.org], to: "web:tls", tls: passthrough}
  sql: {kind: publish, at: gateways, port: 6379, to: store}
  dns: {kind: publish, at: gateways, port: 53, to: "api:dns"}
)";

}  // namespace mcloud::contract::fixture
