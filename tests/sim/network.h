// A bad network as one options struct: loses, delays (so that messages overtake each other), doubles and
// cuts what is sent between two places.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "sim/clockwork.h"
#include "sim/figures.h"
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
  Network(Clockwork& clock, testing::SimulatedRandom& random, const NetworkOptions& options, RunFigures& figures)
      : clock_(clock), random_(random), options_(options), figures_(figures) {}

  using Place = std::string;  // "ledger", a validator's or a node's name
  // What is cut when it would arrive does not arrive either.
  void send(const Place& from, const Place& to, const std::function<void()>& arrive) {
    int copies = random_.chance(options_.duplicate_percent) ? 2 : 1;
    uint64_t number = ++figures_.sent;
    figures_.doubled += copies == 2 ? 1 : 0;
    for (int i = 0; i < copies; ++i) {
      bool is_severed = is_cut(from, to);
      bool is_lost = !is_severed && random_.chance(options_.loss_percent);
      figures_.severed += is_severed ? 1 : 0;
      figures_.lost += is_lost ? 1 : 0;
      if (is_severed || is_lost) continue;
      uint64_t delay_ms = options_.delay_ms_min + random_.below(options_.delay_ms_max - options_.delay_ms_min + 1);
      clock_.after(delay_ms, [this, from, to, number, arrive] {
        if (is_cut(from, to)) {
          ++figures_.severed;
          return;
        }
        uint64_t& newest = newest_[{from, to}];
        figures_.overtaken += number < newest ? 1 : 0;
        newest = std::max(newest, number);
        arrive();
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
  std::map<std::pair<Place, Place>, uint64_t> newest_;  // message that arrived
  RunFigures& figures_;
};

}  // namespace mcloud::sim
