// Content-addressed bytes beside the ledger: contract bodies and keyrings, named by hash from the state.
//
// Files in two folders: new/ holds what nobody on the ledger names yet (anyone may upload, so it is bounded and the
// oldest give way after a while), kept/ what a contract names. A file counts as at least kBlobCostMin, so that the
// number of files is bounded, too. Thread-safe; blocking.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/ids.h"
#include "base/world.h"
#include "ledger/guarded.h"

namespace mcloud::ledger {

inline constexpr uint64_t kBlobCostMin = 4096;

class Blobs {
 public:
  struct Limits {
    size_t blob_bytes_max = 4 << 20;
    uint64_t blob_cost_min = kBlobCostMin;
    uint64_t kept_bytes_max = uint64_t{4} << 30;
    uint64_t new_bytes_max = uint64_t{64} << 20;
    uint64_t new_age_min_ms = 600'000;  // what is younger does not give way to others
  };
  static Result<std::unique_ptr<Blobs>> open(const std::string& folder, const Clock& clock, const Limits& limits);

  // Durable when it returns; putting what is there changes nothing. Invalid for empty or too large, Exhausted when
  // there is no room.
  Result<Hash> put(BytesView bytes);
  // NotFound, or Corrupt when the file no longer has its hash.
  Result<Bytes> get(const Hash& hash) const;
  // A contract names it: it stays, now or as soon as it comes. Exhausted when there is no room: then what is here is
  // served until others need its place.
  Status keep(const Hash& hash);

  // As they count against the limits.
  uint64_t kept_bytes() const;
  uint64_t new_bytes() const;

 private:
  struct New {
    uint64_t bytes = 0;
    uint64_t since_ms = 0;  // monotonic
  };
  struct Index {
    std::map<Hash, uint64_t> kept;
    std::map<Hash, New> fresh;
    std::set<Hash> wanted;  // named, but not here
    uint64_t kept_bytes = 0;
    uint64_t new_bytes = 0;
  };

  Blobs(std::string folder, const Clock& clock, const Limits& limits)
      : folder_(std::move(folder)), clock_(clock), limits_(limits) {}
  Status load();
  std::string path(std::string_view place, const Hash& hash) const;
  uint64_t cost(uint64_t bytes) const { return std::max(bytes, limits_.blob_cost_min); }
  Status check_room_to_keep(const Index& index, uint64_t cost) const;
  Status make_room(Index& index, uint64_t bytes);

  const std::string folder_;
  const Clock& clock_;
  const Limits limits_;
  mutable Guarded<Index> index_;
};

}  // namespace mcloud::ledger
