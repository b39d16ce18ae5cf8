// The ledger's HTTP API: requests to calls, values to JSON (docs/reference/ledger.md). Everything it says of the state
// comes with a signed head and proofs, so that nobody has to believe it.
#pragma once

#include "ledger/application.h"
#include "ledger/engine/blobs.h"
#include "ledger/engine/feed.h"
#include "ledger/engine/solo.h"
#include "ledger/engine/watch.h"
#include "wire/http_server.h"

namespace mcloud::ledger {

inline constexpr size_t kSubmitTransactionsMax = 100;

class Api {
 public:
  // Everything named outlives it.
  struct Parts {
    io::Loop& loop;  // feed, watch and the engine's done functions belong to it
    const LedgerFolder& folder;
    const Clock& clock;
    Application& application;
    StateStore& state;
    BlockStore& blocks;
    Blobs& blobs;
    Solo& engine;
    HeadFeed& feed;
    Watch& watch;
    Guarded<ChainTip>& tip;  // the newest, set by the loop
  };
  explicit Api(const Parts& parts) : parts_(parts) {}

  // Thread-safe; for HttpServer.
  wire::HttpAnswer handle(const wire::HttpRequest& request);

 private:
  using Answer = Result<wire::HttpAnswer>;
  struct Route {
    std::string_view method;
    std::string_view path;  // ends in '/': a prefix
    Answer (Api::*handler)(const wire::HttpRequest&);
  };
  static const std::vector<Route>& routes();

  Answer submit(const wire::HttpRequest& request);
  Answer get_state(const wire::HttpRequest& request);
  Answer post_state(const wire::HttpRequest& request);
  Answer list(const wire::HttpRequest& request);
  Answer head(const wire::HttpRequest& request);
  Answer follow(const wire::HttpRequest& request);
  Answer block(const wire::HttpRequest& request);
  Answer put_blob(const wire::HttpRequest& request);
  Answer get_blob(const wire::HttpRequest& request);
  Answer heartbeat(const wire::HttpRequest& request);
  Answer sequence(const wire::HttpRequest& request);
  Answer status(const wire::HttpRequest& request);
  Answer snapshot(const wire::HttpRequest& request);
  Answer metrics(const wire::HttpRequest& request);

  Result<Bytes> head_at(uint64_t height) const;
  Answer state_answer(Result<QueryAnswer> answer) const;

  Parts parts_;
};

}  // namespace mcloud::ledger
