// A bad network as one options struct: loses, delays (so that messages overtake each other), doubles and
// cuts what is sent between two places.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>

#include "sim/clockwork.h"
#include "testing/simulated_random.h"

namespace mcloud::sim {

struct NetworkOptions {
  uint64_t loss_percent = 0;
  uint64_t duplicate_percent = 0;
  uint64_t delay_ms_min = 1;
  uint64_t delay_ms_max = 20;
};

class Network {
 public:
  Network(Clockwork& clock, testing::SimulatedRandom& random, const NetworkOptions& options)
      : clock_(clock), random_(random), options_(options) {}

  using Place = std::string;  // "ledger", a validator's or a node's name
  // What is cut when it would arrive does not arrive either.
  void send(const Place& from, const Place& to, const std::function<void()>& arrive) {
    int copies = random_.chance(options_.duplicate_percent) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (is_cut(from, to) || random_.chance(options_.loss_percent)) continue;
      uint64_t delay_ms = options_.delay_ms_min + random_.below(options_.delay_ms_max - options_.delay_ms_min + 1);
      clock_.after(delay_ms, [this, from, to, arrive] {
        if (!is_cut(from, to)) arrive();
      });
    }
  }

  void cut(const Place& a, const Place& b) { cuts_.insert(std::minmax(a, b)); }
  void restore(const Place& a, const Place& b) { cuts_.erase(std::minmax(a, b)); }
  bool is_cut(const Place& a, const Place& b) const { return cuts_.contains(std::minmax(a, b)); }
  // From now on a good network.
  void calm() {
    cuts_.clear();
    options_ = NetworkOptions{};
  }

 private:
  Clockwork& clock_;
  testing::SimulatedRandom& random_;
  NetworkOptions options_;
  std::set<std::pair<Place, Place>> cuts_;
};

}  // namespace mcloud::sim
