// Who is told when somebody runs a command: clients that WAIT for one, clients that MIRROR all. Thread-safe; nobody
// listening costs one load.
#pragma once

#include <atomic>  // the hot path asks whether anybody listens
#include <list>
#include <mutex>  // listeners come and go on any loop
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mcloud::kv {

struct Space;
struct Command;

// A session, from any thread: its loop's door and its number there.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  // The session's deliver(ticket, bytes) is called on its loop, unless it has ended by then.
  virtual void post(uint64_t session, uint64_t ticket, Bytes bytes) = 0;
};

struct Listener {
  Mailbox* mailbox = nullptr;
  uint64_t session = 0;
  uint64_t ticket = 0;
  const Space* space = nullptr;      // WAIT: of the commands waited for
  const Command* command = nullptr;  // WAIT: nullptr is every command
  bool is_mirror = false;
};

class Hub {
 public:
  void add(const Listener& listener);
  // All of a session's.
  void remove(const Mailbox& mailbox, uint64_t session);
  bool is_heard() const { return count_.load(std::memory_order_relaxed) > 0; }

  struct Heard {
    const Mailbox* mailbox;  // who ran it, with `session`; is not told
    uint64_t session;
    const Space* space;
    std::string_view space_name;
    const Command* command;
    std::string_view command_name;
    const std::vector<std::string_view>* arguments;
    uint64_t owner;  // what a master said about its source
    uint64_t time_s;
  };
  void tell(const Heard& heard);

 private:
  std::atomic<size_t> count_ = 0;
  std::mutex mutex_;
  std::list<Listener> listeners_;
};

}  // namespace mcloud::kv
