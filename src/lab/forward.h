// Ports of 127.0.0.1 on the host that lead into the cluster's network namespace.
//
// A connection races its candidates: the one that answered last goes first, then another every 100 ms (at once
// when one refuses) until one connects; who fails is asked last for a second. Bytes flow both ways, each way ends by
// itself (half-close); nothing is read from the client before a candidate has connected, so nothing is lost in the
// race.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lab/poller.h"

namespace mcloud::lab {

struct Target {
  std::string address;  // IPv4
  uint16_t port = 0;
  // "10.250.0.11:8080"
  static Result<Target> parse(const std::string& text);
  std::string text() const { return address + ":" + std::to_string(port); }
};

class ForwardedConnection;

// Belongs to the poller's thread, which must be in the host's network namespace.
class Forwarder {
 public:
  static constexpr size_t kConnectionsMax = 2048;

  // `cluster`: the network namespace where targets are.
  Forwarder(Poller& poller, io::Fd cluster);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // Listens, or changes the targets of the one with this name. `port` 0 = any. The port.
  Result<uint16_t> set(const std::string& name, uint16_t port, std::vector<Target> targets);
  // Open connections go on. Absent is fine.
  void remove(const std::string& name);

  struct Entry {
    uint16_t port = 0;
    std::vector<Target> targets;
  };
  std::map<std::string, Entry> entries() const;
  size_t connections() const { return connections_.size(); }

 private:
  friend class ForwardedConnection;
  // Shared by the connections of one listener, which may outlive it.
  struct Candidates {
    std::vector<Target> targets;
    std::string last_good;
    std::map<std::string, uint64_t> bad_until_ms;
    std::vector<Target> in_order(uint64_t now_ms) const;
  };
  struct Listener {
    io::Fd fd;
    uint16_t port = 0;
    std::shared_ptr<Candidates> candidates;
  };
  void accept_from(const std::string& name);
  void listen_while_room();
  void pause(bool paused);
  void finished(uint64_t number);
  Result<io::Fd> start_connect(const Target& target);

  Poller& poller_;
  io::Fd cluster_;
  std::map<std::string, Listener> listeners_;
  std::map<uint64_t, std::unique_ptr<ForwardedConnection>> connections_;
  uint64_t last_number_ = 0;
  bool paused_ = false;
  uint64_t resume_timer_ = 0;
  std::string buffer_;  // one for all: used within a callback only
};

}  // namespace mcloud::lab
