// Replication as a server runs it: carries out what the Group decides, with a client per namespace that is followed and
// a feed per namespace that others follow.
#pragma once

#include <condition_variable>  // the ticker sleeps while nobody follows
#include <map>
#include <memory>
#include <mutex>   // clients come and go on any thread
#include <thread>  // the ticker; the list of the master's namespaces

#include "kv/replication/follower_client.h"
#include "kv/replication/group.h"
#include "kv/server_state.h"

namespace mcloud::kv {

struct ReplicationOptions {
  std::optional<Upstream> follow;  // as if FOLLOW had been said, where no role is remembered yet
  std::optional<uint64_t> copies;  // as if MIN-REPLICAS had been said, + 1
};

class Replication final : public GroupPort, public FollowerClientPort {
 public:
  // All are borrowed.
  Replication(ServerState& state, Store& store, Disk& disk, Clock& clock, const std::string& folder);
  ~Replication() override;
  // Takes up the role that the folder remembers. Before it a server leads and nothing runs.
  Status open(const ReplicationOptions& options);
  // Nothing of it runs any more.
  void stop();

  Group& group() { return group_; }
  Store& store() { return store_; }
  // A namespace that clients may use from now on.
  void attach(Space& space);
  // Somebody streams: the ticker runs.
  void stream_began();
  Status begin_anew(const std::string& name);  // Conflict: it is not followed
  // Ends the streams of before: each asks for its number when it begins and looks whether it is the same.
  uint64_t stream_number() const { return stream_number_; }

  struct Following {
    std::string name;
    FollowerClient::State state;
  };
  std::vector<Following> following() const;

  // --- GroupPort
  void follow(const Upstream* upstream, const std::string& member) override;
  void end_streams() override;
  void lead(const AckRules& rules) override;
  void set_rules(const AckRules& rules) override;
  void end_waiting(const Error& why) override;
  std::optional<Members> propose() override;
  // --- FollowerClientPort
  void replaced(const std::string& name) override;
  void received(const std::string& name) override;
  void seen_term(uint64_t term) override { group_.seen_term(term); }

 private:
  void start_client(const std::string& name);
  void tick(std::stop_token stop);
  void watch_names(std::stop_token stop);
  void match_names(const std::vector<std::string>& theirs);

  ServerState& state_;
  Store& store_;
  Disk& disk_;
  Clock& clock_;
  Group group_;
  std::atomic<uint64_t> stream_number_{1};

  mutable std::mutex mutex_;  // of what is below
  std::condition_variable_any wake_;
  Upstream upstream_;
  std::string member_;
  std::map<std::string, std::unique_ptr<FollowerClient>> clients_;
  std::unique_ptr<Interrupt> interrupt_;  // of the watcher
  AckRules rules_;
  std::optional<Error> ended_;  // nobody leads here
  bool has_streams_ = false;
  std::jthread watcher_;
  std::jthread ticker_;
};

}  // namespace mcloud::kv
