#include "gateway/tunnel/tunnel_client.h"

#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "gateway/tunnel/client.h"
#include "wire/canonical.h"

namespace mcloud::gateway {
namespace {

constexpr int kTickMs = 100;
constexpr uint64_t kDrainUs = 10'000'000;
constexpr uint64_t kCountsUs = 2'000'000;  // counters in the state file are as old at most

// SIGTERM and SIGINT as a descriptor; the thread's mask comes back with the end.
class Signals final : public Watcher {
 public:
  static Result<std::unique_ptr<Signals>> take(Poller& poller) {
    auto signals = std::make_unique<Signals>();
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted, &signals->before_);
    signals->fd_ = io::Fd(signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals->fd_.is_open()) return errno_error(errno, "signalfd");
    TRY(poller.add(signals->fd_.get(), *signals));
    return signals;
  }
  ~Signals() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  void on_events(uint32_t) override {
    signalfd_siginfo info;
    while (read(fd_.get(), &info, sizeof info) == sizeof info) ++count;
  }
  int count = 0;

 private:
  io::Fd fd_;
  sigset_t before_ = {};
};

// The agent's files.
class Files final : public Watcher {
 public:
  explicit Files(const TunnelOptions& options) : folder_(options.folder) {}
  Status watch(Poller& poller) {
    fd_ = io::Fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd_.is_open() || inotify_add_watch(fd_.get(), folder_.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0)
      return errno_error(errno, "watch " + folder_);
    return poller.add(fd_.get(), *this);
  }
  // Any change of the folder: ours are few.
  void on_events(uint32_t) override {
    char events[4096];
    while (read(fd_.get(), events, sizeof events) > 0) has_changed = true;
  }
  Result<pb::LocalTunnel> read_wanted() const {
    std::string path = folder_ + "/wanted";
    if (!io::exists(path)) return pb::LocalTunnel();
    return wire::decode<pb::LocalTunnel>(TRY(io::read_file(path)), path, 16 << 20);
  }
  void write_state(const pb::TunnelState& state) {
    Bytes bytes = wire::encode(state);
    if (bytes == written_) return;
    Status status = io::write_file(folder_ + "/state", bytes, io::Durability::None, 0600);
    if (!status)
      return log::warning("gateway", "tunnel: the state is not written", {{"reason", status.error().message}});
    written_ = std::move(bytes);
  }
  bool has_changed = true;

 private:
  const std::string folder_;
  io::Fd fd_;
  Bytes written_;
};

void reload(Files& files, Client& client, Bytes& in_force) {
  files.has_changed = false;
  Result<pb::LocalTunnel> wanted = files.read_wanted();
  if (!wanted)  // what was wanted before holds
    return log::error("gateway", "tunnel: cannot read what is wanted", {{"reason", wanted.error().message}});
  Bytes bytes = wire::encode(*wanted);
  if (bytes == in_force) return;
  in_force = std::move(bytes);
  client.put(*wanted);
}

// Without counters: those may be written later.
uint64_t ups_of(const pb::TunnelState& state) {
  uint64_t ups = 1;
  for (const pb::TunnelLink& link : state.links()) ups = ups * 31 + link.since_ms() * 2 + (link.is_up() ? 1 : 0);
  return ups;
}

void run(Files& files, Client& client, Poller& poller, const Signals& signals) {
  Bytes in_force;
  uint64_t ticked_us = 0, written_us = 0, ups = 0, draining_us = 0;
  for (;;) {
    if (files.has_changed) reload(files, client, in_force);
    poller.run_once(kTickMs);
    client.clear_round();
    uint64_t now_us = poller.now_us();
    if (signals.count > 0 && draining_us == 0) {
      draining_us = now_us;
      client.drain();
    }
    bool is_late = draining_us != 0 && now_us > draining_us + kDrainUs;
    if (draining_us != 0 && (client.is_idle() || is_late || signals.count > 1)) return;
    if (now_us - ticked_us < kTickMs * 1000) continue;
    ticked_us = now_us;
    client.tick();
    pb::TunnelState state = client.state();
    if (ups_of(state) == ups && now_us < written_us + kCountsUs) continue;
    ups = ups_of(state);
    written_us = now_us;
    files.write_state(state);
  }
}

}  // namespace

Status run_tunnel(const TunnelOptions& options, const crypto::SigningKey& node_key) {
  raise_descriptor_limit();
  auto poller = TRY(Poller::create());
  auto signals = TRY(Signals::take(*poller));
  Files files(options);
  TRY(files.watch(*poller));
  auto client = TRY(Client::create(node_key, options.connections, *poller));
  run(files, *client, *poller, *signals);
  return {};
}

}  // namespace mcloud::gateway
