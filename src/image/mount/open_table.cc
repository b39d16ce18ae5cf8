#include "image/mount/open_table.h"

#include <set>

namespace mcloud::image {
namespace {

uint64_t handle_for(uint32_t slot, uint32_t generation) { return uint64_t{generation} << 32 | slot; }

}  // namespace

OpenTable::OpenTable(SharedMemory& memory, std::function<void(int)> close_backing)
    : memory_(memory), close_backing_(std::move(close_backing)) {
  std::set<int> ending;
  for (uint32_t slot = memory_.slots_used(); slot-- > 0;) {
    SharedOpenFile& file = memory_.open_file(slot);
    uint32_t state = file.state.load();
    if (state == SharedOpenFile::Open) {
      Node& node = shard(file.node.load()).nodes[file.node.load()];
      ++node.opens;
      node.backing = file.backing;
      continue;
    }
    if (state == SharedOpenFile::Closing && file.backing != 0) ending.insert(file.backing);
    file.state.store(SharedOpenFile::Free);
    free_slots_.push_back(slot);
  }
  for (Shard& part : shards_) {
    for (auto& [number, node] : part.nodes) ending.erase(node.backing);
  }
  for (int backing : ending) close_backing_(backing);
}

Result<uint32_t> OpenTable::take_slot() {
  std::lock_guard lock(slots_mutex_);
  if (free_slots_.empty()) {
    uint32_t next = memory_.slots_used();
    if (next >= kOpenFilesMax) return make_error(Code::Exhausted, std::to_string(next) + " files are open");
    memory_.set_slots_used(next + 1);
    return next;
  }
  uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void OpenTable::give_slot(uint32_t slot) {
  std::lock_guard lock(slots_mutex_);
  free_slots_.push_back(slot);
}

std::optional<uint64_t> OpenTable::handle_of(uint64_t node, uint64_t unique) {
  for (uint32_t slot = 0; slot < memory_.slots_used(); ++slot) {
    SharedOpenFile& file = memory_.open_file(slot);
    if (file.state.load() == SharedOpenFile::Open && file.node.load() == node && file.unique == unique) {
      return handle_for(slot, file.generation.load());
    }
  }
  return std::nullopt;
}

Result<OpenTable::Opened> OpenTable::open(uint64_t number, uint64_t unique, bool is_resent,
                                          const std::function<Result<Choice>()>& choose) {
  Shard& part = shard(number);
  std::lock_guard lock(part.mutex);
  auto found = part.nodes.find(number);
  if (found != part.nodes.end() && is_resent) {
    std::optional<uint64_t> counted = handle_of(number, unique);
    if (counted.has_value()) return Opened{*counted, found->second.backing, true};
  }
  Node fresh;
  if (found == part.nodes.end()) {
    Choice choice = TRY(choose());
    fresh.backing = choice.backing;
    fresh.content = std::move(choice.content);
  }
  int backing = found == part.nodes.end() ? fresh.backing : found->second.backing;
  Result<uint32_t> slot = take_slot();
  if (!slot.has_value()) {
    if (fresh.backing != 0) close_backing_(fresh.backing);
    return std::move(slot).error();
  }
  SharedOpenFile& file = memory_.open_file(*slot);
  ++file.generation;
  file.node.store(number);
  file.unique = unique;
  file.backing = backing;
  file.state.store(SharedOpenFile::Open);
  if (found == part.nodes.end()) found = part.nodes.emplace(number, std::move(fresh)).first;
  ++found->second.opens;
  return Opened{handle_for(*slot, file.generation.load()), backing};
}

void OpenTable::close(uint64_t handle) {
  uint32_t slot = static_cast<uint32_t>(handle);
  if (slot >= memory_.slots_used()) return;
  SharedOpenFile& file = memory_.open_file(slot);
  std::shared_ptr<Content> content;  // let go when no lock is held
  {
    uint64_t number = file.node.load();
    Shard& part = shard(number);
    std::lock_guard lock(part.mutex);
    if (file.state.load() != SharedOpenFile::Open || file.generation.load() != static_cast<uint32_t>(handle >> 32)) return;
    auto found = part.nodes.find(number);
    bool is_last = found == part.nodes.end() || found->second.opens <= 1;
    file.state.store(is_last ? SharedOpenFile::Closing : SharedOpenFile::Free);
    if (is_last) {
      if (file.backing != 0) close_backing_(file.backing);
      file.state.store(SharedOpenFile::Free);
      if (found != part.nodes.end()) {
        content = std::move(found->second.content);
        part.nodes.erase(found);
      }
    } else {
      --found->second.opens;
    }
  }
  give_slot(slot);
}

Result<std::shared_ptr<Content>> OpenTable::content(uint64_t number,
                                                    const std::function<Result<std::shared_ptr<Content>>()>& hold) {
  Shard& part = shard(number);
  {
    std::lock_guard lock(part.mutex);
    auto found = part.nodes.find(number);
    if (found != part.nodes.end() && found->second.content != nullptr) return found->second.content;
  }
  std::shared_ptr<Content> content = TRY(hold());
  std::lock_guard lock(part.mutex);
  auto found = part.nodes.find(number);
  if (found != part.nodes.end()) found->second.content = content;
  return content;
}

std::vector<uint64_t> OpenTable::nodes() const {
  std::vector<uint64_t> out;
  for (const Shard& part : shards_) {
    std::lock_guard lock(part.mutex);
    for (const auto& [number, node] : part.nodes) out.push_back(number);
  }
  return out;
}

bool OpenTable::has_open_below(uint32_t slot) const {
  for (const Shard& part : shards_) {
    std::lock_guard lock(part.mutex);
    for (const auto& [number, node] : part.nodes) {
      if (number >> 32 == slot) return true;
    }
  }
  return false;
}

}  // namespace mcloud::image
