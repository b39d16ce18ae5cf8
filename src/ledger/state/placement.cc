#include "ledger/state/placement.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>

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
  if (used <= UINT64_MAX / 1'000'000) return used * 1'000'000 / capacity;  // the same, by a division that is ten times as fast
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

// What a node must be, and what is said when no node is.
struct Constraint {
  std::function<bool(const pb::Node&)> accepts;
  std::function<std::string(const std::string& of)> reason;  // of = "any of 5 nodes"
  bool is_costly = false;  // to ask of every node, and nearly every node fulfils it
};

// All nodes are held against all constraints at once. Only when none is left the constraints narrow the candidates one by
// one, to find the first that leaves nobody: that is the reason.
class Search {
 public:
  Search(const Ask& ask, const Nodes& nodes) : ask_(ask), nodes_(nodes), placement_(ask.members.front()->placement()) {
    demand_ = total_demand(ask.members);
    require_identity();
    require_place();
    require_permission();
    require_neighbours();
    require_room();
  }

  Choice run() {
    if (nodes_.empty()) return none("no node has joined");
    // Two members that claim the same name can stand together nowhere.
    std::string twice = claimed_twice();
    if (twice.empty()) {
      // The best of more nodes is the best of fewer, if it is among them.
      const pb::Node* node = best(false);
      if (node != nullptr && !is_eligible(*node, true)) node = best(true);
      if (node != nullptr) return {node->key(), ""};
    }
    return none(reason(twice));
  }

 private:
  using Accepts = std::function<bool(const pb::Node&)>;
  using Reason = std::function<std::string(const std::string& of)>;

  static Choice none(std::string reason) { return {Bytes(), std::move(reason)}; }
  void require(Accepts accepts, Reason reason) { constraints_.push_back({std::move(accepts), std::move(reason)}); }
  bool is_eligible(const pb::Node& node, bool with_costly) const {
    return std::all_of(constraints_.begin(), constraints_.end(), [&](const Constraint& constraint) {
      return (constraint.is_costly && !with_costly) || constraint.accepts(node);
    });
  }

  void require_identity() {
    if (!ask_.only.empty()) {
      require([this](const pb::Node& node) { return node.key() == ask_.only; },
              [](const std::string&) { return std::string("its node is not known any more"); });
    }
    if (!placement_.pin().empty()) {
      require([this](const pb::Node& node) { return node.key() == placement_.pin(); },
              [this](const std::string&) {
                return "pin: node " + to_hex(BytesView(placement_.pin()).substr(0, 4)) + " is not among the nodes it may use";
              });
    }
    require([](const pb::Node& node) { return node.state() == pb::NODE_ONLINE; },
            [](const std::string& of) { return "node: none is online of " + of; });
  }

  void require_place() {
    if (!placement_.farms().empty()) {
      require([this](const pb::Node& node) { return names(placement_.farms(), node.farm()); },
              [this](const std::string& of) {
                return "farm: needs " + join_words(placement_.farms()) + ", not the farm of " + of;
              });
    }
    if (!placement_.countries().empty()) {
      require([this](const pb::Node& node) { return names(placement_.countries(), node.country()); },
              [this](const std::string& of) {
                return "country: needs " + join_words(placement_.countries()) + ", not the country of " + of;
              });
    }
    for (const pb::Label& label : placement_.labels()) {
      require([&label](const pb::Node& node) { return has_label(node, label); },
              [&label](const std::string& of) {
                return "label: needs " + label.key() + "=" + label.value() + ", not a label of " + of;
              });
    }
  }

  void require_permission() {
    if (ask_.openers != nullptr) {
      require([this](const pb::Node& node) { return ask_.openers->contains(node.key()); },
              [](const std::string& of) {
                return "secrets: sealed for others, not for " + of + "; the owner must reseal them";
              });
    }
    if (ask_.only.empty()) {
      require([](const pb::Node& node) { return !node.draining(); },
              [](const std::string& of) { return "node: draining: " + of; });
    }
    if (ask_.excluded.empty()) return;
    require([this](const pb::Node& node) { return note(why_excluded_, ask_.excluded, node); },
            [this](const std::string& of) { return "it could not run lately on " + of + ": " + why_excluded_; });
  }

  // The first reason is told.
  static bool note(std::string& why, const std::map<Bytes, std::string, std::less<>>& excluded, const pb::Node& node) {
    auto found = excluded.find(node.key());
    if (found != excluded.end() && why.empty()) why = found->second;
    return found == excluded.end();
  }

  Neighbours neighbours(const pb::Node& node) const {
    if (ask_.neighbours.empty()) return {};
    auto found = ask_.neighbours.find(node.key());
    return found == ask_.neighbours.end() ? Neighbours{} : found->second;
  }

