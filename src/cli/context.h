// Which ledger a command talks to: what the cluster's folder says, or --ledger and --trust.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ledger/client/client.h"

namespace mcloud::cli {

// DIR/cluster.json of a local cluster. `mcloud cluster up` gives these members and room lab adds its own, among them
// "forwards": which ports of 127.0.0.1 lead into the cluster ("ledger", "sink", "tcp-8080-1a2b3c4d" for publications).
//   {"format":1,"name":"default","default_key":"ida","trust":{...},"forwards":[{"name":"ledger","port":40123},...]}
struct Context {
  std::string name;                       // of the cluster, or the ledger's URL
  std::vector<std::string> ledger;        // endpoints
  std::string sink;                       // endpoint; "" = none known
  std::string default_key;                // "" = none
  bool is_local = false;                  // a cluster on this machine
  std::map<std::string, uint16_t> ports;  // of 127.0.0.1, by the forward's name
  ledger::Trust trust;
  std::string head_file;  // where the client keeps its highest verified height

  static Result<Context> parse(std::string_view cluster_json);
};

// "tcp-8080-1a2b3c4d": the forward of a contract's publication. Two contracts may publish the same port on different
// nodes.
std::string forward_name(std::string_view protocol, uint32_t port, const ContractId& contract);

// `folder` is a local cluster's. Unavailable, saying how to start one, when there is none.
Result<Context> local_context(const std::string& folder);
Result<Context> remote_context(const std::string& url, const std::string& trust_file);

}  // namespace mcloud::cli
