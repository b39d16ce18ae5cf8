// What a namespace remembers beside its log: one small text file, replaced as a whole and durably. The text is pure.
//
//   mcloud-kv 1
//   salt HEX8          begins every record's check, so that no value can pass for a record
//   hash HEX32         the index's hash key
//   first N            nothing of the log before this position counts
//   baseline N N N     next sequence, next id, live bytes at `first`
//   lineage WORDS      which (term, generation) wrote the log from which position on (replication/lineage.h)
//   complete_at N      a copy of another log shows nothing before it has reached this position; 0: it is complete
//   epoch N            the highest seen
//   mode user | sequence
//   durability always | interval | none
//   interval_ms N
//   history forever 0 | last N | newer N
//   bytes_max N
//   password HEX       nothing: none
//   public yes | no
//   write_once yes | no
//   check HEX8         CRC-32C of all lines before
#pragma once

#include "base/disk.h"
#include "kv/index/checkpoint.h"
#include "kv/index/hash.h"
#include "kv/replication/lineage.h"
#include "kv/store.h"

namespace mcloud::kv {

struct Meta {
  uint32_t salt = 0;
  HashKey hash;
  Position first = 0;
  Totals baseline;
  Lineage lineage;
  Position complete_at = 0;
  uint64_t epoch = 0;
  Settings settings;
  Position front_at = 0;  // in memory only: where the log ended when `first` became its begin
};

Bytes encode_meta(const Meta& meta);
Result<Meta> parse_meta(BytesView text);  // Corrupt; Unsupported: a later version
// The lines from `mode` on.
Bytes encode_settings(const Settings& settings);
Result<Settings> parse_settings(BytesView text);

// FOLDER/meta. save_meta() leaves the old or the new one, durably.
Result<Meta> load_meta(Disk& disk, const std::string& folder);
Status save_meta(Disk& disk, const std::string& folder, const Meta& meta);
// Replaces FOLDER/NAME as a whole: write beside, sync, rename, sync the folder.
Status replace_file(Disk& disk, const std::string& folder, const std::string& name, BytesView bytes);
Result<Bytes> read_whole(Disk& disk, const std::string& path, uint64_t bytes_max);

}  // namespace mcloud::kv
