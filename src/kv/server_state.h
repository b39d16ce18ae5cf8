// What all sessions of a server share: the namespaces as clients see them, the options, the counters, and who waits for
// whose commands. Thread-safe.
#pragma once

#include <array>
#include <atomic>  // sessions of all loops read flags and count without waiting for each other
#include <map>
#include <memory>
#include <mutex>  // the list of namespaces changes rarely and from any loop
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/world.h"
#include "io/tls.h"
#include "kv/counters.h"
#include "kv/replication/feed.h"
#include "kv/session_hub.h"
#include "kv/store.h"

namespace mcloud::kv {

enum class Dialect : uint8_t { Zdb, Redis };
enum class ModePolicy : uint8_t { User, Sequence, Mixed };  // Mixed: each namespace has its own

// A namespace with what lives in memory only and what every command asks.
struct Space {
  explicit Space(NamespacePtr opened);
  // After its settings changed.
  void refresh();

  const NamespacePtr store;
  const std::shared_ptr<Feed> feed = std::make_shared<Feed>();  // who follows it
  std::atomic<bool> is_locked = false;  // reads only
  std::atomic<bool> is_frozen = false;  // neither reads nor writes
  std::atomic<bool> is_gone = false;    // removed while clients used it
  std::atomic<bool> is_replaced = false;  // another one of this name is here now: a copy made anew
  std::atomic<bool> is_loading = false;   // a copy that is not complete
  std::atomic<bool> is_write_once = false;
  std::atomic<Durability> durability = Durability::Interval;
  std::atomic<KeyMode> mode = KeyMode::User;
};
using SpacePtr = std::shared_ptr<Space>;

// Calls back when `position` is as durable as an acknowledgement promises: here, and at as many followers as the rules
// say.
void when_acknowledged(const SpacePtr& space, Position position, std::function<void(Status)> then);

struct ServiceOptions {
  Dialect dialect = Dialect::Zdb;  // of connections that do not begin with HELLO
  ModePolicy mode = ModePolicy::Mixed;
  Settings defaults;                    // of new namespaces
  std::string upstream_password;        // what a master is told when FOLLOW does not say it
  io::TlsFiles upstream_tls;            // an authority: masters are spoken to by TLS
  bool is_managed = false;              // a node's agent gives orders (GROUP); `defaults` go for `default` while it leads
  bool has_agent_socket = false;        // its orders come by the unix socket only, and nobody else does
  bool is_private = false;              // nothing is read or written by who is no administrator
  std::string admin_password;           // empty: every client is an administrator
  bool protects_default = false;        // the namespace `default` is read-only for who is no administrator
  std::string folder;                   // for INFO and NSINFO
  size_t output_bytes_max = 1 << 20;    // of unread replies, before a session stops running requests
  size_t reply_bytes_max = 64 << 20;    // of one reply, but for one value
  size_t memory_bytes_max = 512 << 20;  // of all sessions' buffers
};

// Connections come on one loop and go on any.
struct ConnectionCounters {
  std::atomic<uint64_t> ever = 0, now = 0, refused = 0;
};

inline constexpr std::string_view kDefaultNamespace = "default";
inline constexpr std::string_view kServerVersion = "0.1.0";

class Replication;

class ServerState {
 public:
  // All are borrowed. Takes the store's namespaces over.
  ServerState(Store& store, Disk& disk, Clock& clock, Random& random, ServiceOptions options);
  ~ServerState();

  Replication& replication() { return *replication_; }
  const ServiceOptions& options() const { return options_; }
  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  Disk& disk() { return disk_; }
  Hub& hub() { return hub_; }
  ConnectionCounters& connections() { return connections_; }
  // For one loop more, before it runs.
  Tallies& make_tallies();
  Counters counters() const;
  uint64_t started_ms() const { return started_ms_; }

  SpacePtr find(std::string_view name) const;  // nullptr: none
  std::vector<SpacePtr> spaces() const;
  // The store has another namespace of this name, or none.
  void refresh(const std::string& name);
  std::vector<std::string> names() const { return store_.names(); }
  Result<SpacePtr> create(std::string_view name);
  Status remove(const SpacePtr& space);  // sessions that use it are told
  Status clear(const SpacePtr& space);
  Status change(Space& space, const std::function<void(Settings&)>& edit);

  // The server ends: what runs long should stop.
  void stop() { is_stopping_ = true; }
  bool is_stopping() const { return is_stopping_; }

  // Bytes that sessions hold.
  void add_memory(int64_t bytes) { memory_.fetch_add(bytes, std::memory_order_relaxed); }
  bool is_short_of_memory() const {
    return memory_.load(std::memory_order_relaxed) > static_cast<int64_t>(options_.memory_bytes_max);
  }
  // Large reads wait, or would have to.
  bool is_under_pressure() const { return is_short_of_memory() || starved_.load(std::memory_order_relaxed) > 0; }
  void add_starved(int sessions) { starved_.fetch_add(sessions, std::memory_order_relaxed); }
  int64_t memory() const { return memory_.load(std::memory_order_relaxed); }

 private:
  Store& store_;
  Disk& disk_;
  Clock& clock_;
  Random& random_;
  const ServiceOptions options_;
  const uint64_t started_ms_;
  Hub hub_;
  ConnectionCounters connections_;
  mutable std::mutex tallies_mutex_;
  std::vector<std::unique_ptr<Tallies>> tallies_;
  std::atomic<int64_t> memory_ = 0;
  std::atomic<int> starved_ = 0;  // sessions
  std::atomic<bool> is_stopping_ = false;
  std::mutex changing_;       // one change at a time; waits for writers, so nobody who holds one takes it
  mutable std::mutex mutex_;  // spaces_; never held while the store works
  std::map<std::string, SpacePtr, std::less<>> spaces_;
  std::unique_ptr<Replication> replication_;
};

}  // namespace mcloud::kv
