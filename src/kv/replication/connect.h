// The way to another kv server: bytes there and back, every wait with a deadline.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"

namespace mcloud::kv {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte; 0: the other side has ended. TimedOut: nothing came; Cancelled: interrupted.
  virtual Result<size_t> read(char* to, size_t size, uint64_t timeout_ms) = 0;
  // All of it.
  virtual Status write(BytesView bytes, uint64_t timeout_ms) = 0;
};

// Ends all waits of the streams opened with it, now and later. From any thread; outlives them.
class Interrupt {
 public:
  static Result<std::unique_ptr<Interrupt>> make();
  virtual ~Interrupt() = default;
  virtual void ring() = 0;
  virtual int fd() const = 0;  // readable when it has rung
};

// Host: a name or an address. A host that begins with '/' is a unix socket.
Result<std::unique_ptr<ByteStream>> open_stream(const std::string& host, uint16_t port, const Interrupt& interrupt,
                                                uint64_t timeout_ms);

}  // namespace mcloud::kv
