#include "kv/replication/follower_client.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kPauseLeastMs = 100, kPauseMostMs = 5'000;
constexpr uint64_t kTickMs = 25;
constexpr uint64_t kSilenceMs = 5'000;  // a master says something ten times a second

}  // namespace

Result<std::unique_ptr<FollowerClient>> FollowerClient::start(Store& store, Clock& clock, FollowerClientPort& port,
                                                              Options options) {
  std::unique_ptr<FollowerClient> client(new FollowerClient(store, clock, port, std::move(options)));
  client->interrupt_ = TRY(Interrupt::make());
  client->thread_ = std::jthread([one = client.get()] { one->run(); });
  return client;
}

FollowerClient::~FollowerClient() {
  {
    std::lock_guard guard(mutex_);
    is_over_ = true;
  }
  wake_.notify_all();
  interrupt_->ring();
  if (thread_.joinable()) thread_.join();
}

void FollowerClient::begin_anew() {
  std::lock_guard guard(mutex_);
  begins_anew_ = restarts_ = true;
}

FollowerClient::State FollowerClient::state() const {
  std::lock_guard guard(mutex_);
  return state_;
}

bool FollowerClient::pause(uint64_t ms) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return is_over_; });
  return !is_over_;
}

void FollowerClient::run() {
  uint64_t pause_ms = kPauseLeastMs;
  std::string told;
  while (true) {
    Status done = follow_once();
    bool was_connected = false;
    {
      std::lock_guard guard(mutex_);
      if (is_over_) return;
      was_connected = std::exchange(state_.is_connected, false);
      state_.problem = done.has_value() ? "the connection has ended" : done.error().message;
    }
    if (state_.problem != told || was_connected) {
      told = state_.problem;
      log::warning("kv", "does not follow",
                   {{"namespace", options_.name},
                    {"master", options_.upstream.host + ":" + std::to_string(options_.upstream.port)},
                    {"reason", told}});
    }
    pause_ms = was_connected ? kPauseLeastMs : pause_ms;
    if (!pause(pause_ms)) return;
    pause_ms = std::min(pause_ms * 2, kPauseMostMs);
  }
}

Status FollowerClient::follow_once() {
  UpstreamLink link = TRY(UpstreamLink::open(options_.upstream, options_.tls, *interrupt_));
  bool begins_anew = false;
  {
    std::lock_guard guard(mutex_);
    begins_anew = begins_anew_;
    restarts_ = false;
  }
  Follower follower(store_, clock_,
                    {.name = options_.name,
                     .member = options_.member,
                     .begins_anew = begins_anew,
                     .on_replaced = [this] { port_.replaced(options_.name); }});
  std::vector<std::string> words = words_of(follower.request());
  TRY(link.ask({words.begin(), words.end()}));
  Status done = stream(link, follower);
  std::lock_guard guard(mutex_);
  if (follower.should_begin_anew()) begins_anew_ = true;
  return done;
}

Status FollowerClient::stream(UpstreamLink& link, Follower& follower) {
  Bytes came;
  uint64_t heard_ms = clock_.monotonic_ms();
  while (true) {
    came.clear();
    Result<size_t> got = link.read(came, kTickMs);
    bool is_silent = !got.has_value() && got.error().code == Code::TimedOut;
    if (!got.has_value() && !is_silent) return got.error();
    if (got.has_value() && *got == 0) return {};
    if (!is_silent) heard_ms = clock_.monotonic_ms();
    if (clock_.monotonic_ms() - heard_ms > kSilenceMs)
      return make_error(Code::TimedOut, "the master says nothing any more");
    Status done = is_silent ? follower.tick() : follower.feed(came);
    note(follower);
    TRY(done);
    Bytes acks = follower.take_output();
    // First here, then there: what has been acknowledged can be read from this copy.
    if (!is_silent || !acks.empty()) port_.received(options_.name);
    if (!acks.empty()) TRY(link.write(acks));
    std::lock_guard guard(mutex_);
    if (restarts_) return make_error(Code::Cancelled, "it begins anew");
    if (is_over_) return make_error(Code::Cancelled, "it is over");
  }
}

void FollowerClient::note(const Follower& follower) {
  if (!follower.is_greeted()) return;
  Follower::Figures figures = follower.figures();
  port_.seen_term(figures.term);
  std::lock_guard guard(mutex_);
  // What was asked for since this connection began is for the next one.
  if (!std::exchange(state_.is_connected, true) && !restarts_) begins_anew_ = false;
  state_.problem.clear();
  state_.figures = figures;
}

}  // namespace mcloud::kv
