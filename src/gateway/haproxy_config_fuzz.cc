// Whatever the agent's file says, HAProxy's files hold only lines that we write: known first words, no control characters, maps of
// two words, files of certificates in our folder.
#include <cstdlib>
#include <set>
#include <sstream>

#include "gateway/haproxy_config.h"
#include "gateway/udp_sites.h"
#include "gateway/words.h"

namespace {

const std::set<std::string> kFirstWords = {
    "global", "defaults", "frontend", "backend", "master-worker", "description", "stats", "log", "maxconn", "hard-stop-after",
    "mworker-max-reloads", "no-memory-trimming", "server-state-file", "ssl-default-bind-options", "ssl-default-bind-ciphers", "chroot", "user",
    "group", "timeout", "server", "mode", "option", "no", "load-server-state-from-file", "http-error", "bind",
    "http-request", "http-response", "http-check", "capture", "log-format", "use_backend", "default_backend", "balance", "hash-type", "retries",
    "retry-on", "cookie", "acl", "tcp-request"};

void check_lines(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    for (char c : line) {
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) std::abort();
    }
    std::string word;
    std::istringstream(line) >> word;
    if (!word.empty() && !kFirstWords.contains(word)) std::abort();
  }
}

void check_map(const std::string& text, bool is_list) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::string key, value, more;
    std::istringstream words(line);
    words >> key >> value >> more;
    if (key.empty() || key[0] == '#') std::abort();
    if (is_list ? !key.starts_with("/run/g/certificates/") : value.empty() || !more.empty()) std::abort();
  }
}

// Sockets in our folder, whatever a replica is called; names that need no quoting in a line of JSON; the site known by the door's name.
void check_doors(const mcloud::pb::LocalGateway& gateway, const mcloud::gateway::HaproxyPaths& paths, const mcloud::gateway::HaproxyConfig& config) {
  for (const mcloud::gateway::SitePlan& plan : mcloud::gateway::plan_sites(gateway).sites) {
    if (!mcloud::gateway::is_udp_by_tunnel(*plan.site)) continue;
    mcloud::gateway::UdpDoor door = mcloud::gateway::udp_door(*plan.site, paths);
    for (const auto& target : door.targets) {
      if (target.weight == 0 || target.socket.rfind('/') != paths.targets().size() || !target.socket.starts_with(paths.targets())) std::abort();
      if (!mcloud::gateway::is_file_path("/" + target.name)) std::abort();
    }
    auto known = config.backend_sites.find(door.name);
    if (known == config.backend_sites.end() || known->second != plan.key) std::abort();
    if (door.allow.size() != static_cast<size_t>(plan.site->site().allow_size())) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mcloud::pb::LocalGateway gateway;
  if (!gateway.ParseFromArray(data, static_cast<int>(size))) return 0;
  mcloud::gateway::HaproxyConfig config = mcloud::gateway::haproxy_config(gateway, {"/run/g", "haproxy", true, 1'000});
  check_lines(config.text);
  for (const auto& [name, content] : config.files) check_map(content, name == "certificates.list");
  check_doors(gateway, {"/run/g", "haproxy", true, 1'000}, config);
  return 0;
}
