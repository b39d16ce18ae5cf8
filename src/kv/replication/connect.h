// The way to another kv server: bytes there and back, every wait with a deadline.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "io/tls.h"

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

struct Way {
  std::string host;  // a name or an address; one that begins with '/' is a unix socket
  uint16_t port = 0;
  // With an authority TLS is spoken, and the server must show a certificate of it for `host`; the rest is for servers
  // that ask for one. Not on a unix socket: it leaves no machine. The files are read each time.
  io::TlsFiles tls;
};

// Unavailable or TimedOut: nobody there. By TLS also Denied: it is not believed; Corrupt: it speaks no TLS; Invalid: a
// file is wrong.
Result<std::unique_ptr<ByteStream>> open_stream(const Way& way, const Interrupt& interrupt, uint64_t timeout_ms);

// Whether the files can be used. Invalid, NotFound: says which cannot.
Status check_tls(const io::TlsFiles& files);

}  // namespace mcloud::kv
