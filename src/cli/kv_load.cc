#include "cli/kv_load.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <deque>

#include "io/clock.h"
#include "wire/resp.h"

namespace mcloud::cli {
namespace {

constexpr size_t kReadBytes = 128 << 10;

// A walk over all numbers that looks random; cheap beside a request.
class Numbers {
 public:
  uint64_t below(uint64_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % bound;
  }

 private:
  uint64_t state_ = 0x9e3779b97f4a7c15;
};

struct Lane {
  io::Fd fd;
  Bytes out, in;
  size_t sent = 0;
  struct Sent {
    uint64_t us, left;  // of one batch: when it went, replies that are missing
  };
  std::deque<Sent> under_way;
  uint64_t to_skip = 0;  // replies to HELLO and SELECT
  bool wants_out = false;
};

class Load {
 public:
  explicit Load(const KvLoad& load) : load_(load), value_(load.value_bytes, 'x') {
    for (size_t i = 0; i < value_.size(); i++) value_[i] = static_cast<char>('a' + i % 26);
  }

  Result<KvLoadResult> run() {
    TRY(connect());
    last_us_ = clock_.monotonic_us();
    // Nobody writes before all are where they should be.
    for (Lane& lane : lanes_) TRY(send(lane));
    while (ready_ < lanes_.size()) TRY(wait());
    uint64_t begin_us = clock_.monotonic_us();
    for (Lane& lane : lanes_) TRY(fill(lane));
    while (result_.requests < load_.requests) TRY(wait());
    result_.us = clock_.monotonic_us() - begin_us;
    return std::move(result_);
  }

 private:
  Status connect() {
    epoll_ = io::Fd(epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_.is_open()) return errno_error(errno, "epoll");
    for (uint64_t i = 0; i < std::min(load_.connections, load_.requests); i++) {
      Lane lane;
      lane.fd = TRY(connect_kv(load_.address, load_.timeout_ms));
      lane.out = wire::resp_request({"HELLO", "2"});
      lane.to_skip = load_.space.empty() ? 1 : 2;
      if (!load_.space.empty()) lane.out += wire::resp_request({"SELECT", load_.space});
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, lane.fd.get(), &event) != 0) return errno_error(errno, "epoll");
      lanes_.push_back(std::move(lane));
    }
    return {};
  }

  Status fill(Lane& lane) {
    uint64_t count = std::min(load_.pipeline, load_.requests - asked_);
    for (uint64_t i = 0; i < count; i++) {
      char key[32];
      int size = std::snprintf(key, sizeof key, "key:%012llu", static_cast<unsigned long long>(numbers_.below(load_.keys)));
      std::string_view name(key, static_cast<size_t>(size));
      lane.out += load_.is_write ? wire::resp_request({"SET", name, value_}) : wire::resp_request({"GET", name});
    }
    asked_ += count;
    if (count > 0) lane.under_way.push_back({0, count});
    return send(lane);
  }

  Status send(Lane& lane) {
    while (lane.sent < lane.out.size()) {
      ssize_t sent = ::send(lane.fd.get(), lane.out.data() + lane.sent, lane.out.size() - lane.sent, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return want_out(lane, true);
      if (sent < 0 && errno != EINTR) return make_error(Code::Unavailable, std::string("the server has gone: ") + std::strerror(errno));
      if (sent > 0) lane.sent += static_cast<size_t>(sent);
    }
    lane.out.clear();
    lane.sent = 0;
    if (!lane.under_way.empty()) lane.under_way.back().us = clock_.monotonic_us();
    return want_out(lane, false);
  }

  Status want_out(Lane& lane, bool wants) {
    if (std::exchange(lane.wants_out, wants) == wants) return {};
    epoll_event event{.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN,
                      .data = {.u64 = static_cast<uint64_t>(&lane - lanes_.data())}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, lane.fd.get(), &event) != 0) return errno_error(errno, "epoll");
    return {};
  }

