// mcloud lab publish: keeps the host's ports in step with what the contracts of a local cluster publish.
//
// Runs in the cluster's root, beside the ledger. A node's record names the ports its workloads hold; each becomes a
// forward of the lab: 127.0.0.1:PORT on the host, racing the nodes that have it. When the host's port is taken, any
// other is used; `status` shows which.
#include <signal.h>

#include "apps/processes.h"
#include "apps/publications.h"
#include "base/log.h"
#include "bot/ledger_view.h"
#include "cli/desk.h"
#include "io/clock.h"
#include "io/file.h"
#include "lab/cluster.h"

namespace mcloud::apps {
namespace {

using cli::Command;
using cli::Desk;

constexpr uint64_t kHeadWaitMs = 1'000;
constexpr uint64_t kLookIntervalMs = 50;  // a busy ledger makes hundreds of blocks a second
constexpr uint64_t kRetryMs = 1'000;      // after a failure

class Publisher {
 public:
  Publisher(bot::LedgerView& view, const std::string& folder) : view_(view), cluster_(folder) {}

  Status step() {
    if (!knows_forwards_) TRY(learn_forwards());
    std::vector<pb::Node> nodes = TRY(view_.nodes());
    Publications wanted = publications_of(nodes);
    for (const auto& [name, publication] : wanted) {
      auto known = published_.find(name);
      if (known == published_.end() || known->second != publication) TRY(publish(name, publication));
    }
    for (auto known = published_.begin(); known != published_.end();) {
      bool gone = !wanted.contains(known->first);
      if (gone) TRY(cluster_.remove_forward(known->first));
      known = gone ? published_.erase(known) : std::next(known);
    }
    return {};
  }

 private:
  // What a publisher before us has left: it is kept or removed like our own.
  Status learn_forwards() {
    for (const lab::ForwardStatus& forward : TRY(cluster_.status()).forwards) {
      if (!forward.name.starts_with("tcp-")) continue;
      published_[forward.name] = {0, forward.targets};  // no publication has port 0: it is set anew
      host_ports_[forward.name] = forward.port;
    }
    knows_forwards_ = true;
    return {};
  }

  Status publish(const std::string& name, const Publication& publication) {
    auto known = published_.find(name);
    lab::ForwardSpec forward{name, publication.port, publication.targets, 0};
    if (known != published_.end()) forward.port = host_ports_[name];
    Result<uint16_t> port = cluster_.forward(forward);
    bool taken = !port && known == published_.end();
    if (taken) {
      forward.port = 0;
      port = cluster_.forward(forward);
    }
    if (!port) return port.error();
    published_[name] = publication;
    host_ports_[name] = *port;
    log::info(
        "publisher", "published",
        {{"name", name}, {"host_port", std::to_string(*port)}, {"nodes", std::to_string(publication.targets.size())}});
    return {};
  }

  bot::LedgerView& view_;
  lab::Cluster cluster_;
  Publications published_;
  std::map<std::string, uint16_t> host_ports_;
  bool knows_forwards_ = false;
};

// True when a signal asks us to end.
bool pause(const sigset_t& signals, uint64_t ms) {
  timespec timeout{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1'000'000)};
  return sigtimedwait(&signals, nullptr, &timeout) > 0;
}

Status run(const cli::Globals& globals, const std::string& folder) {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::string trust = TRY(io::read_file(globals.trust, 1 << 20));
  io::SystemClock clock;
  ledger::Client::Options wanted;
  wanted.endpoints = {globals.ledger};
  wanted.trust = TRY(ledger::Trust::parse(trust));
  std::unique_ptr<ledger::Client> client = TRY(ledger::Client::open(wanted, clock));
  bot::LedgerView view(*client);
  Publisher publisher(view, folder);
  std::string failing;
  for (;;) {
    uint64_t seen = client->head().height;
    Status done = publisher.step();
    if (!done && done.error().message != failing)
      log::warning("publisher", "cannot publish", {{"reason", done.error().message}});
    failing = done ? "" : done.error().message;
    if (pause(signals, done ? kLookIntervalMs : kRetryMs)) return {};
    if (!done) continue;
    // What came between looking and now is not missed: `seen` is from before the look.
    (void)client->wait_for_head(std::max(seen, uint64_t{1}), kHeadWaitMs);
  }
}

Command publish() {
  auto folder = std::make_shared<std::string>();
  Command command("lab publish", "forward published ports of a local cluster to this machine");
  command.hidden()
      .example("mcloud lab publish DIR --ledger http://10.250.0.1:7100 --trust DIR/trust.json")
      .argument("DIR", "the cluster's folder", *folder)
      .run([folder](Desk& desk) { return run(desk.globals(), *folder); });
  return command;
}

}  // namespace

cli::Commands publisher_commands() { return {publish()}; }

}  // namespace mcloud::apps
