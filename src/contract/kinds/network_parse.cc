#include "contract/conduct.h"
#include "contract/kinds/allow.h"
#include "contract/kinds/network.h"
#include "contract/kinds/service.h"
#include "contract/words.h"

namespace mcloud::contract {
namespace {

void read_range(MapReader& fields, Network& network) {
  auto found = fields.find("range");
  if (!found) return;
  network.range = found->text();
  if (!network.range) return;
  if (Result<AddressRange> range = parse_range(network.range->value); !range) {
    found->complain("\"" + shortened(network.range->value) + "\": " + range.error().message,
                    {"an IPv4 range, /8 to /28, such as 10.7.0.0/16", ""});
  }
}

void read_encryption(MapReader& fields, Network& network) {
  if (auto found = fields.find("encryption")) network.encryption = found->word(kEncryptionWords);
  auto dedicated = fields.find("dedicated");
  if (!dedicated || !dedicated->boolean().value_or(false)) return;
  if (network.encryption && network.encryption->value != pb::ENCRYPTION_DEDICATED) {
    dedicated->complain("encryption says otherwise", {"one of the two", ""});
  }
  network.encryption = Placed<pb::Encryption>{pb::ENCRYPTION_DEDICATED, dedicated->place()};
}

void read_rules(MapReader& fields, Network& network) {
  auto found = fields.find("allow");
  if (!found) return;
  network.allow.emplace();
  if (!found->is_list())
    return found->complain("is not a list of rules", {"such as [\"web -> db:5432\"]; [] allows nothing", ""});
  const auto& items = found->node().items;
  if (items.size() > allow_bounds::kWritten) {
    return found->complain("has " + std::to_string(items.size()) + " rules",
                           {"at most " + std::to_string(allow_bounds::kWritten), ""});
  }
  for (size_t i = 0; i < items.size(); ++i) {
    Cursor item(items[i], found->path() + "[" + std::to_string(i) + "]", found->report());
    if (std::optional<AllowRule> rule = read_allow(item)) network.allow->push_back(std::move(*rule));
  }
}

void read_access(MapReader& outer, Network& network) {
  auto found = outer.find("access");
  if (!found) return;
  Access access;
  access.place = found->place();
  access.replicas.place = found->place();
  if (found->is_scalar()) {
    if (found->boolean().value_or(false)) network.access = std::move(access);
    return;
  }
  MapReader fields(*found, outer.owner());
  if (auto port = fields.find("port")) {
    if (auto number = port->number({1, 65535})) access.port = {static_cast<uint32_t>(number->value), number->place};
  }
  if (auto replicas = fields.find("replicas")) {
    if (auto count = replicas->number(service_bounds::kReplicas))
      access.replicas = {static_cast<uint32_t>(count->value), count->place};
  }
  access.placement = read_placement(fields, PlacementOf::Workload);
  fields.finish();
  network.access = std::move(access);
}

}  // namespace

void parse_network(MapReader& fields, Workload& workload) {
  Network network;
  read_range(fields, network);
  read_encryption(fields, network);
  read_rules(fields, network);
  read_access(fields, network);
  if (auto found = fields.find("members")) {
    network.members = found->unique_texts(kWhoRule, network_bounds::kMembers).value_or(std::vector<Text>{});
  }
  if (auto found = fields.find("bridge")) network.bridge = found->text(kNameRule);
  workload.spec = std::move(network);
}

}  // namespace mcloud::contract