  std::string claimed_twice() const {
    std::set<std::string> claims;
    for (const pb::Facets* member : ask_.members) {
      for (const std::string& claim : member->claims()) {
        if (!claims.insert(claim).second) return claim;
      }
    }
    return "";
  }

  void require_neighbours() {
    neighbours_at_ = constraints_.size();
    if (!ask_.neighbours.empty()) {
      require([this](const pb::Node& node) { return neighbours(node).apart == 0; },
              [](const std::string& of) { return "apart: a workload it must not share a node with is on " + of; });
      if (placement_.spread() == pb::SPREAD_REQUIRE) {
        require([this](const pb::Node& node) { return neighbours(node).replicas == 0; },
                [](const std::string& of) { return "spread: a replica is already on " + of; });
      }
    }
    bool has_claims = std::any_of(ask_.members.begin(), ask_.members.end(),
                                  [](const pb::Facets* member) { return !member->claims().empty(); });
    if (!has_claims) return;
    require([this](const pb::Node& node) { return is_unclaimed(node); },
            [this](const std::string& of) { return "claim: another workload has " + claim_ + " on " + of; });
  }

  bool is_unclaimed(const pb::Node& node) {
    for (const pb::Facets* member : ask_.members) {
      const pb::NodeClaim* taken = foreign_claim(node, ask_.contract, *member);
      if (taken == nullptr) continue;
      claim_ = taken->name();
      return false;
    }
    return true;
  }

  uint64_t crowd(const pb::Node& node) const {
    if (ask_.crowds == nullptr) return 0;
    auto found = ask_.crowds->find(node.key());
    return found == ask_.crowds->end() ? 0 : found->second;
  }

  void require_room() {
    require([this](const pb::Node& node) { return crowd(node) + ask_.members.size() <= kReplicasPerNodeMax; },
            [this](const std::string& of) {
              return "replicas: needs " + std::to_string(ask_.members.size()) + " more than the " +
                     std::to_string(kReplicasPerNodeMax) + " a node may hold on " + of;
            });
    constraints_.back().is_costly = true;
    require([this](const pb::Node& node) { return planted::kAnyCapacity || fits(node, demand_); },
            [this](const std::string& of) { return lacking_capacity(of); });
  }

  std::string lacking_capacity(const std::string& of) const {
    std::string needs;
    for (const Dimension& dimension : kDimensions) {
      uint64_t most = 0;
      uint64_t need = (demand_.*dimension.amount)();
      for (const pb::Node* node : left_) {
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

  const pb::Node* best(bool with_costly) const {
    const pb::Node* best_node = nullptr;
    std::array<uint64_t, 3> best_score{};
    for (const auto& [key, node] : nodes_) {
      if (!is_eligible(node, with_costly)) continue;
      std::array<uint64_t, 3> node_score = score(node);
      if (best_node != nullptr && node_score >= best_score) continue;
      best_node = &node;
      best_score = node_score;
    }
    return best_node;
  }

  // Smaller is better.
  std::array<uint64_t, 3> score(const pb::Node& node) const {
    Neighbours near = neighbours(node);
    uint64_t load = load_of(node, demand_);
    bool packs = placement_.spread() == pb::SPREAD_PACK;
    uint64_t crowd = packs ? 0 : near.replicas;
    return {crowd, UINT32_MAX - uint64_t{near.together}, packs ? UINT64_MAX - load : load};
  }

  std::string reason(const std::string& claimed_twice) {
    why_excluded_.clear();
    for (const auto& [key, node] : nodes_) left_.push_back(&node);
    for (size_t i = 0; i < constraints_.size(); ++i) {
      if (i == neighbours_at_ && !claimed_twice.empty()) break;
      std::vector<const pb::Node*> kept;
      std::copy_if(left_.begin(), left_.end(), std::back_inserter(kept),
                   [&](const pb::Node* node) { return constraints_[i].accepts(*node); });
      if (kept.empty()) return constraints_[i].reason(those_left());
      left_ = std::move(kept);
    }
    return "claim: two of what stands together claim " + claimed_twice;
  }

  std::string those_left() const {
    return left_.size() == 1 ? "the only eligible node (" + left_[0]->name() + ")"
                             : "any of " + std::to_string(left_.size()) + " eligible nodes";
  }

  const Ask& ask_;
  const Nodes& nodes_;
  const pb::Placement& placement_;
  pb::Demand demand_;
  std::vector<Constraint> constraints_;
  size_t neighbours_at_ = 0;  // the first constraint about what stands there
  std::string why_excluded_, claim_;
  std::vector<const pb::Node*> left_;  // in order of keys
};

}  // namespace

Choice choose_node(const Ask& ask, const Nodes& nodes) { return Search(ask, nodes).run(); }

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
