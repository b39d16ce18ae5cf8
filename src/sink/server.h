// The sink process beside the ledger: nodes push what people may see, owners read their own.
//
//   POST /v1/push   pb::SignedPush of an admitted node -> {"taken":n,"refused":n}
//   GET  /v1/logs?contract=HEX[&workload=NAME][&index=N][&after=N][&newest=N]
//                   signed by the contract's owner -> {"batches":[base64 pb::StoredBatch...],"first":n,"more":bool}
//        ...&follow=1   the same, then what comes, as server-sent events "batch"
//   GET  /metrics   Prometheus text of all nodes and the sink
//   GET  /health    {"ok":true}
//
// It can read no line: batches are sealed to the owner by the node.
#pragma once

#include <memory>
#include <string>

#include "base/world.h"
#include "ledger/client/client.h"
#include "sink/directory.h"
#include "sink/shelf.h"

namespace mcloud::sink {

class Server {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 0;               // 0 = any free one
    std::string folder;              // DIR/logs/
    std::string chain_id;
    ShelfLimits limits;
    uint64_t replay_window_ms = 60'000;  // how far a reader's clock may be off
    uint64_t keep_alive_ms = 15'000;
  };
  // `clock` is borrowed.
  static Result<std::unique_ptr<Server>> start(const Options& options, std::unique_ptr<Directory> directory, const Clock& clock);
  virtual ~Server() = default;  // closes every connection
  virtual uint16_t port() const = 0;
};

struct ProcessOptions {
  Server::Options server;
  std::vector<std::string> ledger;  // endpoints
  ledger::Trust trust;
};
// `mcloud sink`: until SIGTERM.
Status run_sink(const ProcessOptions& options);

}  // namespace mcloud::sink
