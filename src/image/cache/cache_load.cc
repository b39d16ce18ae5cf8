// What a cache finds in its folder when it is opened.
#include "image/cache/cache_core.h"

namespace mcloud::image {

void CacheCore::add(const CacheFile& file, const CacheName& name, std::shared_ptr<BlockBits> kept) {
  auto added = entries_.try_emplace(name.id).first;
  CacheEntry& entry = added->second;
  entry.bytes = file.bytes;
  entry.disk_bytes = file.disk_bytes;
  entry.used_ns = file.used_ns;
  entry.tag = name.tag;
  if (kept) {
    entry.has_have = true;
    entry.disk_bytes += kHaveDiskBytes;
    entry.settled = kept->count();
    entry.kept = std::move(kept);
  }
  used_order_.push_front(&added->first);
  entry.place = used_order_.begin();
  disk_bytes_ += entry.disk_bytes;
  ++contents_;
}

// Its name was given after its bytes were on the disk.
bool CacheCore::add_whole(const CacheFile& file, const CacheName& name) {
  if (name.tag == 0 || entries_.contains(name.id)) return false;
  add(file, name, nullptr);
  return true;
}

bool CacheCore::add_part(const CacheFile& file, const CacheName& name) {
  if (name.tag == 0 || entries_.contains(name.id)) return false;
  auto bytes = files_->read(file_name({CacheName::Kind::Have, name.id, name.tag}), kHaveBytesMax);
  if (!bytes.has_value()) return false;
  auto have = parse_have(*bytes);
  if (!have || have->content_bytes != file.bytes) return false;
  auto kept = std::make_shared<BlockBits>(blocks_of(file.bytes));
  if (!kept->add(have->bits)) return false;
  add(file, name, std::move(kept));
  return true;
}

// All of one content lie in one folder.
Status CacheCore::load_folder(uint8_t folder) {
  std::vector<CacheFile> files = TRY(files_->list(folder));
  std::vector<std::string> wrong;
  // Whole ones first: a crash may leave a content's next life beside them.
  for (CacheName::Kind kind : {CacheName::Kind::Whole, CacheName::Kind::Part}) {
    for (const CacheFile& file : files) {
      auto name = parse_file_name(file.name);
      if (!name || name->kind != kind) continue;
      bool is_good = kind == CacheName::Kind::Whole ? add_whole(file, *name) : add_part(file, *name);
      if (!is_good) wrong.push_back(file.name);
    }
  }
  for (const CacheFile& file : files) {
    auto name = parse_file_name(file.name);
    if (!name) wrong.push_back(file.name);
    if (!name || name->kind != CacheName::Kind::Have) continue;
    auto found = entries_.find(name->id);
    if (found == entries_.end() || !found->second.kept || found->second.tag != name->tag) wrong.push_back(file.name);
  }
  // On a read-only disk it stays where it is; nothing looks at it.
  for (const std::string& name : wrong) static_cast<void>(files_->remove(name));
  return {};
}

Status CacheCore::load() {
  std::lock_guard guard(mutex_);
  for (int folder = 0; folder < 256; ++folder) TRY(load_folder(static_cast<uint8_t>(folder)));
  used_order_.sort([this](const ContentId* a, const ContentId* b) {
    return entries_.at(*a).used_ns > entries_.at(*b).used_ns;
  });
  return {};
}

}  // namespace mcloud::image
