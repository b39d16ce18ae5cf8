#include "kv/server_state.h"

#include "kv/replication/replication.h"

namespace mcloud::kv {

Space::Space(NamespacePtr opened) : store(std::move(opened)) { refresh(); }

void Space::refresh() {
  Settings settings = store->settings();
  is_write_once = settings.is_write_once;
  durability = settings.durability;
  mode = settings.mode;
  is_loading = !store->replica().is_complete();
}

void when_acknowledged(const SpacePtr& space, Position position, std::function<void(Status)> then) {
  if (!space->feed->is_awaited()) return space->store->when_durable(position, std::move(then));
  space->store->when_durable(position, [feed = space->feed, position, then = std::move(then)](Status status) {
    if (!status.has_value()) return then(std::move(status));
    feed->wait(position, then);
  });
}

ServerState::ServerState(Store& store, Disk& disk, Clock& clock, Random& random, ServiceOptions options)
    : store_(store),
      disk_(disk),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      started_ms_(clock.wall_ms()) {
  for (const std::string& name : store_.names()) {
    if (NamespacePtr found = store_.find(name)) spaces_[name] = std::make_shared<Space>(std::move(found));
  }
  replication_ = std::make_unique<Replication>(*this, store, disk, clock, store_.folder());
}

ServerState::~ServerState() = default;

std::vector<SpacePtr> ServerState::spaces() const {
  std::lock_guard lock(mutex_);
  std::vector<SpacePtr> all;
  for (const auto& [name, space] : spaces_) all.push_back(space);
  return all;
}

void ServerState::refresh(const std::string& name) {
  NamespacePtr now = store_.find(name);
  SpacePtr fresh = now ? std::make_shared<Space>(now) : nullptr;
  if (fresh) replication_->attach(*fresh);
  std::unique_lock lock(mutex_);
  SpacePtr& space = spaces_[name];
  if (space && space->store == now) return;
  SpacePtr before = std::exchange(space, fresh);
  if (!fresh) spaces_.erase(name);
  lock.unlock();
  if (!before) return;
  (fresh ? before->is_replaced : before->is_gone) = true;
  before->feed->ring();  // the last time: its streams end
}

Tallies& ServerState::make_tallies() {
  std::lock_guard lock(tallies_mutex_);
  tallies_.push_back(std::make_unique<Tallies>());
  return *tallies_.back();
}

Counters ServerState::counters() const {
  Counters sum;
  sum.connections_ever = connections_.ever;
  sum.connections = connections_.now;
  sum.refused = connections_.refused;
  std::lock_guard lock(tallies_mutex_);
  for (const auto& one : tallies_) {
    sum.commands += one->run.get();
    sum.failed += one->failed.get();
    sum.unauthorized += one->unauthorized.get();
    sum.late_errors += one->late_errors.get();
    sum.writes += one->writes.get();
    sum.bytes_in += one->bytes_in.get();
    sum.bytes_out += one->bytes_out.get();
    sum.tls_failures += one->tls_failures.get();
    one->reads.add_to(sum.reads);
    one->updates.add_to(sum.updates);
    for (size_t dialect = 0; dialect < sum.by_command.size(); dialect++) {
      for (size_t i = 0; i <= kCommandsMax; i++) {
        for (size_t result : {0, 1}) sum.by_command[dialect][i][result] += one->commands[dialect][i][result].get();
      }
    }
  }
  return sum;
}

SpacePtr ServerState::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = spaces_.find(name);
  return found == spaces_.end() ? nullptr : found->second;
}

Result<SpacePtr> ServerState::create(std::string_view name) {
  Settings settings = options_.defaults;
  settings.mode = options_.mode == ModePolicy::Sequence ? KeyMode::Sequence : KeyMode::User;
  if (!replication_->group().may_write()) return make_error(Code::Conflict, "this server does not lead");
  std::lock_guard one(changing_);
  SpacePtr space = std::make_shared<Space>(TRY(store_.create(name, settings)));
  replication_->attach(*space);
  std::lock_guard lock(mutex_);
  spaces_[std::string(name)] = space;
  return space;
}

Status ServerState::remove(const SpacePtr& space) {
  std::lock_guard one(changing_);
  if (space->is_gone.exchange(true)) return make_error(Code::NotFound, "the namespace is being removed already");
  Status removed = store_.remove(space->store->name());
  if (!removed) {
    space->is_gone = false;
    return removed;
  }
  {
    std::lock_guard lock(mutex_);
    spaces_.erase(space->store->name());
  }
  space->feed->ring();  // the last time: its streams end
  return {};
}

Status ServerState::clear(const SpacePtr& space) { return store_.clear(space->store->name()); }

Status ServerState::change(Space& space, const std::function<void(Settings&)>& edit) {
  std::lock_guard one(changing_);
  Settings settings = space.store->settings();
  edit(settings);
  TRY(space.store->set_settings(settings));
  space.refresh();
  // What was written under a looser promise is made durable now; who fails there fails the next write too.
  if (settings.durability != Durability::None) space.store->when_durable(space.store->figures().end, [](Status) {});
  return {};
}

}  // namespace mcloud::kv
