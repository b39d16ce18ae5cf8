// Talks to the sink: nodes push, owners read. Blocking calls with deadlines; one thread each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/world.h"
#include "crypto/sign.h"
#include "mcloud/sink.pb.h"
#include "wire/http_client.h"

namespace mcloud::sink {

inline constexpr std::string_view kDomain = "mcloud/sink";
inline constexpr size_t kPushBytesMax = 2 << 20;

// Lines to a batch that only the contract's owner opens. `lines` is not empty.
Result<pb::LogBatch> seal_lines(const PublicKey& owner, const ContractId& contract, const pb::LogLines& lines);
// Denied: not for this key, or of another contract.
Result<pb::LogLines> open_lines(const crypto::SigningKey& owner, const pb::LogBatch& batch);

class Pusher {
 public:
  struct Options {
    std::string endpoint;
    std::string chain_id;
    uint64_t timeout_ms = 5'000;
  };
  // Both are borrowed.
  static Result<std::unique_ptr<Pusher>> open(const Options& options, const crypto::SigningKey& node,
                                              const Clock& clock);

  // How many batches the sink refused for good (no such contract here, too large); they are not to be sent again.
  // Conflict: the sink has seen a higher counter (our clock went back meanwhile); the next try has a much higher one.
  Result<uint32_t> push(std::vector<pb::LogBatch> logs, std::string metrics);

 private:
  Pusher(const Options& options, const crypto::SigningKey& node, std::unique_ptr<wire::HttpClient> http,
         uint64_t counter)
      : options_(options), node_(node), http_(std::move(http)), counter_(counter) {}
  const Options options_;
  const crypto::SigningKey& node_;
  std::unique_ptr<wire::HttpClient> http_;
  uint64_t counter_;
  uint64_t jump_ = 0;
};

struct LogQuery {
  ContractId contract;
  std::string workload;  // "" = all
  std::optional<uint32_t> index;
  uint64_t after = 0;              // number of the last batch seen
  std::optional<uint64_t> newest;  // only so many batches, the last ones
};

class Reader {
 public:
  struct Options {
    std::string endpoint;
    std::string chain_id;
    uint64_t timeout_ms = 10'000;
  };
  // Both are borrowed; `owner` is the contract's.
  static Result<std::unique_ptr<Reader>> open(const Options& options, const crypto::SigningKey& owner,
                                              const Clock& clock);

  struct Page {
    std::vector<pb::StoredBatch> batches;
    uint64_t first_number = 1;  // lower ones were dropped to make room
    bool has_more = false;      // ask again after the last one
  };
  Result<Page> read(const LogQuery& query);

  // Everything after query.after, then what comes, until `visit` returns false or `is_wanted` does (asked
  // about once a second). Unavailable when the stream ends otherwise.
  Status follow(const LogQuery& query, const std::function<bool(const pb::StoredBatch&)>& visit,
                const std::function<bool()>& is_wanted);

 private:
  Reader(const Options& options, const crypto::SigningKey& owner, const Clock& clock, const wire::Endpoint& endpoint)
      : options_(options), owner_(owner), clock_(clock), endpoint_(endpoint) {}
  wire::HttpRequest request_for(const LogQuery& query, bool follow) const;

  const Options options_;
  const crypto::SigningKey& owner_;
  const Clock& clock_;
  const wire::Endpoint endpoint_;
};

// What a read request's signature covers.
struct SignedRead {
  std::string chain_id;
  std::string target;   // path and query as sent
  std::string time_ms;  // wall clock of the reader, as sent
};
Bytes read_statement(const SignedRead& read);

}  // namespace mcloud::sink
