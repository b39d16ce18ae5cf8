#include "node/heartbeat.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/loop.h"
#include "node/identity.h"
#include "node/liveness.h"
#include "wire/canonical.h"
#include "wire/http_client.h"

namespace mcloud::node {
namespace {

constexpr std::string_view kDomain = "mcloud/heartbeat";
constexpr size_t kEndpointsMax = 16;
constexpr int kNice = -10;
constexpr uint64_t kWaitForAgentMs = 50;
constexpr uint64_t kQuietMs = 10'000;     // between two warnings about one endpoint
constexpr uint64_t kReserve = 1'000'000;  // numbers for which the file is written once: 11 days at one a second

// Best effort: without the right it runs as everybody else.
void take_priority() {
  if (::setpriority(PRIO_PROCESS, 0, kNice) != 0) log::debug("node", "heartbeat has no raised priority");
  Status scored = io::write_file("/proc/self/oom_score_adj", "-900", io::Durability::None);
  static_cast<void>(scored.has_value());
}

// One ledger endpoint: slow or dead ones delay only themselves.
class Line {
 public:
  Line(const wire::Endpoint& endpoint, uint64_t timeout_ms)
      : text_(endpoint.text),
        client_(wire::HttpClient::create(
            endpoint,
            {.connect_timeout_ms = timeout_ms, .request_timeout_ms = timeout_ms, .body_bytes_max = 64 << 10})),
        thread_(1, 1) {}

  // Dropped while the one before is still under way.
  void send(const Bytes& body, uint64_t now_ms) {
    thread_.submit([this, body, now_ms] {
      wire::HttpRequest request{.method = "POST", .target = "/v1/heartbeats"};
      request.body = body;
      auto response = client_->send(request);
      bool is_taken = response.has_value() && response->status / 100 == 2;
      if (is_taken || now_ms < quiet_until_ms_) return;
      quiet_until_ms_ = now_ms + kQuietMs;
      std::string reason = response.has_value() ? wire::error_of_response(*response).message : response.error().message;
      log::warning("node", "heartbeat was not taken", {{"endpoint", text_}, {"reason", reason}});
    });
  }

 private:
  const std::string text_;
  std::unique_ptr<wire::HttpClient> client_;
  uint64_t quiet_until_ms_ = 0;  // the thread's
  io::Pool thread_;
};

class Heart {
 public:
  explicit Heart(const Config& config)
      : config_(config),
        liveness_(config.liveness_file()),
        counter_(config.data_folder + "/heartbeats", clock_.wall_ms()) {}

  Status open_lines() {
    for (const std::string& text : config_.ledger) {
      if (lines_.size() == kEndpointsMax) break;
      wire::Endpoint endpoint = TRY(wire::Endpoint::parse(text));
      lines_.push_back(std::make_unique<Line>(endpoint, 1'000));
    }
    return {};
  }

  void run() {
    loop_.stop_on_signals();
    loop_.post([this] { beat(); });
    loop_.run();
  }

 private:
  void beat() {
    uint64_t begun = clock_.monotonic_ms();
    pb::LocalLiveness state = liveness_.read();
    // Whoever wrote the epoch made the key before.
    if (state.node_epoch() != 0 && !key_) open_key();
    if (!key_) {
      timer_ = loop_.after(kWaitForAgentMs, [this] { beat(); });
      return;
    }
    Bytes body = wire::encode(make_heartbeat(config_.trust.chain_id, *key_, {state.node_epoch(), counter_.next()}));
    for (auto& line : lines_) line->send(body, begun);
    uint64_t interval = heartbeat_interval_ms(state.fence_after_ms());
    uint64_t spent = clock_.monotonic_ms() - begun;
    timer_ = loop_.after(interval - std::min(spent, interval - 1), [this] { beat(); });
  }

  void open_key() {
    auto key = load_or_create_key(config_.key_file());
    if (key.has_value()) key_.emplace(std::move(*key));
    if (!key.has_value()) log::error("node", "heartbeat has no key", {{"reason", key.error().message}});
  }

  const Config& config_;
  std::optional<crypto::SigningKey> key_;
  io::SystemClock clock_;
  Liveness liveness_;
  HeartbeatCounter counter_;
  io::Loop loop_;
  io::Timer timer_;
  std::vector<std::unique_ptr<Line>> lines_;
};

}  // namespace

HeartbeatCounter::HeartbeatCounter(std::string file, uint64_t wall_ms) : file_(std::move(file)), last_(wall_ms) {
  auto text = io::read_file(file_, 32);
  uint64_t reserved = 0;
  if (text.has_value()) std::from_chars(text->data(), text->data() + text->size(), reserved);
  last_ = reserved_ = std::max(last_, reserved);
}

uint64_t HeartbeatCounter::next() {
  if (++last_ < reserved_) return last_;
  reserved_ = last_ + kReserve;
  // Without the file the wall clock must do: it seldom goes back.
  Status saved = io::write_file(file_, std::to_string(reserved_), io::Durability::Fsync, 0600);
  if (!saved.has_value())
    log::warning("node", "the heartbeat's counter is not kept", {{"reason", saved.error().message}});
  return last_;
}

uint64_t heartbeat_interval_ms(uint64_t fence_after_ms) { return std::max<uint64_t>(fence_after_ms / 5, 20); }

pb::SignedHeartbeat make_heartbeat(std::string_view chain_id, const crypto::SigningKey& key,
                                   const HeartbeatNumber& number) {
  pb::Heartbeat heartbeat;
  heartbeat.set_chain_id(std::string(chain_id));
  heartbeat.set_node(key.public_key().bytes());
  heartbeat.set_node_epoch(number.node_epoch);
  heartbeat.set_counter(number.counter);
  pb::SignedHeartbeat made;
  made.set_heartbeat(wire::encode(heartbeat));
  made.set_signature(key.sign(kDomain, made.heartbeat()));
  return made;
}

Status run_heartbeat(const Config& config) {
  take_priority();
  TRY(io::make_folders(config.data_folder, 0700));
  Heart heart(config);
  TRY(heart.open_lines());
  heart.run();
  return {};
}

}  // namespace mcloud::node
