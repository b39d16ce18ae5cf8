#include "bot/block_source.h"

#include <nlohmann/json.hpp>

#include "wire/canonical.h"
#include "wire/json.h"

namespace mcloud::bot {
namespace {

constexpr size_t kBlockBytesMax = 64 << 20;

Result<FetchedBlock> parse_block(const wire::HttpResponse& response) {
  if (response.status != 200) return wire::error_of_response(response);
  nlohmann::json json = TRY(wire::parse_json(response.body, kBlockBytesMax * 2));
  std::string text = TRY(wire::json_string(json, "block"));
  Bytes bytes = TRY(from_base64(text));
  FetchedBlock fetched;
  fetched.block = TRY(wire::decode<pb::Block>(bytes, "block", kBlockBytesMax));
  text = TRY(wire::json_string(json, "results"));
  fetched.results = TRY(from_base64(text));
  return fetched;
}

}  // namespace

Result<std::unique_ptr<BlockSource>> BlockSource::open(const std::vector<std::string>& endpoints) {
  auto source = std::make_unique<BlockSource>();
  wire::HttpClient::Options options;
  options.body_bytes_max = kBlockBytesMax * 2;
  for (const std::string& text : endpoints) {
    wire::Endpoint endpoint = TRY(wire::Endpoint::parse(text));
    source->clients_.push_back(wire::HttpClient::create(endpoint, options));
  }
  if (source->clients_.empty()) return make_error(Code::Invalid, "no ledger endpoint is known");
  return source;
}

Result<FetchedBlock> BlockSource::get(uint64_t height) {
  Result<wire::HttpResponse> response = make_error(Code::Unavailable, "no ledger answers");
  for (size_t tried = 0; tried < clients_.size(); tried++) {
    response = clients_[next_]->get("/v1/blocks/" + std::to_string(height));
    if (response) return parse_block(*response).with_context("block " + std::to_string(height));
    next_ = (next_ + 1) % clients_.size();
  }
  return response.error();
}

}  // namespace mcloud::bot
