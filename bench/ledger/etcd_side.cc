#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "crypto/box.h"
#include "io/process.h"
#include "load.h"
#include "sides.h"

namespace mcloud::bench {
namespace {

constexpr size_t kValueSize = 256;  // like one of our signed transactions

Result<uint16_t> free_port() {
  io::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), raw, size) != 0 || ::getsockname(socket.get(), raw, &size) != 0) {
    return errno_error(errno, "find a free port");
  }
  return ntohs(address.sin_port);
}

std::vector<std::vector<Request>> prepare(size_t connections, size_t puts) {
  std::vector<std::vector<Request>> requests(connections);
  size_t key = 0;
  for (auto& list : requests) {
    for (size_t i = 0; i < puts / connections; ++i) {
      std::string name = "bench/" + std::to_string(++key);
      list.push_back({"/v3/kv/put", "{\"key\":\"" + to_base64(name) + "\",\"value\":\"" +
                                        to_base64(crypto::random_bytes(kValueSize)) + "\"}"});
    }
  }
  return requests;
}

Status wait_until_ready(const wire::Endpoint& endpoint) {
  for (int i = 0; i < 100; ++i) {
    auto http = wire::HttpClient::create(endpoint, {.connect_timeout_ms = 500, .request_timeout_ms = 1'000});
    Result<wire::HttpResponse> health = http->get("/health");
    if (health.has_value() && health->body.find("true") != std::string::npos) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return make_error(Code::TimedOut, "etcd was not ready within 10 s");
}

Result<std::string> version(const std::string& program) {
  io::Outcome outcome = TRY(io::run_checked({.arguments = {program, "--version"}}));
  return outcome.output.substr(0, outcome.output.find('\n'));
}

}  // namespace

Result<Figures> run_etcd(const Work& work) {
  Figures figures;
  figures.name = TRY(version(work.etcd));
  std::string client = "http://127.0.0.1:" + std::to_string(TRY(free_port()));
  std::string peer = "http://127.0.0.1:" + std::to_string(TRY(free_port()));
  io::Command command;
  command.arguments = {work.etcd,
                       "--data-dir",
                       work.folder + "/etcd",
                       "--listen-client-urls",
                       client,
                       "--advertise-client-urls",
                       client,
                       "--listen-peer-urls",
                       peer,
                       "--initial-advertise-peer-urls",
                       peer,
                       "--initial-cluster",
                       "default=" + peer,
                       "--log-level",
                       "error"};
  auto etcd = TRY(io::Child::start(command, {}));
  LoadOptions load;
  load.endpoint = TRY(wire::Endpoint::parse(client));
  TRY(wait_until_ready(load.endpoint));
  load.requests = prepare(work.put_connections, work.puts);
  LoadResult fast = TRY(run_load(load));
  figures.per_second = static_cast<double>(fast.answered) / fast.seconds;
  load.requests = prepare(work.put_connections, work.puts / 2);
  load.requests_per_second = figures.per_second / 2;
  LoadResult half = TRY(run_load(load));
  figures.p50_ms = half.percentile_ms(.5);
  figures.p99_ms = half.percentile_ms(.99);
  figures.durability = "write-ahead log fdatasync'd before a put is acknowledged";
  for (const std::string& argument : command.arguments) figures.command += argument + " ";
  figures.remark = "one 256-byte put a request over the JSON gateway, " + std::to_string(work.put_connections) +
                   " connections; nothing is signed, no proofs";
  etcd->stop(2'000);
  return figures;
}

}  // namespace mcloud::bench
