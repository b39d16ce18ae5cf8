// Follows one namespace of another server: a thread, a connection, a Follower. Begins anew after whatever goes wrong.
#pragma once

#include <condition_variable>  // pauses that can be ended
#include <mutex>               // others ask how it is
#include <thread>              // it waits for the network and the disk

#include "kv/replication/follower.h"
#include "kv/replication/upstream_link.h"

namespace mcloud::kv {

// Who is told what happened. From the client's thread.
class FollowerClientPort {
 public:
  virtual ~FollowerClientPort() = default;
  virtual void replaced(const std::string& name) = 0;  // the store has another namespace of this name
  virtual void received(const std::string& name) = 0;  // its log has grown
  virtual void seen_term(uint64_t term) = 0;
};

class FollowerClient {
 public:
  struct Options {
    std::string name;
    std::string member;
    Upstream upstream;
    io::TlsFiles tls;  // an authority: by TLS
  };
  // `store`, `clock` and `port` are borrowed.
  static Result<std::unique_ptr<FollowerClient>> start(Store& store, Clock& clock, FollowerClientPort& port,
                                                       Options options);
  // Nothing is changed any more when it returns.
  ~FollowerClient();

  void begin_anew();
  struct State {
    bool is_connected = false;
    std::string problem;  // why it is not
    Follower::Figures figures;
  };
  State state() const;

 private:
  FollowerClient(Store& store, Clock& clock, FollowerClientPort& port, Options options)
      : store_(store), clock_(clock), port_(port), options_(std::move(options)) {}
  void run();
  Status follow_once();
  Status stream(UpstreamLink& link, Follower& follower);
  void note(const Follower& follower);
  bool pause(uint64_t ms);  // false: it is over

  Store& store_;
  Clock& clock_;
  FollowerClientPort& port_;
  const Options options_;
  std::unique_ptr<Interrupt> interrupt_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool is_over_ = false;
  bool begins_anew_ = false;
  bool restarts_ = false;
  State state_;
  std::jthread thread_;
};

}  // namespace mcloud::kv
