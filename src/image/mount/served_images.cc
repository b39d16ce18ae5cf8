#include "image/mount/served_images.h"

#include <algorithm>

#include "base/log.h"
#include "image/digest.h"

namespace mcloud::image {
namespace {

std::string name_of(const Attachment& attachment) {
  std::string hex = attachment.digest.substr(attachment.digest.find(':') + 1);
  return attachment.shift == 0 ? hex : hex + "-" + std::to_string(attachment.shift);
}

}  // namespace

Result<std::unique_ptr<ServedImages>> ServedImages::open(SharedMemory& memory, Loader& loader,
                                                         const RoutesOptions& routes) {
  std::unique_ptr<ServedImages> made(new ServedImages(memory, loader, routes));
  made->state_ = TRY(parse_state(memory.text()).with_context("what is attached"));
  for (const KeptImage& kept : made->state_.images) {
    if (!kept.is_attached) continue;
    auto image = std::make_shared<ServedImage>();
    image->slot = kept.slot;
    image->name = name_of(kept.attachment);
    image->attachment = kept.attachment;
    image->read_errors = std::make_shared<std::atomic<uint64_t>>(0);
    Result<std::shared_ptr<LoadedImage>> loaded = made->load(kept.attachment);
    if (loaded.has_value()) {
      image->loaded = std::move(*loaded);
      if (kept.attachment.complete) image->loaded->complete();
    } else {
      log::error("image", "cannot serve an attached image", {{"digest", kept.attachment.digest}, {"error", loaded.error().message}});
    }
    made->by_name_[image->name] = image->slot;
    made->by_slot_[image->slot] = std::move(image);
  }
  return made;
}

Result<std::shared_ptr<LoadedImage>> ServedImages::load(const Attachment& attachment) const {
  std::shared_ptr<const Index> index = TRY(Index::open(attachment.index_path));
  return loader_.open(std::move(index), attachment.routes, routes_);
}

std::shared_ptr<const ServedImage> ServedImages::find(uint32_t slot) const {
  std::lock_guard lock(mutex_);
  auto found = by_slot_.find(slot);
  return found == by_slot_.end() ? nullptr : found->second;
}

std::shared_ptr<const ServedImage> ServedImages::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : by_slot_.at(found->second);
}

std::vector<std::shared_ptr<const ServedImage>> ServedImages::list() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const ServedImage>> out;
  for (const auto& [slot, image] : by_slot_) {
    if (by_name_.contains(image->name)) out.push_back(image);
  }
  return out;
}

std::vector<std::shared_ptr<const ServedImage>> ServedImages::of_digest(const std::string& digest) const {
  std::vector<std::shared_ptr<const ServedImage>> out;
  for (auto& image : list()) {
    if (image->attachment.digest == digest) out.push_back(std::move(image));
  }
  return out;
}

// The slot it had before, or a fresh one.
Result<uint32_t> ServedImages::slot_for(const Attachment& attachment) {
  std::lock_guard lock(mutex_);
  for (KeptImage& kept : state_.images) {
    if (kept.attachment.digest != attachment.digest || kept.attachment.shift != attachment.shift) continue;
    kept.attachment = attachment;
    kept.attachment.trace.clear();
    kept.is_attached = true;
    return kept.slot;
  }
  if (state_.next_slot >= kSlotsMax) {
    return make_error(Code::Exhausted, "this mount has served " + std::to_string(kSlotsMax - 1) +
                                           " different images: stop it and start it again");
  }
  KeptImage fresh{state_.next_slot++, true, attachment};
  fresh.attachment.trace.clear();
  state_.images.push_back(fresh);
  return fresh.slot;
}

Status ServedImages::keep() {
  std::lock_guard lock(mutex_);
  return memory_.set_text(write_state(state_));
}

