// How what was written becomes visible to readers on other threads: key by key in the index, and yet nobody sees half of
// a transaction.
#pragma once

#include <atomic>  // the hot path: readers never wait for a lock here
#include <cstdint>
#include <optional>
#include <thread>  // yield: the writer may have been set aside by the kernel

namespace mcloud::kv {

class Publication {
 public:
  // Around the changes of the index, by the one writer. `is_together`: there is a transaction among them.
  void begin(bool is_together) {
    if (is_together) is_together_.store(true, std::memory_order_seq_cst);
    begun_.fetch_add(1, std::memory_order_seq_cst);
  }
  void end() {
    ended_.fetch_add(1, std::memory_order_seq_cst);
    is_together_.store(false, std::memory_order_release);
  }

  // Before a key is looked up. Whoever has seen one key of a transaction waits here until all are there.
  void wait_for_transaction() const {
    for (int tries = 0; is_together_.load(std::memory_order_acquire); ++tries) {
      if (tries > 100) std::this_thread::yield();
    }
  }

  // The same before and after several reads: they were all true at one moment. nullopt: something changes just now.
  std::optional<uint64_t> quiet_moment() const {
    uint64_t ended = ended_.load(std::memory_order_seq_cst);
    return begun_.load(std::memory_order_seq_cst) == ended ? std::optional(ended) : std::nullopt;
  }

 private:
  std::atomic<bool> is_together_{false};
  std::atomic<uint64_t> begun_{0};
  std::atomic<uint64_t> ended_{0};
};

}  // namespace mcloud::kv
