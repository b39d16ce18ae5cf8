#include "image/stores/routed_store.h"

#include <algorithm>

#include "io/clock.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kIdleMs = 5'000;  // that a thread stays for the next block

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }
uint64_t now_us() { return io::SystemClock().monotonic_us(); }

}  // namespace

RoutedStore::RoutedStore(std::unique_ptr<BlockStore> store, const RoutesOptions& options)
    : store_(std::move(store)), on_fault_(options.on_fault), lane_(options.store.connections_max, kIdleMs) {}

RoutedStore::~RoutedStore() { store_->cancel(); }

bool RoutedStore::covers(const Hash& id) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const Range& range) { return id.data()[0] >= range.first && id.data()[0] <= range.last; });
}

Result<Bytes> RoutedStore::fetch(const BlockRef& ref, uint64_t plain_bytes, uint64_t timeout_ms) {
  const uint64_t begin_us = now_us();
  Result<Bytes> stored = store_->get(ref.id, timeout_ms);
  if (!stored.has_value() && stored.error().code == Code::NotFound) {
    remember_answer([&](StoreFigures&, Health& health) { health.missed(now_ms(), now_us() - begin_us); });
    return stored;
  }
  Result<Bytes> plain = stored.has_value() ? decode_block(ref, *stored, plain_bytes) : stored.error();
  if (!plain.has_value()) {
    remember(plain.error());
    return plain;
  }
  remember_answer([&](StoreFigures& figures, Health& health) {
    health.succeeded(now_ms(), now_us() - begin_us);
    ++figures.blocks;
    figures.bytes += stored->size();
  });
  return plain;
}

Status RoutedStore::put(const StoredBlock& block, uint64_t timeout_ms) {
  const uint64_t deadline_ms = now_ms() + timeout_ms;
  auto put = [&]() -> Result<bool> {
    if (TRY(store_->has(block.ref.id, timeout_ms))) return false;
    uint64_t now = now_ms();
    TRY(store_->put(block.ref.id, block.bytes, deadline_ms > now ? deadline_ms - now : 0));
    return true;
  };
  Result<bool> is_new = put();
  if (!is_new.has_value()) {
    remember(is_new.error());
    return is_new.error();
  }
  remember_answer([&](StoreFigures& figures, Health& health) {
    health.works(now_ms());
    figures.put_blocks += *is_new ? 1 : 0;
    figures.put_bytes += *is_new ? block.bytes.size() : 0;
  });
  return {};
}

Status RoutedStore::flush(uint64_t timeout_ms) { return store_->flush(timeout_ms).with_context(name()); }

void RoutedStore::remember(const Error& error) {
  if (error.code == Code::Cancelled) return;
  const bool is_wrong = error.code == Code::Corrupt;
  bool begins = false;
  {
    std::lock_guard lock(mutex_);
    begins = !health_.is_failing();
    health_.failed(now_ms());
    ++figures_.failures;
    figures_.wrong += is_wrong ? 1 : 0;
  }
  if (on_fault_ && (begins || is_wrong)) on_fault_(name(), error);
}

void RoutedStore::remember_answer(const std::function<void(StoreFigures&, Health&)>& change) {
  uint64_t failures = 0;
  {
    std::lock_guard lock(mutex_);
    failures = health_.failures();
    change(figures_, health_);
  }
  if (failures == 0 || !on_fault_) return;
  on_fault_(name(), make_error(Code::Cancelled, "it answers again, after " + std::to_string(failures) + " failures"));
}

void RoutedStore::was_slow(uint64_t waited_us) {
  std::lock_guard lock(mutex_);
  health_.was_slow(waited_us);
}

Health RoutedStore::health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

bool RoutedStore::take_look() {
  std::lock_guard lock(mutex_);
  if (!health_.wants_look(now_ms())) return false;
  health_.looked(now_ms());
  return true;
}

StoreFigures RoutedStore::figures() const {
  std::lock_guard lock(mutex_);
  StoreFigures figures = figures_;
  figures.name = name();
  figures.is_failing = health_.is_failing();
  return figures;
}

}  // namespace mcloud::image
