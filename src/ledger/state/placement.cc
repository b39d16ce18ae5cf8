#include "ledger/state/placement.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/units.h"
#include "ledger/state/planted.h"

namespace mcloud::ledger {
namespace {

uint64_t free_of(uint64_t capacity, uint64_t used) { return capacity > used ? capacity - used : 0; }

// One dimension of a demand, with how people write it.
struct Dimension {
  const char* name;
  uint64_t (pb::Demand::*amount)() const;
  std::string (*format)(uint64_t);
};

std::string format_count(uint64_t count) { return std::to_string(count); }

constexpr std::array<Dimension, 4> kDimensions = {{{"cpu", &pb::Demand::cpu_milli, format_cpu_milli},
                                                   {"memory", &pb::Demand::memory_bytes, format_size},
                                                   {"disk", &pb::Demand::disk_bytes, format_size},
                                                   {"pids", &pb::Demand::pids, format_count}}};

// Up to 16 of 2^56 each: parts per million of what the node has, rounded down.
uint64_t share(uint64_t used, uint64_t capacity) {
  if (capacity == 0) return used == 0 ? 0 : 1'000'000;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(used) * 1'000'000 / capacity);
}

// The fullest dimension, were the demand placed there.
uint64_t load_of(const pb::Node& node, const pb::Demand& demand) {
  uint64_t load = 0;
  for (const Dimension& dimension : kDimensions) {
    uint64_t used = (node.used().*dimension.amount)() + (demand.*dimension.amount)();
    load = std::max(load, share(used, (node.capacity().*dimension.amount)()));
  }
  return load;
}

template <typename Texts>
std::string join_words(const Texts& texts) {
  std::string joined;
  for (const auto& text : texts) joined.append(joined.empty() ? "" : " or ").append(text);
  return joined;
}

template <typename Values>
bool names(const Values& values, BytesView value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool has_label(const pb::Node& node, const pb::Label& label) {
  return std::any_of(node.labels().begin(), node.labels().end(),
                     [&](const pb::Label& own) { return own.key() == label.key() && own.value() == label.value(); });
}

// Narrows the candidates constraint by constraint; the first one that leaves nobody is the reason.
class Filter {
 public:
  Filter(const Ask& ask, const Nodes& nodes) : ask_(ask), placement_(ask.members.front()->placement()) {
    for (const auto& [key, node] : nodes) left_.push_back(&node);
  }

  Choice run() {
    if (left_.empty()) return none("no node has joined");
    bool found = keep_identity() && keep_constraints() && keep_allowed() && keep_neighbours() && keep_capacity();
    return found ? best() : none(lacking_);
  }

 private:
  static Choice none(std::string reason) { return {Bytes(), std::move(reason)}; }

  using Accepts = std::function<bool(const pb::Node&)>;
  using Reason = std::function<std::string(const std::string& of)>;  // of = "any of 5 nodes"

  bool keep(const Accepts& accepts, const Reason& reason) {
    std::vector<const pb::Node*> kept;
    for (const pb::Node* node : left_) {
      if (accepts(*node)) kept.push_back(node);
    }
    if (kept.empty()) {
      lacking_ = reason(left_.size() == 1 ? "the only eligible node (" + left_[0]->name() + ")"
                                          : "any of " + std::to_string(left_.size()) + " eligible nodes");
      return false;
    }
    left_ = std::move(kept);
    return true;
  }

  bool keep_identity() {
    if (!ask_.only.empty() && !keep([&](const pb::Node& node) { return node.key() == ask_.only; },
                                    [](const std::string&) { return std::string("its node is not known any more"); })) {
      return false;
    }
    if (!placement_.pin().empty() && !keep([&](const pb::Node& node) { return node.key() == placement_.pin(); },
                                           [&](const std::string&) {
                                             return "pin: node " + to_hex(BytesView(placement_.pin()).substr(0, 4)) +
                                                    " is not among the nodes it may use";
                                           })) {
      return false;
    }
    return keep([](const pb::Node& node) { return node.state() == pb::NODE_ONLINE; },
                [](const std::string& of) { return "node: none is online of " + of; });
  }

  bool keep_constraints() {
    const auto& farms = placement_.farms();
    if (!farms.empty() &&
        !keep([&](const pb::Node& node) { return names(farms, node.farm()); },
              [&](const std::string& of) { return "farm: needs " + join_words(farms) + ", not the farm of " + of; })) {
      return false;
    }
    const auto& countries = placement_.countries();
    if (!countries.empty() && !keep([&](const pb::Node& node) { return names(countries, node.country()); },
                                    [&](const std::string& of) {
                                      return "country: needs " + join_words(countries) + ", not the country of " + of;
                                    })) {
      return false;
    }
    for (const pb::Label& label : placement_.labels()) {
      if (!keep([&](const pb::Node& node) { return has_label(node, label); },
                [&](const std::string& of) {
                  return "label: needs " + label.key() + "=" + label.value() + ", not a label of " + of;
                })) {
        return false;
      }
    }
    return true;
  }

  bool keep_allowed() {
    if (ask_.openers != nullptr && !keep([&](const pb::Node& node) { return ask_.openers->contains(node.key()); },
                                         [](const std::string& of) {
                                           return "secrets: sealed for others, not for " + of +
                                                  "; the owner must reseal them";
                                         })) {
      return false;
    }
    if (ask_.only.empty() && !keep([](const pb::Node& node) { return !node.draining(); },
                                   [](const std::string& of) { return "node: draining: " + of; })) {
      return false;
    }
    std::string why;
    return keep(
        [&](const pb::Node& node) {
          auto found = ask_.excluded.find(node.key());
          if (found != ask_.excluded.end() && why.empty()) why = found->second;
          return found == ask_.excluded.end();
        },
        [&](const std::string& of) { return "it could not run lately on " + of + ": " + why; });
  }

  Neighbours neighbours(const pb::Node& node) const {
    auto found = ask_.neighbours.find(node.key());
    return found == ask_.neighbours.end() ? Neighbours{} : found->second;
  }

  // Two members that claim the same name can stand together nowhere.
  std::string claimed_twice() const {
    std::set<std::string> claims;
    for (const pb::Facets* member : ask_.members) {
      for (const std::string& claim : member->claims()) {
        if (!claims.insert(claim).second) return claim;
      }
    }
    return "";
  }

  bool keep_neighbours() {
    if (std::string twice = claimed_twice(); !twice.empty()) {
      lacking_ = "claim: two of what stands together claim " + twice;
      return false;
    }
    if (!keep([&](const pb::Node& node) { return neighbours(node).apart == 0; },
              [](const std::string& of) { return "apart: a workload it must not share a node with is on " + of; })) {
      return false;
    }
    if (placement_.spread() == pb::SPREAD_REQUIRE &&
        !keep([&](const pb::Node& node) { return neighbours(node).replicas == 0; },
              [](const std::string& of) { return "spread: a replica is already on " + of; })) {
      return false;
    }
    std::string claim;
    return keep(
        [&](const pb::Node& node) {
          for (const pb::Facets* member : ask_.members) {
            const pb::NodeClaim* taken = foreign_claim(node, ask_.contract, *member);
            if (taken == nullptr) continue;
            claim = taken->name();
            return false;
          }
          return true;
        },
        [&](const std::string& of) { return "claim: another workload has " + claim + " on " + of; });
  }

  uint64_t crowd(const pb::Node& node) const {
    if (ask_.crowds == nullptr) return 0;
    auto found = ask_.crowds->find(node.key());
    return found == ask_.crowds->end() ? 0 : found->second;
  }

  bool keep_capacity() {
    if (!keep([&](const pb::Node& node) { return crowd(node) + ask_.members.size() <= kReplicasPerNodeMax; },
              [&](const std::string& of) {
                return "replicas: needs " + std::to_string(ask_.members.size()) + " more than the " +
                       std::to_string(kReplicasPerNodeMax) + " a node may hold on " + of;
              })) {
      return false;
    }
    demand_ = total_demand(ask_.members);
    std::vector<const pb::Node*> before = left_;
    return keep([&](const pb::Node& node) { return planted::kAnyCapacity || fits(node, demand_); },
                [&](const std::string& of) { return lacking_capacity(before, of); });
  }

  std::string lacking_capacity(const std::vector<const pb::Node*>& nodes, const std::string& of) const {
    std::string needs;
    for (const Dimension& dimension : kDimensions) {
      uint64_t most = 0;
      uint64_t need = (demand_.*dimension.amount)();
      for (const pb::Node* node : nodes) {
        most = std::max(most, free_of((node->capacity().*dimension.amount)(), (node->used().*dimension.amount)()));
      }
      if (need > most) {
        return std::string(dimension.name) + ": needs " + dimension.format(need) + ", the most " + of +
               " has free is " + dimension.format(most);
      }
      needs.append(needs.empty() ? "" : ", ").append(dimension.name).append(" ").append(dimension.format(need));
    }
    return "capacity: " + of + " has something of what is needed, none all at once: " + needs;
  }

  // Smaller is better.
  std::array<uint64_t, 3> score(const pb::Node& node) const {
    Neighbours near = neighbours(node);
    uint64_t load = load_of(node, demand_);
    bool packs = placement_.spread() == pb::SPREAD_PACK;
    uint64_t crowd = packs ? 0 : near.replicas;
    return {crowd, UINT32_MAX - uint64_t{near.together}, packs ? UINT64_MAX - load : load};
  }

  Choice best() const {
    const pb::Node* best_node = nullptr;
    std::array<uint64_t, 3> best_score{};
    for (const pb::Node* node : left_) {
      std::array<uint64_t, 3> node_score = score(*node);
      if (best_node != nullptr && node_score >= best_score) continue;
      best_node = node;
      best_score = node_score;
    }
    return {best_node->key(), ""};
  }

  const Ask& ask_;
  const pb::Placement& placement_;
  pb::Demand demand_;
  std::vector<const pb::Node*> left_;  // in order of keys
  std::string lacking_;
};

}  // namespace

Choice choose_node(const Ask& ask, const Nodes& nodes) { return Filter(ask, nodes).run(); }

pb::Demand total_demand(const std::vector<const pb::Facets*>& members) {
  pb::Demand total;
  for (const pb::Facets* member : members) {
    total.set_cpu_milli(total.cpu_milli() + member->demand().cpu_milli());
    total.set_memory_bytes(total.memory_bytes() + member->demand().memory_bytes());
    total.set_disk_bytes(total.disk_bytes() + member->demand().disk_bytes());
    total.set_pids(total.pids() + member->demand().pids());
  }
  return total;
}

bool fits(const pb::Node& node, const pb::Demand& demand) {
  return std::all_of(kDimensions.begin(), kDimensions.end(), [&](const Dimension& dimension) {
    uint64_t used = (node.used().*dimension.amount)() + (demand.*dimension.amount)();
    return used <= (node.capacity().*dimension.amount)();
  });
}

const pb::NodeClaim* foreign_claim(const pb::Node& node, BytesView contract, const pb::Facets& facets) {
  for (const pb::NodeClaim& claim : node.claims()) {
    bool own = claim.contract() == contract && claim.workload() == facets.name();
    if (!own && names(facets.claims(), claim.name())) return &claim;
  }
  return nullptr;
}

}  // namespace mcloud::ledger
