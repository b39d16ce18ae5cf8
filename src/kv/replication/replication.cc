#include "kv/replication/replication.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace mcloud::kv {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);
constexpr auto kWatch = std::chrono::seconds(1);

}  // namespace

Replication::Replication(ServerState& state, Store& store, Disk& disk, Clock& clock, const std::string& folder)
    : state_(state), store_(store), disk_(disk), clock_(clock), group_(store, disk, folder, *this) {}

Replication::~Replication() { stop(); }

Status Replication::open(const ReplicationOptions& options) {
  TRY(check_tls(state_.options().upstream_tls));
  ticker_ = std::jthread([this](std::stop_token stop) { tick(stop); });
  // Who was promoted since must not follow again because of how it is started.
  bool is_new = !has_role(disk_, store_.folder());
  TRY(group_.open(state_.options().is_managed));
  if (options.copies) TRY(group_.set_copies(*options.copies));
  if (options.follow && is_new) TRY(group_.follow(*options.follow));
  return {};
}

void Replication::stop() {
  follow(nullptr, "");
  ticker_.request_stop();
  wake_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

// --- feeds

void Replication::attach(Space& space) {
  std::lock_guard guard(mutex_);
  if (ended_) return space.feed->end(*ended_);
  space.feed->lead(rules_, space.store->replica().log_state().durable);
}

void Replication::lead(const AckRules& rules) {
  std::lock_guard guard(mutex_);
  rules_ = rules;
  ended_.reset();
  for (const SpacePtr& space : state_.spaces()) {
    auto end = space->store->replica().make_durable();
    space->feed->lead(rules, end.has_value() ? *end : space->store->figures().end);
  }
}

void Replication::set_rules(const AckRules& rules) {
  std::lock_guard guard(mutex_);
  rules_ = rules;
  for (const SpacePtr& space : state_.spaces()) space->feed->set_rules(rules);
}

void Replication::end_waiting(const Error& why) {
  std::lock_guard guard(mutex_);
  ended_ = why;
  for (const SpacePtr& space : state_.spaces()) space->feed->end(why);
}

std::optional<Members> Replication::propose() {
  SpacePtr space = state_.find(kDefaultNamespace);
  return space ? space->feed->propose() : std::nullopt;
}

void Replication::end_streams() {
  ++stream_number_;
  for (const SpacePtr& space : state_.spaces()) space->feed->ring();
}

void Replication::stream_began() {
  std::lock_guard guard(mutex_);
  has_streams_ = true;
  wake_.notify_all();
}

// Streams say something ten times a second even when nothing is written.
void Replication::tick(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait(lock, stop, [this] { return has_streams_; });
    wake_.wait_for(lock, stop, kTick, [] { return false; });
    if (stop.stop_requested()) return;
    lock.unlock();
    bool has_streams = false;
    for (const SpacePtr& space : state_.spaces()) {
      space->feed->ring();
      has_streams |= space->feed->has_streams();
    }
    lock.lock();
    has_streams_ = has_streams;
  }
}

// --- following

void Replication::follow(const Upstream* upstream, const std::string& member) {
  std::map<std::string, std::unique_ptr<FollowerClient>> ended;
  std::jthread watcher;
  {
    std::lock_guard guard(mutex_);
    ended.swap(clients_);
    std::swap(watcher, watcher_);
    if (watcher.joinable()) watcher.request_stop();
    if (interrupt_) interrupt_->ring();
  }
  wake_.notify_all();
  if (watcher.joinable()) watcher.join();
  {
    // What the watcher has begun meanwhile.
    std::lock_guard guard(mutex_);
    for (auto& [name, client] : clients_) ended[name + "\n"] = std::move(client);
    clients_.clear();
  }
  ended.clear();  // joins
  if (upstream == nullptr) return;
  auto interrupt = Interrupt::make();
  std::lock_guard guard(mutex_);
  upstream_ = *upstream;
  member_ = member;
  start_client(std::string(kDefaultNamespace));
  if (state_.options().is_managed || !interrupt.has_value()) return;
  interrupt_ = std::move(*interrupt);
  watcher_ = std::jthread([this](std::stop_token stop) { watch_names(stop); });
}

void Replication::start_client(const std::string& name) {
  auto client = FollowerClient::start(store_, clock_, *this, {name, member_, upstream_, state_.options().upstream_tls});
  if (client.has_value()) {
    clients_[name] = std::move(*client);
  } else {
    log::error("kv", "cannot follow", {{"namespace", name}, {"reason", client.error().message}});
  }
}

void Replication::watch_names(std::stop_token stop) {
  std::string told;
  while (!stop.stop_requested()) {
    Upstream upstream;
    {
      std::lock_guard guard(mutex_);
      upstream = upstream_;
    }
    auto link = UpstreamLink::open(upstream, state_.options().upstream_tls, *interrupt_);
    std::string problem = link.has_value() ? "" : link.error().message;
    while (link.has_value() && problem.empty() && !stop.stop_requested()) {
      auto names = link->ask_list({"NSLIST"});
      if (!names.has_value()) problem = names.error().message;
      if (names.has_value() && !stop.stop_requested()) match_names(*names);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kWatch, [] { return false; });
    }
    if (stop.stop_requested()) return;
    if (problem != std::exchange(told, problem))
      log::warning("kv", "cannot see the master's namespaces", {{"reason", problem}});
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kWatch, [] { return false; });
  }
}

void Replication::match_names(const std::vector<std::string>& theirs) {
  std::vector<std::unique_ptr<FollowerClient>> ended;
  std::vector<std::string> gone;
  {
    std::lock_guard guard(mutex_);
    for (const std::string& name : theirs) {
      if (!clients_.contains(name) && !name.empty() && name.size() <= kNameBytesMax) start_client(name);
    }
    for (const std::string& name : store_.names()) {
      if (name == kDefaultNamespace || std::ranges::find(theirs, name) != theirs.end()) continue;
      gone.push_back(name);
      if (auto client = clients_.find(name); client != clients_.end()) {
        ended.push_back(std::move(client->second));
        clients_.erase(client);
      }
    }
  }
  ended.clear();  // joins
  for (const std::string& name : gone) {
    Status done = store_.replica().put_aside(name);
    if (!done.has_value())
      log::warning("kv", "cannot put a namespace aside", {{"namespace", name}, {"reason", done.error().message}});
    state_.refresh(name);
  }
}

Status Replication::begin_anew(const std::string& name) {
  std::lock_guard guard(mutex_);
  auto client = clients_.find(name);
  if (client == clients_.end()) return make_error(Code::Conflict, "this namespace follows nobody");
  client->second->begin_anew();
  return {};
}

std::vector<Replication::Following> Replication::following() const {
  std::lock_guard guard(mutex_);
  std::vector<Following> all;
  for (const auto& [name, client] : clients_) all.push_back({name, client->state()});
  return all;
}

void Replication::replaced(const std::string& name) { state_.refresh(name); }

void Replication::received(const std::string& name) {
  SpacePtr space = state_.find(name);
  if (!space) return;
  space->refresh();
  if (space->feed->has_streams()) space->feed->ring();
}

}  // namespace mcloud::kv
