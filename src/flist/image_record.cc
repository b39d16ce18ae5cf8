#include "flist/image_record.h"

#include <nlohmann/json.hpp>

#include "wire/json.h"

namespace mcloud::flist {
namespace {

using Json = nlohmann::json;

constexpr size_t kRecordBytesMax = 16 << 20;

Result<Bytes> hex_of(const Json& object, std::string_view key) { return from_hex(TRY(wire::json_string(object, key))); }

Result<image::Route> route_of(const Json& json) {
  uint64_t first = TRY(wire::json_u64(json, "first")), last = TRY(wire::json_u64(json, "last"));
  if (first > 255 || last > 255) return make_error(Code::Corrupt, "a route's range: 0 to 255");
  return image::Route{static_cast<uint8_t>(first), static_cast<uint8_t>(last), TRY(wire::json_string(json, "url"))};
}

Result<ImageSignature> signature_of(const Json& json) {
  ImageSignature out;
  Bytes signer = TRY(hex_of(json, "signer"));
  out.signer = TRY(PublicKey::from_bytes(signer));
  out.signature = TRY(hex_of(json, "signature"));
  return out;
}

Result<ImageRecord> read_record(const Json& json) {
  if (!json.is_object()) return make_error(Code::Corrupt, "is no object");
  if (TRY(wire::json_u64(json, "format")) != 1) return make_error(Code::Unsupported, "format: only 1 is known");
  ImageRecord record;
  record.bytes = TRY(wire::json_u64(json, "bytes"));
  std::string config = TRY(wire::json_string(json, "config"));
  record.config = TRY(from_base64(config));
  for (const Json& route : *TRY(wire::json_array(json, "routes"))) record.routes.push_back(TRY(route_of(route)));
  for (const Json& line : *TRY(wire::json_array(json, "trace"))) {
    if (!line.is_string()) return make_error(Code::Corrupt, "trace: a list of texts");
    record.trace.push_back(line.get<std::string>());
  }
  for (const Json& signature : *TRY(wire::json_array(json, "signatures")))
    record.signatures.push_back(TRY(signature_of(signature)));
  return record;
}

}  // namespace

ImageRecord record_of(const Imported& imported, const image::Index& index) {
  ImageRecord record;
  for (uint32_t node = 0; node < index.nodes(); ++node) {
    image::IndexNode facts = index.node(node);
    if (facts.type == image::Node::Type::File) record.bytes += facts.bytes;
  }
  record.config = index.config();
  record.routes = imported.routes;
  record.trace = imported.trace;
  record.signatures = imported.signatures;
  return record;
}

std::string to_json(const ImageRecord& record) {
  Json json = {{"format", 1}, {"bytes", record.bytes}, {"config", to_base64(record.config)}, {"trace", record.trace}};
  json["routes"] = Json::array();
  for (const image::Route& route : record.routes)
    json["routes"].push_back({{"first", route.first}, {"last", route.last}, {"url", route.url}});
  json["signatures"] = Json::array();
  for (const ImageSignature& one : record.signatures)
    json["signatures"].push_back({{"signer", one.signer.hex()}, {"signature", to_hex(one.signature)}});
  return wire::json_text(json) + "\n";
}

Result<ImageRecord> parse_record(std::string_view text) {
  Result<Json> json = wire::parse_json(text, kRecordBytesMax);
  if (!json.has_value()) return make_error(Code::Corrupt, json.error().message);
  Result<ImageRecord> record = read_record(*json);
  if (record.has_value() || record.error().code == Code::Unsupported) return record;
  return make_error(Code::Corrupt, record.error().message);
}

}  // namespace mcloud::flist
