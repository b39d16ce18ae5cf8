// LocalGateway -> what HAProxy reads. Pure and deterministic: equal wishes give equal bytes.
//
// Three parts, because they change at different paces:
//   the structure   frontends, routes, rules, maps: a change of it is a reload
//   the servers     replicas, their weights: changed in the running process (runtime.h), and in the text for the next start
//   the certificates  files of their own (certificates.h); named here, changed in the running process
//
// A site that cannot be served as a whole (a name that is no name, a port that is taken) is left out and said in `problems`;
// the others do not suffer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/site_plan.h"
#include "mcloud/gateway.pb.h"

namespace mcloud::gateway {

struct HaproxyPaths {
  std::string folder;      // absolute: is_file_path() of words.h
  std::string user;        // HAProxy's, and its group; "" = ours, and then no chroot
  bool has_ipv6 = true;    // of the machine
  uint32_t connections_max = 20'000;  // each takes two descriptors
  std::string jail() const { return folder + "/jail"; }
  std::string targets() const { return jail() + "/targets"; }
  std::string log_pipe() const { return folder + "/log"; }  // HAProxy's standard output
  std::string stats_socket() const { return folder + "/haproxy.sock"; }
  std::string certificate(const std::string& site_key) const { return folder + "/certificates/" + site_key + ".pem"; }
  std::string placeholder() const { return certificate("placeholder"); }
  // As HAProxy's worker, which lives in the jail, sees a file of it.
  std::string seen_in_jail(const std::string& name) const { return user.empty() ? jail() + "/" + name : "/" + name; }
};

struct HaproxyServer {
  std::string name;     // "web-0-8080-1f2e3d4c": another address is another server
  std::string address;  // "10.1.2.3:30001" or "unix@/targets/..."
  uint32_t weight = 0;  // 0 = drains
  std::string options;  // the rest of its line
  std::string cookie;   // of a sticky route
  bool operator==(const HaproxyServer&) const = default;
};

struct HaproxyBackend {
  std::string name;
  bool is_sticky = false;  // HAProxy 2.6 gives no cookie to a server that is added later: its servers are structure
  std::vector<HaproxyServer> servers;
};

struct HaproxyConfig {
  std::string text;                          // haproxy.cfg
  std::map<std::string, std::string> files;  // beside it: maps, lists of certificates
  std::string structure;                     // its hash; the running process tells its own ("description")
  std::vector<HaproxyBackend> backends;
  std::map<std::string, std::string> backend_sites;  // name of a backend, raw frontend or UdpDoor -> site_key()
  std::map<std::string, std::string> problems;       // site_key() -> why it is not served
};

// `gateway.sites[].site.domains` are those whose proof stands. `salt` goes into the structure's hash: another one is a reload.
HaproxyConfig haproxy_config(const pb::LocalGateway& gateway, const HaproxyPaths& paths, std::string_view salt = "");

}  // namespace mcloud::gateway
