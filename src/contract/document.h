// A contract as people wrote it: typed, references checked, defaults not yet written out. Made by
// parse_contract() (contract/parse.h), turned into signed bytes by compile() (contract/compile.h).
//
// What a later step may still find wrong (a signer nobody knows, an image that is not there)
// remembers its place in the file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "contract/diagnostic.h"
#include "mcloud/contract.pb.h"

namespace mcloud::contract {

template <typename T>
struct Placed {
  T value{};
  Place place;
};
using Text = Placed<std::string>;

// `secret: env:NAME | file:PATH | value:TEXT`: where the owner's machine finds the value.
struct SecretReference {
  enum class From { Environment, File, Value };
  From from = From::Value;
  std::string text;  // the name, the path (relative to the contract file) or the value itself
};

struct Signer {
  Text who;  // a person's name, 64 hex digits of a key, or "owner": whoever applies the contract
  std::string role;
  uint32_t weight = 1;
  bool required = false;
};

struct Approvals {
  std::vector<Signer> signers;
  uint32_t threshold = 0;   // never above the sum of weights
  uint32_t acceptance = 0;  // 0 = no sign-off after success
};

// Unset parts of a workload's placement are those of the contract.
struct Placement {
  std::optional<std::vector<Text>> farms;
  std::optional<std::vector<Text>> countries;
  std::optional<std::map<std::string, std::string>> labels;
  std::optional<pb::Spread> spread;
  std::vector<Text> together;
  std::vector<Text> apart;
  std::optional<Text> pin;  // a node's name, "FARM/NAME" or 64 hex digits
};

// What becomes of replicas when the world changes; for every kind that is placed.
struct Conduct {
  std::optional<Placed<pb::NodeLoss>> on_node_loss;
  std::optional<pb::Isolation> on_isolation;
  std::optional<pb::MassLoss> on_mass_loss;
  std::optional<Placed<uint32_t>> max_unavailable;
  std::optional<uint64_t> healthy_after_ms;
};

struct Resources {
  std::optional<uint64_t> cpu_milli;
  std::optional<uint64_t> memory_bytes;
  std::optional<uint64_t> disk_bytes;
  std::optional<uint64_t> pids;
  std::optional<uint64_t> files;  // open files
};

struct Variable {
  std::string name;
  std::string value;
  std::optional<Placed<SecretReference>> secret;  // instead of value
};
struct SecretFile {
  std::string path;
  Placed<SecretReference> secret;
  uint32_t mode = 0400;
};
struct Mount {
  std::string path;
  std::optional<Text> volume;   // a volume workload, or
  uint64_t tmpfs_bytes = 0;     // a tmpfs of this size
  bool read_only = false;
};
struct Port {
  std::string name;
  uint32_t number = 0;
  std::string protocol = "tcp";
};

struct HealthCheck {
  enum class How { Http, Tcp, Exec };
  Place place;
  How how = How::Tcp;
  Text port;                          // Http, Tcp: a port's name or number
  std::string path = "/";             // Http
  std::vector<std::string> command;   // Exec
  std::optional<uint64_t> interval_ms, timeout_ms, start_period_ms;
  std::optional<uint32_t> retries;
};

struct RestartPolicy {
  std::optional<pb::RestartWhen> when;
  std::optional<uint64_t> backoff_ms, backoff_max_ms;
  std::optional<uint32_t> tries_max;
};

struct Container {
  Text image;  // "oci:DIR[:TAG]", "docker-archive:FILE[:REF]", "fl:FILE" (relative to the file), "docker://..." or "fl:http..."
  std::optional<Text> image_digest;  // unset: what the source holds when the contract is applied
  std::vector<Text> image_signers;   // people or keys, each of whom must have signed the image
  bool only_image_programs = false;
  Placed<uint32_t> replicas{1, {}};
  Resources resources;
  std::optional<std::vector<std::string>> entrypoint, command;
  std::vector<Variable> environment;
  std::vector<SecretFile> secret_files;
  std::vector<Mount> mounts;
  std::vector<Port> ports;
  std::optional<std::vector<Text>> networks;  // unset: the contract's only network, or "default"
  std::optional<HealthCheck> health;
  RestartPolicy restart;
  std::string user, working_folder;
  bool read_only = false;
  std::optional<uint64_t> stop_grace_ms;
  Placement placement;
  Conduct conduct;
};

struct Volume {
  Placed<uint64_t> size_bytes;
};

struct Kv {
  Placed<uint64_t> size_bytes;                   // of live keys and values
  std::optional<Placed<uint64_t>> disk_bytes;    // of its files, history included
  std::optional<Placed<pb::KvMode>> mode;
  std::optional<Placed<pb::KvDurability>> durability;
  std::optional<Placed<uint64_t>> interval_ms;   // with durability interval
  pb::KvKeep keep = pb::KV_KEEP_FOREVER;
  uint64_t keep_amount = 0;                      // versions or ms
  Placed<uint32_t> followers{0, {}};
  std::optional<Placed<uint32_t>> min_replicas;
  std::optional<Placed<SecretReference>> password;
  bool public_read = false;
  std::optional<pb::KvDialect> dialect;
  std::optional<uint32_t> port;
  std::optional<std::vector<Text>> networks;     // as a container's
  Resources resources;                           // cpu and memory
  Placement placement;
  Conduct conduct;
};

// Who may open what to whom in a network. Ends are signed as they are written (pb::Allow).
struct AllowRule {
  Place place;
  std::string from, to;  // a workload, "device:NAME", "devices" or "any"; `to` also "world"
  std::string port;      // a number, "8000-8010", a port's name of `to`; "" = all
  std::string protocol;  // "" = the port's
};

// Where people's devices come in; also how often, and on which nodes.
struct Access {
  Place place;
  std::optional<Placed<uint32_t>> port;
  Placed<uint32_t> replicas{1, {}};
  Placement placement;
};

struct Network {
  std::optional<Text> range;  // IPv4 CIDR
  std::optional<Placed<pb::Encryption>> encryption;
  std::optional<std::vector<AllowRule>> allow;  // unset: everything
  std::vector<Text> members;  // people whose devices may join, beside the owner
  std::optional<Access> access;
  std::optional<Text> bridge;
};

struct Backend {
  Text target;  // a container
  Text port;    // its port's name or number; "" = its only port
  uint32_t weight = 1;
};
struct SiteRoute {
  Place place;
  std::string path;  // "" = everything
  std::vector<Backend> backends;
  std::optional<Placed<pb::Balance>> balance;
  bool sticky = false, h2 = false, strip = false;
  std::optional<std::string> check_path;  // "" = a connection is enough
  std::optional<uint64_t> check_ms;
  std::vector<Text> options;  // the keys that were given beside `to`
};
struct SiteTls {
  enum class How { None, Acme, Supplied, Passthrough };
  Place place;
  How how = How::None;
  std::optional<std::string> directory, email;            // Acme
  std::optional<Placed<SecretReference>> chain, key;      // Supplied
};

// A publication at gateways.
struct Site {
  std::vector<Text> names, domains;
  std::optional<Placed<uint32_t>> port;  // raw TCP or UDP
  std::vector<SiteRoute> routes;
  std::optional<SiteTls> tls;
  std::optional<Placed<bool>> redirect;
  std::optional<Placed<uint64_t>> hsts_ms;
  std::optional<Placed<pb::Exposure>> exposure;
  std::optional<Placed<uint64_t>> connect_ms, idle_ms, request_ms, response_ms;
  std::optional<Placed<uint64_t>> body_max_bytes;
  std::vector<std::string> allow;  // canonical CIDR
  std::optional<uint32_t> retries;
  std::optional<Placed<uint32_t>> gateways;
  std::optional<std::vector<Text>> networks;  // it stands in; unset: one of each target's
  Placement placement;
};

struct Publish {
  Placed<uint32_t> port;  // on the uplink
  Text target;            // a container or kv workload
  Text target_port;       // its port's name or number; "" = its only port
  std::optional<Site> site;  // then the fields above are empty
};

// A workload of a kind nobody knows: reported, kept so that references to it are not reported too.
struct Unreadable {};

struct Workload {
  Text name;
  std::string kind;
  std::variant<Container, Volume, Network, Publish, Kv, Unreadable> spec;
};

// A parameter (contract/parameters.h) that stands in the contract's values.
struct UsedParameter {
  std::string name, value;
  std::string from;  // "default", "--set", "values.yaml:3:1"
};

struct Contract {
  std::string file_name;
  std::vector<std::string> fragment_names;  // of the texts that places number from 1 on
  Text name;
  uint64_t expires_after_ms = 0;       // 0 = the default
  std::optional<Approvals> approvals;  // unset: the owner alone
  Placement placement;                 // default of all workloads
  std::vector<Workload> workloads;     // sorted by name, unique
  std::vector<UsedParameter> parameters;  // sorted by name

  const Workload* find(std::string_view workload_name) const;
  // The spec of the workload with this name, when it is a T.
  template <typename T>
  const T* find_as(std::string_view workload_name) const {
    const Workload* workload = find(workload_name);
    return workload == nullptr ? nullptr : std::get_if<T>(&workload->spec);
  }
};

}  // namespace mcloud::contract
