// A connection to the server that is followed: what is said before the stream begins.
#pragma once

#include <vector>

#include "kv/replication/connect.h"
#include "kv/replication/role.h"

namespace mcloud::kv {

class UpstreamLink {
 public:
  // Connected, by TLS when `tls` has an authority, and with the right password if one is needed.
  static Result<UpstreamLink> open(const Upstream& upstream, const io::TlsFiles& tls, const Interrupt& interrupt);

  // Sends a request and takes a line. Denied: it was refused, with its words.
  Status ask(const std::vector<std::string_view>& words);
  Result<std::vector<std::string>> ask_list(const std::vector<std::string_view>& words);  // of bulk strings
  // At least one byte, what came behind an answer included; 0: it has ended.
  Result<size_t> read(Bytes& to, uint64_t timeout_ms);
  Status write(BytesView bytes);

 private:
  explicit UpstreamLink(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}
  Result<std::string> take_line();
  Status need(size_t bytes);

  std::unique_ptr<ByteStream> stream_;
  Bytes came_;
  bool needs_tls_ = false;  // perhaps: it is plain, and nothing has come. A TLS server ends what is none without a word
};

}  // namespace mcloud::kv
