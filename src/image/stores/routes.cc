#include "image/stores/routes.h"

#include <algorithm>
#include <atomic>  // cancel() comes from another thread
#include <thread>  // the reader's own thread waits between rounds

#include "image/stores/make_routes.h"
#include "image/stores/race.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kPauseMinMs = 50;   // between rounds, doubling
constexpr uint64_t kPauseMaxMs = 1'000;

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

// What asking again cannot change.
bool is_final(const Error& error) {
  switch (error.code) {
    case Code::NotFound:
    case Code::Corrupt:
    case Code::Denied:
    case Code::Invalid:
    case Code::Unsupported:
    case Code::Cancelled: return true;
    default: return false;
  }
}

// False when the deadline is near.
bool pause_before(uint64_t deadline_ms, uint64_t& pause_ms) {
  uint64_t now = now_ms();
  uint64_t left_ms = deadline_ms > now ? deadline_ms - now : 0;
  if (left_ms < kPauseMinMs) return false;
  std::this_thread::sleep_for(std::chrono::milliseconds(std::min(pause_ms, left_ms / 2)));
  pause_ms = std::min(pause_ms * 2, kPauseMaxMs);
  return true;
}

class StoreRoutes final : public Routes {
 public:
  explicit StoreRoutes(const RoutesOptions& options) : options_(options) {}

  void add(std::unique_ptr<RoutedStore> store) { stores_.push_back(std::move(store)); }

  Result<Bytes> fetch(const BlockRef& ref, uint64_t plain_bytes) override {
    const uint64_t deadline_ms = now_ms() + options_.block_timeout_ms;
    std::vector<RoutedStore*> asked = covering(ref.id);
    if (asked.empty()) return no_route(Code::NotFound, ref.id);
    std::vector<std::pair<RoutedStore*, Error>> reasons;
    for (uint64_t pause_ms = kPauseMinMs;;) {
      if (is_cancelled_) return make_error(Code::Cancelled, "block " + ref.id.hex() + ": nobody waits any longer");
      sort_by_health(asked);
      RaceOutcome outcome = run_race(asked, ref, plain_bytes,
                                     {options_.hedge_ms, options_.try_timeout_ms, deadline_ms});
      if (outcome.plain) return std::move(*outcome.plain);
      std::erase_if(reasons, [&](const auto& one) { return std::ranges::count(asked, one.first) > 0; });
      for (size_t i = 0; i < asked.size(); ++i) reasons.emplace_back(asked[i], std::move(outcome.errors[i]));
      asked.clear();
      for (const auto& [store, error] : reasons) {
        if (!is_final(error)) asked.push_back(store);
      }
      if (is_cancelled_) continue;
      if (asked.empty() || !pause_before(deadline_ms, pause_ms)) return verdict(ref, reasons);
    }
  }

  Status put(const StoredBlock& block) override {
    const uint64_t deadline_ms = now_ms() + options_.block_timeout_ms;
    std::vector<RoutedStore*> stores = covering(block.ref.id);
    if (stores.empty()) return no_route(Code::Invalid, block.ref.id);
    for (RoutedStore* store : stores) {
      TRY(put_to(*store, block, deadline_ms).with_context("put block " + block.ref.id.hex() + ": " + store->name()));
    }
    return {};
  }

  Status flush() override {
    for (const auto& store : stores_) TRY(store->flush(options_.block_timeout_ms));
    return {};
  }

  std::vector<StoreFigures> figures() const override {
    std::vector<StoreFigures> out;
    for (const auto& store : stores_) out.push_back(store->figures());
    return out;
  }

  void cancel() override {
    is_cancelled_ = true;
    for (const auto& store : stores_) store->cancel();
  }

 private:
  std::vector<RoutedStore*> covering(const Hash& id) const {
    std::vector<RoutedStore*> out;
    for (const auto& store : stores_) {
      if (store->covers(id)) out.push_back(store.get());
    }
    return out;
  }

  static void sort_by_health(std::vector<RoutedStore*>& stores) {
    struct Place {
      Health health;
      size_t position;
      RoutedStore* store;
    };
    if (stores.size() < 2) return;
    std::vector<Place> places;
    for (RoutedStore* store : stores) places.push_back({store->health(), places.size(), store});
    std::ranges::sort(places, [](const Place& a, const Place& b) {
      if (Health::is_better(a.health, b.health)) return true;
      return !Health::is_better(b.health, a.health) && a.position < b.position;
    });
    std::ranges::transform(places, stores.begin(), &Place::store);
  }

  Status put_to(RoutedStore& store, const StoredBlock& block, uint64_t deadline_ms) {
    for (uint64_t pause_ms = kPauseMinMs;;) {
      uint64_t now = now_ms();
      uint64_t left_ms = deadline_ms > now ? deadline_ms - now : 0;
      Status put = store.put(block, std::min(options_.try_timeout_ms, left_ms));
      if (put.has_value() || is_final(put.error()) || !pause_before(deadline_ms, pause_ms)) return put;
    }
  }

  static Error no_route(Code code, const Hash& id) {
    return make_error(code, "block " + id.hex() + ": no store is named for blocks that begin with " +
                                id.hex().substr(0, 2));
  }

  static Error verdict(const BlockRef& ref, const std::vector<std::pair<RoutedStore*, Error>>& reasons) {
    std::string message = "block " + ref.id.hex();
    size_t missing = 0, wrong = 0, late = 0;
    for (const auto& [store, error] : reasons) {
      message += (&error == &reasons[0].second ? ": " : "; ") + store->name() + ": " + error.message;
      missing += error.code == Code::NotFound ? 1 : 0;
      wrong += error.code == Code::Corrupt ? 1 : 0;
      late += error.code == Code::TimedOut ? 1 : 0;
    }
    if (missing == reasons.size()) return make_error(Code::NotFound, message);
    if (missing + wrong == reasons.size()) return make_error(Code::Corrupt, message);
    return make_error(missing + wrong + late == reasons.size() ? Code::TimedOut : Code::Unavailable, message);
  }

  const RoutesOptions options_;
  std::vector<std::unique_ptr<RoutedStore>> stores_;
  std::atomic<bool> is_cancelled_ = false;
};

}  // namespace

std::unique_ptr<Routes> make_routes(std::vector<PlacedStore> stores, const RoutesOptions& options) {
  auto routes = std::make_unique<StoreRoutes>(options);
  for (PlacedStore& placed : stores) {
    auto store = std::make_unique<RoutedStore>(std::move(placed.store), options);
    for (const auto& [first, last] : placed.ranges) store->add_range(first, last);
    routes->add(std::move(store));
  }
  return routes;
}

Result<std::unique_ptr<Routes>> Routes::open(const std::vector<Route>& routes, const RoutesOptions& options) {
  StoreOptions store = options.store;
  if (store.trust == nullptr) store.trust = std::make_shared<io::TlsTrust>(store.certificates);
  std::vector<std::string> urls;
  std::vector<PlacedStore> stores;
  for (const Route& route : routes) {
    auto known = std::ranges::find(urls, route.url);
    auto position = static_cast<size_t>(known - urls.begin());
    if (known == urls.end()) {
      urls.push_back(route.url);
      stores.push_back({TRY(open_store(route.url, store)), {}});
    }
    stores[position].ranges.emplace_back(route.first, route.last);
  }
  return make_routes(std::move(stores), options);
}

}  // namespace mcloud::image
