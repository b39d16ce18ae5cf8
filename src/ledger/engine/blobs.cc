#include "ledger/engine/blobs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "crypto/hash.h"
#include "io/file.h"

namespace mcloud::ledger {
namespace {

constexpr std::string_view kKept = "kept";
constexpr std::string_view kNew = "new";

Result<uint64_t> file_size(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return errno_error(errno, "stat " + path);
  return static_cast<uint64_t>(about.st_size);
}

}  // namespace

std::string Blobs::path(std::string_view place, const Hash& hash) const {
  return folder_ + "/" + std::string(place) + "/" + hash.hex();
}

Result<std::unique_ptr<Blobs>> Blobs::open(const std::string& folder, const Clock& clock, const Limits& limits) {
  std::unique_ptr<Blobs> blobs(new Blobs(folder, clock, limits));
  TRY(blobs->load());
  return blobs;
}

Status Blobs::load() {
  Index index;
  for (std::string_view place : {kKept, kNew}) {
    std::string folder = folder_ + "/" + std::string(place);
    TRY(io::make_folders(folder, 0700));
    for (const std::string& name : TRY(io::list_folder(folder))) {
      Result<Hash> hash = Hash::from_hex(name);
      if (!hash.has_value()) return make_error(Code::Corrupt, folder + "/" + name + ": not a blob's name");
      uint64_t bytes = cost(TRY(file_size(folder + "/" + name)));
      if (place == kKept) {
        index.kept[*hash] = bytes;
        index.kept_bytes += bytes;
      } else {
        index.fresh[*hash] = {bytes, clock_.monotonic_ms()};
        index.new_bytes += bytes;
      }
    }
  }
  index_.set(std::move(index));
  return {};
}

// Lets the oldest of those that nobody names go.
Status Blobs::make_room(Index& index, uint64_t bytes) {
  while (index.new_bytes + bytes > limits_.new_bytes_max) {
    auto oldest = index.fresh.end();
    for (auto at = index.fresh.begin(); at != index.fresh.end(); ++at) {
      if (oldest == index.fresh.end() || at->second.since_ms < oldest->second.since_ms) oldest = at;
    }
    if (oldest == index.fresh.end() || clock_.monotonic_ms() - oldest->second.since_ms < limits_.new_age_min_ms) {
      return make_error(Code::Exhausted, "there is no room for uploads that no contract names yet; try again later");
    }
    TRY(io::remove_tree(path(kNew, oldest->first)));
    index.new_bytes -= oldest->second.bytes;
    index.fresh.erase(oldest);
  }
  return {};
}

Status Blobs::check_room_to_keep(const Index& index, uint64_t cost) const {
  if (index.kept_bytes + cost <= limits_.kept_bytes_max) return {};
  return make_error(Code::Exhausted, "there is no room for more contract bodies on this ledger server");
}

Result<Hash> Blobs::put(BytesView bytes) {
  if (bytes.empty() || bytes.size() > limits_.blob_bytes_max) {
    return make_error(Code::Invalid, "a blob has " + std::to_string(bytes.size()) + " bytes, 1 to " +
                                         std::to_string(limits_.blob_bytes_max) + " are allowed");
  }
  Hash hash = crypto::blake2b(bytes);
  // The index's lock is held while the file is written, so that bounds hold and a file and its entry agree. Uploads are
  // rare and small.
  return index_.with([&](Index& index) -> Result<Hash> {
    if (index.kept.contains(hash) || index.fresh.contains(hash)) return hash;
    if (index.wanted.contains(hash)) {
      TRY(check_room_to_keep(index, cost(bytes.size())));
      TRY(io::write_file(path(kKept, hash), bytes, io::Durability::Fsync, 0600));
      index.wanted.erase(hash);
      index.kept[hash] = cost(bytes.size());
      index.kept_bytes += cost(bytes.size());
      return hash;
    }
    TRY(make_room(index, cost(bytes.size())));
    TRY(io::write_file(path(kNew, hash), bytes, io::Durability::Fsync, 0600));
    index.fresh[hash] = {cost(bytes.size()), clock_.monotonic_ms()};
    index.new_bytes += cost(bytes.size());
    return hash;
  });
}

Result<Bytes> Blobs::get(const Hash& hash) const {
  std::string_view place = index_.with([&](Index& index) {
    return index.kept.contains(hash) ? kKept : index.fresh.contains(hash) ? kNew : std::string_view();
  });
  if (place.empty()) return make_error(Code::NotFound, "there is no blob " + hash.hex());
  Result<Bytes> bytes = io::read_file(path(place, hash), limits_.blob_bytes_max);
  // It may have been named, and so moved, just now.
  if (!bytes.has_value() && place == kNew) bytes = io::read_file(path(kKept, hash), limits_.blob_bytes_max);
  if (!bytes.has_value()) return bytes.error();
  if (crypto::blake2b(*bytes) != hash)
    return make_error(Code::Corrupt, "the file of blob " + hash.hex() + " is damaged");
  return bytes;
}

Status Blobs::keep(const Hash& hash) {
  if (hash.is_none()) return {};
  return index_.with([&](Index& index) -> Status {
    if (index.kept.contains(hash)) return {};
    auto found = index.fresh.find(hash);
    if (found == index.fresh.end()) {
      index.wanted.insert(hash);
      return {};
    }
    TRY(check_room_to_keep(index, found->second.bytes));
    if (::rename(path(kNew, hash).c_str(), path(kKept, hash).c_str()) != 0) {
      return errno_error(errno, "keep blob " + hash.hex());
    }
    index.kept[hash] = found->second.bytes;
    index.kept_bytes += found->second.bytes;
    index.new_bytes -= found->second.bytes;
    index.fresh.erase(found);
    return {};
  });
}

uint64_t Blobs::kept_bytes() const {
  return index_.with([](Index& index) { return index.kept_bytes; });
}
uint64_t Blobs::new_bytes() const {
  return index_.with([](Index& index) { return index.new_bytes; });
}

}  // namespace mcloud::ledger
