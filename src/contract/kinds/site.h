// A publication at gateways (pb::Site), the other half of `kind: publish` (publish.h). site_parse.cc reads it,
// site_check.cc looks at what it says of others, site.cc writes defaults out, site_validate.cc judges signed bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "contract/kinds/kind.h"

namespace mcloud::contract {

// Bounds that hold in the file and in signed bytes alike.
namespace site_bounds {
inline constexpr size_t kDomains = 32;
inline constexpr size_t kRoutes = 32;
inline constexpr size_t kBackends = 16;  // of a route
inline constexpr size_t kRanges = 64;    // of `allow`
inline constexpr Bounds kWeight = {1, 256};
inline constexpr Bounds kCheckMs = {100, 600'000};
inline constexpr Bounds kConnectMs = {100, 60'000};
inline constexpr Bounds kIdleMs = {1000, 7ull * 86'400'000};
inline constexpr Bounds kRequestMs = {100, 600'000};
inline constexpr Bounds kResponseMs = {100, 86'400'000};
inline constexpr Bounds kBodyBytes = {0, 1ull << 50};
inline constexpr Bounds kRetries = {0, 10};
inline constexpr Bounds kHstsMs = {0, 2 * 366ull * 86'400'000};
}  // namespace site_bounds

// Reads what only publications at gateways say, and `to` and `port` when it is one. Nothing when it is none; what it
// says of gateways all the same is reported.
std::optional<Site> read_site(MapReader& fields);
void check_site(const Contract& contract, const Workload& workload, const Site& site, Report& report);
void compile_site(CompileScope& scope, const Workload& workload, const Site& site, pb::Facets& facets,
                  pb::PublishBody& out);
Status validate_site(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload);
std::string summarize_site(const pb::Facets& facets, const pb::Site& site);

// "web:http", or "web" alone. Reports a ":" with nothing behind it.
struct TargetName {
  Text target, port;
};
std::optional<TargetName> read_target(const Cursor& cursor);

// The port of `target` with this name or number, or its only one.
std::optional<Port> target_port(const Contract& contract, std::string_view target, std::string_view port);
// Reports what is missing of it: a port, a network.
void check_target(const Contract& contract, const Workload& target, const TargetName& name, const std::string& field,
                  Report& report);

// As what it publishes: the first target's port decides between TCP and UDP.
pb::SiteMode mode_of(const Contract& contract, const Site& site);
// How many: as written, else two, so that one may die.
uint32_t gateways_of(const Site& site);
// The networks it stands in: as written, else the first one of each target that stands in none of those before. Sorted.
std::vector<std::string> site_spaces(const Contract& contract, const Site& site);

struct SiteTarget {
  std::string name;
  Port port;
  std::vector<std::string> spaces;  // shared with the publication
};
// Nothing for a workload of another kind.
std::vector<SiteTarget> targets_of(const Contract& contract, const Workload& workload);
// Ports that no contract gets: the gateways' HTTP and HTTPS, the nodes' WireGuard.
bool is_gateways_own(std::string_view protocol, uint64_t port);
// "tcp/5432" of a raw port, else "".
std::string site_claim(const pb::Site& site);

}  // namespace mcloud::contract