Result<std::shared_ptr<const ServedImage>> ServedImages::attach(const Attachment& attachment) {
  std::lock_guard one(changing_);
  auto image = std::make_shared<ServedImage>();
  image->loaded = TRY(load(attachment));
  image->attachment = attachment;
  image->attachment.trace.clear();
  image->name = name_of(attachment);
  image->slot = TRY(slot_for(attachment));
  TRY(keep());
  std::shared_ptr<const ServedImage> before = find(image->slot);
  image->read_errors = before != nullptr ? before->read_errors : std::make_shared<std::atomic<uint64_t>>(0);
  {
    std::lock_guard lock(mutex_);
    by_slot_[image->slot] = image;
    by_name_[image->name] = image->slot;
  }
  std::vector<BlockPlace> trace = parse_trace(image->loaded->index(), attachment.trace);
  if (!trace.empty()) image->loaded->prefetch(trace);
  if (attachment.complete) image->loaded->complete();
  return std::shared_ptr<const ServedImage>(image);
}

void ServedImages::hide(uint32_t slot, bool hidden) {
  std::lock_guard lock(mutex_);
  auto found = by_slot_.find(slot);
  if (found == by_slot_.end()) return;
  if (hidden) {
    by_name_.erase(found->second->name);
  } else {
    by_name_[found->second->name] = slot;
  }
}

Status ServedImages::forget(uint32_t slot) {
  std::lock_guard one(changing_);
  {
    std::lock_guard lock(mutex_);
    auto found = by_slot_.find(slot);
    if (found == by_slot_.end()) return {};
    by_name_.erase(found->second->name);
    by_slot_.erase(found);
    for (KeptImage& kept : state_.images) {
      if (kept.slot != slot) continue;
      kept.is_attached = false;
      kept.attachment.routes.clear();
    }
  }
  return keep();
}

std::vector<BlockPlace> parse_trace(const Index& index, const std::vector<std::string>& lines) {
  std::vector<BlockPlace> out;
  for (const std::string& line : lines) {
    size_t space = line.rfind(' ');
    if (space == std::string::npos || out.size() >= kTraceMax) continue;
    std::string_view path = std::string_view(line).substr(0, space);
    NodeNumber node = 0;
    bool is_there = true;
    while (!path.empty() && is_there) {
      std::string_view name = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      if (name.empty()) continue;
      is_there = index.node(node).type == Node::Type::Folder;
      std::optional<IndexEntry> entry = is_there ? index.find(node, name) : std::nullopt;
      is_there = entry.has_value();
      if (is_there) node = entry->node;
    }
    uint64_t block = 0;
    for (char digit : std::string_view(line).substr(space + 1)) {
      if (digit < '0' || digit > '9' || block > UINT32_MAX) is_there = false;
      block = block * 10 + static_cast<uint64_t>(digit - '0');
    }
    if (!is_there) continue;
    IndexNode facts = index.node(node);
    if (facts.type == Node::Type::File && block < facts.count) out.push_back({node, static_cast<uint32_t>(block)});
  }
  return out;
}

std::vector<std::string> write_trace(const Index& index, const std::vector<BlockPlace>& places) {
  // Nodes do not know their names: one walk finds those of the files that are meant.
  std::map<NodeNumber, std::string> paths;
  for (const BlockPlace& place : places) paths[place.node];
  std::vector<std::pair<NodeNumber, std::string>> folders = {{0, ""}};
  while (!folders.empty()) {
    auto [folder, path] = std::move(folders.back());
    folders.pop_back();
    for (uint32_t at = 0; at < index.node(folder).count; ++at) {
      IndexEntry entry = index.entry(folder, at);
      std::string below = path + "/" + std::string(entry.name);
      if (entry.type == Node::Type::Folder) {
        folders.emplace_back(entry.node, std::move(below));
      } else if (auto found = paths.find(entry.node); found != paths.end() && found->second.empty()) {
        found->second = std::move(below);
      }
    }
  }
  std::vector<std::string> out;
  for (const BlockPlace& place : places) {
    const std::string& path = paths[place.node];
    if (!path.empty() && out.size() < kTraceMax) out.push_back(path + " " + std::to_string(place.block));
  }
  return out;
}

}  // namespace mcloud::image