  Status wait() {
    epoll_event events[256];
    int count = epoll_wait(epoll_.get(), events, 256, 1000);
    uint64_t now_us = clock_.monotonic_us();
    if (count > 0) last_us_ = now_us;
    if (now_us - last_us_ > load_.timeout_ms * 1000)
      return make_error(Code::TimedOut, "no answer for " + std::to_string(load_.timeout_ms / 1000) + " s");
    for (int i = 0; i < count; i++) {
      Lane& lane = lanes_[events[i].data.u64];
      if ((events[i].events & EPOLLOUT) != 0) TRY(send(lane));
      if ((events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) TRY(read(lane));
    }
    return {};
  }

  Status read(Lane& lane) {
    ssize_t got = recv(lane.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (got == 0) return make_error(Code::Unavailable, "the server has closed a connection" + why());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (got < 0) return make_error(Code::Unavailable, std::string("the server has gone: ") + std::strerror(errno));
    uint64_t now_us = clock_.monotonic_us();
    lane.in.append(buffer_.data(), static_cast<size_t>(got));
    size_t begin = 0;
    while (auto size = TRY(wire::resp_reply_size(BytesView(lane.in).substr(begin)))) {
      TRY(take(lane, BytesView(lane.in).substr(begin, *size), now_us));
      begin += *size;
    }
    lane.in.erase(0, begin);
    bool is_idle = lane.under_way.empty() && ready_ == lanes_.size() && asked_ > 0;
    return is_idle ? fill(lane) : Status();
  }

  std::string why() const { return result_.first_error.empty() ? "" : ": " + result_.first_error; }

  Status take(Lane& lane, BytesView reply, uint64_t now_us) {
    bool is_error = reply[0] == '-';
    std::string text(is_error ? reply.substr(1, reply.find('\r') - 1).substr(0, 200) : "");
    if (result_.first_error.empty()) result_.first_error = text;
    if (lane.to_skip > 0) {
      if (is_error) return make_error(Code::Invalid, "the server says: " + text);
      ready_ += --lane.to_skip == 0;
      return {};
    }
    if (lane.under_way.empty()) return make_error(Code::Corrupt, "the server answers more than it was asked");
    Lane::Sent& batch = lane.under_way.front();
    result_.requests++;
    result_.errors += is_error;
    result_.misses += reply.starts_with("$-1") || reply.starts_with("_");
    result_.latency.add(now_us - std::min(now_us, batch.us), 1);
    if (--batch.left == 0) lane.under_way.pop_front();
    return {};
  }

  const KvLoad& load_;
  io::SystemClock clock_;
  Numbers numbers_;
  std::string value_;
  io::Fd epoll_;
  std::vector<Lane> lanes_;
  Bytes buffer_ = Bytes(kReadBytes, '\0');
  uint64_t asked_ = 0, last_us_ = 0;
  size_t ready_ = 0;  // lanes that have said hello
  KvLoadResult result_;
};

}  // namespace

size_t LatencyCount::bucket_of(uint64_t us) {
  if (us < kFine) return static_cast<size_t>(us);
  auto high = static_cast<size_t>(std::bit_width(us) - 1);  // 5 and more
  size_t fine = static_cast<size_t>(us >> (high - 5)) - kFine;
  return std::min((high - 4) * kFine + fine, kBuckets - 1);
}

uint64_t LatencyCount::most_of(size_t bucket) {
  if (bucket < kFine) return bucket;
  size_t high = bucket / kFine + 4, fine = bucket % kFine;
  return ((kFine + fine + 1) << (high - 5)) - 1;
}

void LatencyCount::add(uint64_t us, uint64_t count) {
  buckets_[bucket_of(us)] += count;
  count_ += count;
  sum_us_ += us * count;
  most_us_ = std::max(most_us_, us);
}

uint64_t LatencyCount::quantile_us(double part) const {
  auto wanted = static_cast<uint64_t>(std::ceil(part * static_cast<double>(count_)));
  uint64_t so_far = 0;
  for (size_t i = 0; i < kBuckets; i++) {
    so_far += buckets_[i];
    if (so_far >= wanted && so_far > 0) return std::min(most_of(i), most_us_);
  }
  return 0;
}

Result<KvLoadResult> run_load(const KvLoad& load) { return Load(load).run(); }

}  // namespace mcloud::cli
