#include "kv/server_state.h"

namespace mcloud::kv {

Space::Space(NamespacePtr opened) : store(std::move(opened)) { refresh(); }

void Space::refresh() {
  Settings settings = store->settings();
  is_write_once = settings.is_write_once;
  durability = settings.durability;
  mode = settings.mode;
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
}

SpacePtr ServerState::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = spaces_.find(name);
  return found == spaces_.end() ? nullptr : found->second;
}

Result<SpacePtr> ServerState::create(std::string_view name) {
  Settings settings = options_.defaults;
  settings.mode = options_.mode == ModePolicy::Sequence ? KeyMode::Sequence : KeyMode::User;
  std::lock_guard one(changing_);
  SpacePtr space = std::make_shared<Space>(TRY(store_.create(name, settings)));
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
  std::lock_guard lock(mutex_);
  spaces_.erase(space->store->name());
  return {};
}

Status ServerState::clear(const SpacePtr& space) { return store_.clear(space->store->name()); }

Status ServerState::change(Space& space, const std::function<void(Settings&)>& edit) {
  std::lock_guard one(changing_);
  Settings settings = space.store->settings();
  edit(settings);
  TRY(space.store->set_settings(settings));
  space.refresh();
  return {};
}

}  // namespace mcloud::kv
