// Packets of text, each with at most one descriptor, between the keeper and the cluster's root.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "io/file.h"

namespace mcloud::lab {

struct Packet {
  std::string text;
  io::Fd descriptor;
};

class Channel {
 public:
  static Result<std::pair<Channel, Channel>> create_pair();
  explicit Channel(io::Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // `descriptor` -1 = none. Waits at most 5 s for room. Unavailable when the other end is gone.
  Status send(const std::string& text, int descriptor = -1);
  // Blocks. nullopt when the other end is gone.
  Result<std::optional<Packet>> receive();

 private:
  io::Fd fd_;
};

}  // namespace mcloud::lab
