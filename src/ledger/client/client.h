// The verifying client: it trusts the validators' keys and nothing else. Whatever a server says is
// checked against signed block headers and proofs; the highest verified height is kept durably and a
// lower one is refused ever after.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/world.h"
#include "ledger/state/machine.h"
#include "mcloud/ledger.pb.h"
#include "wire/http.h"

namespace mcloud::ledger {

// What must be trusted to begin with; `mcloud ledger init` writes it, people carry it.
struct Trust {
  std::string chain_id;
  std::vector<pb::Validator> validators;
  static Result<Trust> parse(std::string_view json);
  std::string to_json() const;
};

struct Head {
  uint64_t height = 0;
  uint64_t time_ms = 0;
  Hash hash;  // of the block header's bytes
  Hash state_hash;
};

struct Entry {
  Bytes key;
  std::optional<Bytes> value;
  Bytes proof;  // that convinced us (ledger/tree/proof.h): it may convince others
};
struct Snapshot {  // verified entries of one height
  Head head;
  std::vector<Entry> entries;
  Bytes signed_head;  // of get(): SignedBlockHeader, as the validators signed it
};

struct SubmitOutcome {
  uint64_t height = 0;  // where it was executed
  TransactionResult result;
};

// Blocking calls with deadlines. One thread at a time; make one client per thread.
class Client {
 public:
  struct Options {
    std::vector<std::string> endpoints;  // tried in turn: "http://host:port", "unix:/path"
    Trust trust;
    std::string state_file;  // keeps the highest verified height; "" = in memory only
    uint64_t timeout_ms = 10'000;
  };
  static Result<std::unique_ptr<Client>> open(const Options& options, const Clock& clock);
  virtual ~Client() = default;

  virtual const Trust& trust() const = 0;
  // The highest verified head so far (height 0 and no hash when none yet), and how old our last contact is.
  virtual Head head() const = 0;
  virtual uint64_t last_contact_ms() const = 0;  // monotonic; 0 = never

  // Values with checked proofs, all of one height >= the highest verified. Denied when anything does not verify.
  virtual Result<Snapshot> get(const std::vector<Bytes>& keys) = 0;
  // All entries under a prefix, each verified for inclusion (completeness is the server's word).
  virtual Result<Snapshot> list(BytesView prefix) = 0;

  // Sends signed transactions (<= 100) and waits until executed, or TimedOut (outcome unknown).
  virtual Result<std::vector<SubmitOutcome>> submit(const std::vector<Bytes>& signed_transactions) = 0;
  // The next free sequence number of a sender.
  virtual Result<uint64_t> next_sequence(const PublicKey& sender) = 0;

  // Content-addressed bytes beside the ledger; what comes back is checked against its hash.
  virtual Status put_blob(BytesView bytes) = 0;
  virtual Result<Bytes> get_blob(const Hash& hash) = 0;

  virtual Status send_heartbeat(const pb::SignedHeartbeat& heartbeat) = 0;

  // Waits for a verified head above `above`, at most `timeout_ms`; nullopt when none came.
  virtual Result<std::optional<Head>> wait_for_head(uint64_t above, uint64_t timeout_ms) = 0;
};

}  // namespace mcloud::ledger
