// Inside this room only: the text of unbound's configuration, and the changes of a view's records. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "network/address.h"
#include "network/resolver_server.h"

namespace mcloud::network {

// Records of each view, by the source address of its queries.
using Views = std::map<Ipv4, std::vector<std::string>>;

// Files below ResolverOptions::folder.
std::string resolver_config_file(const ResolverOptions& options);
std::string resolver_pid_file(const ResolverOptions& options);
std::string resolver_control_socket(const ResolverOptions& options);
std::string resolver_data_folder(const ResolverOptions& options);
std::string resolver_data_file(const ResolverOptions& options, Ipv4 client);  // of one view

// Addresses that have a view. A view can only be added by reading the configuration again, so the first transits' have
// one before they are needed: at least 16, doubled until all of `wanted` that are transits fit.
std::set<Ipv4> resolver_clients(const std::set<Ipv4>& wanted);

// `user` "" = the caller's own.
std::string resolver_config(const ResolverOptions& options, const std::string& user, const std::set<Ipv4>& clients);

// The zone that each view has for its own, static, and that holds this name: `internal.`, or private addresses'. What is
// not in it is unknown there, whatever the server itself has. "" = none: names of 100.64.0.0/10.
std::string resolver_zone_of(const std::string& name);

// A data file, and back; a line that is none of ours is left out.
std::string resolver_data(const std::vector<std::string>& records);
std::vector<std::string> resolver_records(const std::string& data);

// What leads from `before` to `after` (both sorted): names whose records all go, and records to add after that. Adding
// what is there is harmless; a name that loses some of its records only is in both lists, with its services: it is renewed.
struct ResolverChange {
  std::vector<std::string> names;
  std::vector<std::string> records;
};
std::vector<ResolverChange> resolver_changes(const std::vector<std::string>& before,
                                             const std::vector<std::string>& after);

}  // namespace mcloud::network
