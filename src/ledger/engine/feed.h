// Who waits for the next block: followers (server-sent events) and long polls. Belongs to the loop.
#pragma once

#include <list>
#include <memory>

#include "ledger/engine/block.h"
#include "wire/http_server.h"

namespace mcloud::ledger {

// {"head":"BASE64"} or {"head":null}
std::string head_json(const ChainTip* tip);

class HeadFeed {
 public:
  explicit HeadFeed(ChainTip tip) : tip_(std::move(tip)) {}

  // Tells it the newest head at once, then each one.
  void follow(std::shared_ptr<wire::HttpStream> stream);
  // Answers once there is a head above `above`, or with none at the deadline (monotonic).
  void wait(std::shared_ptr<wire::HttpStream> stream, uint64_t above, uint64_t deadline_ms);

  void publish(const ChainTip& tip);
  // Every second or so: ends waits past their deadline, forgets peers that went, keeps followers' connections alive.
  void tick(uint64_t now_ms);

  size_t followers() const { return followers_.size(); }

 private:
  struct Waiter {
    std::shared_ptr<wire::HttpStream> stream;
    uint64_t above = 0;
    uint64_t deadline_ms = 0;
  };

  ChainTip tip_;
  std::list<std::shared_ptr<wire::HttpStream>> followers_;
  std::list<Waiter> waiters_;
  uint64_t kept_alive_ms_ = 0;
};

}  // namespace mcloud::ledger
