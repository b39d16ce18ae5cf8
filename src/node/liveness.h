// A small file on tmpfs: what the heartbeat process must know, and what an agent must know after its restart.
#pragma once

#include <cstdint>
#include <string>

#include "mcloud/node.pb.h"

namespace mcloud::node {

// One thread. Failing to write is logged: the file is renewed several times a second.
class Liveness {
 public:
  explicit Liveness(std::string file) : file_(std::move(file)) {}

  // What the file says; zeros when there is none (or none that can be understood).
  pb::LocalLiveness read();

  void node(uint64_t node_epoch, uint64_t fence_after_ms);
  // Written when it is younger than what the file says by more than 1/20 of fence_after.
  void contact(uint64_t last_contact_ms);

 private:
  void write();
  std::string file_;
  pb::LocalLiveness state_;
  uint64_t written_contact_ms_ = 0;
};

}  // namespace mcloud::node
