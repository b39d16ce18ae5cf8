// One connection to a server, blocking, and the replies that come over it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/file.h"

namespace mcloud::linear {

struct Reply {
  char kind = 0;  // + - : $ * as in RESP2; a null has the kind of what is not there
  bool is_null = false;
  std::string text;  // of + - : $
  std::vector<Reply> items;
};

// Nanoseconds of the clock that all threads and connections share.
uint64_t now();

class Client {
 public:
  // False from is_open(): nobody listens there.
  explicit Client(uint16_t port);
  bool is_open() const { return fd_.is_open(); }
  bool send(BytesView bytes);
  // The next reply; nullopt when the connection has ended, or nothing has come for twenty seconds (is_silent()).
  std::optional<Reply> receive();
  bool is_silent() const { return is_silent_; }

 private:
  bool read_more();
  bool parse(size_t& at, Reply& reply) const;

  io::Fd fd_;
  Bytes unread_;
  bool is_silent_ = false;
};

}  // namespace mcloud::linear
