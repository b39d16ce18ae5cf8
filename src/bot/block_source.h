// Blocks by height from a ledger's HTTP API. What comes back is the server's word: the caller verifies it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "mcloud/ledger.pb.h"
#include "wire/http_client.h"

namespace mcloud::bot {

struct FetchedBlock {
  pb::Block block;
  Bytes results;  // one byte per transaction (ledger/application.h, result_byte)
};

class BlockSource {
 public:
  // Endpoints are tried in turn, from the last one that answered.
  static Result<std::unique_ptr<BlockSource>> open(const std::vector<std::string>& endpoints);
  Result<FetchedBlock> get(uint64_t height);

 private:
  std::vector<std::unique_ptr<wire::HttpClient>> clients_;
  size_t next_ = 0;
};

}  // namespace mcloud::bot
