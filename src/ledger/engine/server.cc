#include "ledger/engine/server.h"

#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "ledger/engine/api.h"
#include "ledger/engine/recovery.h"
#include "ledger/state/keys.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kFeedTickMs = 500;
constexpr uint64_t kFailureCheckMs = 500;

// Blobs that the state names are kept, whatever a crash left undone.
Status keep_named_blobs(const StateView& view, Blobs& blobs) {
  Status failed;
  auto keep = [&](BytesView bytes) {
    Result<Hash> hash = Hash::from_bytes(bytes);
    if (!hash.has_value()) return;  // empty: none
    Status kept = blobs.keep(*hash);
    if (kept.has_value()) return;
    if (kept.error().code != Code::Exhausted)
      failed = std::move(kept);
    else
      log::warning("ledger", "cannot keep a blob", {{"hash", hash->hex()}, {"error", kept.error().message}});
  };
  TRY(view.each("contract/", "", [&](BytesView, BytesView value) {
    pb::Contract contract;
    if (!contract.ParseFromArray(value.data(), static_cast<int>(value.size()))) return true;
    keep(contract.keyring_hash());
    keep(contract.proposed_keyring_hash());
    for (const pb::ContractVersion* version : {&contract.current(), &contract.proposed()}) {
      pb::ContractHeader header;
      if (header.ParseFromString(version->header())) keep(header.body_hash());
    }
    return failed.has_value();
  }));
  return failed;
}

class LedgerServer final : public Server {
 public:
  LedgerServer(const Options& options, LedgerFolder folder)
      : options_(options),
        folder_(std::move(folder)),
        clock_(options.clock != nullptr ? *options.clock : system_clock_) {}

  ~LedgerServer() override {
    http_.reset();  // no handler runs any more
    loop_.stop();
    thread_.reset();
  }

  Status open();

  uint16_t port() const override { return http_->port(); }
  const Trust& trust() const override { return folder_.trust; }
  ChainTip tip() const override { return tip_.copy(); }
  Status run_until_signal() override;

 private:
  void on_block(const ChainTip& tip, const Application::FinalizedBlock& block);
  void tick_feed();
  Status serve();

  const Options options_;
  const LedgerFolder folder_;
  const io::SystemClock system_clock_;
  const Clock& clock_;
  io::Fd lock_;

  // In the order of use: whatever is below may use what is above, so it is destroyed first.
  io::Loop loop_;
  std::unique_ptr<BlockStore> blocks_;
  std::unique_ptr<StateStore> state_;
  std::unique_ptr<Blobs> blobs_;
  std::unique_ptr<Application> application_;
  mutable Guarded<ChainTip> tip_;
  std::unique_ptr<HeadFeed> feed_;
  std::unique_ptr<Solo> engine_;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<Api> api_;
  io::Timer feed_timer_;
  std::unique_ptr<io::Pool> thread_;  // runs the loop
  std::unique_ptr<wire::HttpServer> http_;
};

Status LedgerServer::open() {
  const std::string& folder = options_.data_folder;
  lock_ = TRY(io::lock_file(folder + "/lock").with_context("another ledger runs in this folder"));
  blocks_ = TRY(BlockStore::open(folder + "/blocks", {}));
  state_ = TRY(StateStore::open(folder + "/state"));
  blobs_ = TRY(Blobs::open(folder + "/blobs", clock_, {}));
  application_ = make_application(*state_, clock_, folder_.trust.chain_id);
  ChainTip tip = TRY(recover_chain(folder_, *application_, *state_, *blocks_));
  TRY(keep_named_blobs(*state_->view(), *blobs_));
  tip_.set(tip);
  feed_ = std::make_unique<HeadFeed>(tip);
  engine_ = std::make_unique<Solo>(
      loop_, *application_, *blocks_, clock_, folder_, tip, options_.limits,
      [this](const ChainTip& newest, const Application::FinalizedBlock& block) { on_block(newest, block); });
  watch_ = std::make_unique<Watch>(loop_, *state_, *engine_, clock_, folder_);
  api_ = std::make_unique<Api>(
      Api::Parts{loop_, folder_, clock_, *application_, *state_, *blocks_, *blobs_, *engine_, *feed_, *watch_, tip_});
  return serve();
}

Status LedgerServer::serve() {
  wire::HttpServer::Options http;
  http.host = options_.host;
  http.port = options_.port;
  http.unix_path = options_.unix_path;
  http.workers = options_.workers;
  http_ =
      TRY(wire::HttpServer::start(http, [this](const wire::HttpRequest& request) { return api_->handle(request); }));
  loop_.post([this] {
    engine_->start();
    watch_->start();
    tick_feed();
  });
  thread_ = std::make_unique<io::Pool>(1, 1);
  thread_->submit([this] { loop_.run(); });
  log::info("ledger", "serving",
            {{"chain", folder_.trust.chain_id},
             {"height", std::to_string(tip_.copy().head.height)},
             {"port", std::to_string(http_->port())}});
  return {};
}

void LedgerServer::on_block(const ChainTip& tip, const Application::FinalizedBlock& block) {
  tip_.set(tip);
  for (const Hash& hash : block.named_blobs) {
    Status kept = blobs_->keep(hash);
    if (!kept.has_value()) log::warning("ledger", "cannot keep a blob", {{"error", kept.error().message}});
  }
  feed_->publish(tip);
}

void LedgerServer::tick_feed() {
  feed_->tick(clock_.monotonic_ms());
  feed_timer_ = loop_.after(kFeedTickMs, [this] { tick_feed(); });
}

Status LedgerServer::run_until_signal() {
  io::Loop waiting;
  waiting.stop_on_signals();
  io::Timer timer;
  std::function<void()> look = [&] {
    if (!engine_->failure().has_value()) return waiting.stop();
    timer = waiting.after(kFailureCheckMs, look);
  };
  look();
  waiting.run();
  return engine_->failure();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Options& options) {
  LedgerFolder folder = TRY(load_ledger_folder(options.data_folder));
  auto server = std::make_unique<LedgerServer>(options, std::move(folder));
  TRY(server->open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace mcloud::ledger
