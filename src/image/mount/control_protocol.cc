#include "image/mount/control_protocol.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "image/digest.h"
#include "wire/json.h"

namespace mcloud::image {
namespace {

using Json = nlohmann::json;
using Kind = ControlRequest::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 6> kKinds = {{{Kind::Hello, "hello"},
                                                                      {Kind::Attach, "attach"},
                                                                      {Kind::Detach, "detach"},
                                                                      {Kind::Figures, "figures"},
                                                                      {Kind::Trace, "trace"},
                                                                      {Kind::Stop, "stop"}}};

std::string_view name_of(Kind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  return "";
}

Json attachment_json(const Attachment& attachment) {
  Json routes = Json::array();
  for (const Route& route : attachment.routes) {
    routes.push_back({{"first", route.first}, {"last", route.last}, {"url", route.url}});
  }
  return {{"digest", attachment.digest}, {"index", attachment.index_path}, {"routes", std::move(routes)},
          {"trace", attachment.trace},   {"complete", attachment.complete}, {"shift", attachment.shift}};
}

Result<uint8_t> byte_of(const Json& object, std::string_view key) {
  uint64_t value = TRY(wire::json_u64(object, key));
  if (value > 255) return make_error(Code::Invalid, std::string(key) + ": more than 255");
  return static_cast<uint8_t>(value);
}

Result<std::vector<std::string>> strings_of(const Json& object, std::string_view key, size_t count_max) {
  const Json* list = TRY(wire::json_array(object, key));
  if (list->size() > count_max) return make_error(Code::Invalid, std::string(key) + ": more than " + std::to_string(count_max));
  std::vector<std::string> out;
  for (const Json& item : *list) {
    if (!item.is_string()) return make_error(Code::Invalid, std::string(key) + ": not all are strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<Attachment> attachment_of(const Json& object) {
  Attachment out;
  std::string digest = TRY(wire::json_string(object, "digest"));
  out.digest = TRY(Digest::parse(digest)).text();
  out.index_path = TRY(wire::json_string(object, "index"));
  if (!out.index_path.starts_with('/')) return make_error(Code::Invalid, "index: not an absolute path");
  const Json* routes = TRY(wire::json_array(object, "routes"));
  if (routes->size() > kRoutesMax) return make_error(Code::Invalid, "routes: more than " + std::to_string(kRoutesMax));
  for (const Json& route : *routes) {
    if (!route.is_object()) return make_error(Code::Invalid, "routes: not all are objects");
    out.routes.push_back({TRY(byte_of(route, "first")), TRY(byte_of(route, "last")), TRY(wire::json_string(route, "url"))});
  }
  out.trace = TRY(strings_of(object, "trace", kTraceMax));
  out.complete = TRY(wire::json_bool(object, "complete"));
  uint64_t shift = TRY(wire::json_u64(object, "shift"));
  if (shift > kShiftMax) return make_error(Code::Invalid, "shift: more than " + std::to_string(kShiftMax));
  out.shift = static_cast<uint32_t>(shift);
  return out;
}

Json figures_json(const MountFigures& figures) {
  Json images = Json::array();
  for (const ImageFigures& image : figures.images) {
    Json stores = Json::array();
    for (const StoreFigures& store : image.stores) {
      stores.push_back({{"name", store.name}, {"blocks", store.blocks}, {"bytes", store.bytes},
                        {"failures", store.failures}, {"wrong", store.wrong}, {"failing", store.is_failing}});
    }
    images.push_back({{"digest", image.digest}, {"bytes", image.bytes}, {"cached_bytes", image.cached_bytes},
                      {"fetched_bytes", image.fetched_bytes}, {"read_errors", image.read_errors}, {"stores", std::move(stores)}});
  }
  const CacheFigures& cache = figures.cache;
  return {{"process", figures.process}, {"keeper", figures.keeper}, {"restarts", figures.restarts},
          {"passthrough", figures.has_passthrough}, {"idmap", figures.has_idmap}, {"reads", figures.reads},
          {"cache", {{"bytes", cache.bytes}, {"contents", cache.contents}, {"evicted", cache.evicted},
                     {"unsettled", cache.unsettled}, {"full", cache.is_full}}},
          {"images", std::move(images)}};
}

Result<StoreFigures> store_of(const Json& object) {
  StoreFigures out;
  out.name = TRY(wire::json_string(object, "name"));
  out.blocks = TRY(wire::json_u64(object, "blocks"));
  out.bytes = TRY(wire::json_u64(object, "bytes"));
  out.failures = TRY(wire::json_u64(object, "failures"));
  out.wrong = TRY(wire::json_u64(object, "wrong"));
  out.is_failing = TRY(wire::json_bool(object, "failing"));
  return out;
}

Result<MountFigures> figures_of(const Json& object) {
  MountFigures out;
  out.process = static_cast<int>(TRY(wire::json_u64(object, "process")));
  out.keeper = static_cast<int>(TRY(wire::json_u64(object, "keeper")));
  out.restarts = TRY(wire::json_u64(object, "restarts"));
  out.reads = TRY(wire::json_u64(object, "reads"));
  out.has_passthrough = TRY(wire::json_bool(object, "passthrough"));
  out.has_idmap = TRY(wire::json_bool(object, "idmap"));
  const Json* cache = TRY(wire::json_object(object, "cache"));
  out.cache.bytes = TRY(wire::json_u64(*cache, "bytes"));
  out.cache.contents = TRY(wire::json_u64(*cache, "contents"));
  out.cache.evicted = TRY(wire::json_u64(*cache, "evicted"));
  out.cache.unsettled = TRY(wire::json_u64(*cache, "unsettled"));
  out.cache.is_full = TRY(wire::json_bool(*cache, "full"));
  for (const Json& item : *TRY(wire::json_array(object, "images"))) {
    ImageFigures image;
    image.digest = TRY(wire::json_string(item, "digest"));
    image.bytes = TRY(wire::json_u64(item, "bytes"));
    image.cached_bytes = TRY(wire::json_u64(item, "cached_bytes"));
    image.fetched_bytes = TRY(wire::json_u64(item, "fetched_bytes"));
    image.read_errors = TRY(wire::json_u64(item, "read_errors"));
    for (const Json& store : *TRY(wire::json_array(item, "stores"))) image.stores.push_back(TRY(store_of(store)));
    out.images.push_back(std::move(image));
  }
  return out;
}

Result<KeptImage> kept_of(const Json& item) {
  KeptImage out;
  uint64_t slot = TRY(wire::json_u64(item, "slot"));
  out.slot = static_cast<uint32_t>(slot);
  out.is_attached = TRY(wire::json_bool(item, "attached"));
  const Json* image = TRY(wire::json_object(item, "image"));
  out.attachment = TRY(attachment_of(*image));
  return out;
}

}  // namespace

std::string write_request(const ControlRequest& request) {
  Json out = {{"do", name_of(request.kind)}};
  if (request.kind == Kind::Attach) out["image"] = attachment_json(request.attachment);
  if (request.kind == Kind::Detach || request.kind == Kind::Trace) out["digest"] = request.digest;
  return wire::json_text(out) + "\n";
}

Result<ControlRequest> parse_request(std::string_view line) {
  Json parsed = TRY(wire::parse_json(line, kControlBytesMax));
  std::string what = TRY(wire::json_string(parsed, "do"));
  ControlRequest out;
  bool is_known = false;
  for (const auto& [kind, name] : kKinds) {
    if (name != what) continue;
    out.kind = kind;
    is_known = true;
  }
  if (!is_known) return make_error(Code::Invalid, "do: " + what.substr(0, 40) + " is none of hello, attach, detach, figures, trace, stop");
  if (out.kind == Kind::Attach) {
    const Json* image = TRY(wire::json_object(parsed, "image"));
    out.attachment = TRY(attachment_of(*image));
  }
  if (out.kind == Kind::Detach || out.kind == Kind::Trace) {
    std::string digest = TRY(wire::json_string(parsed, "digest"));
    out.digest = TRY(Digest::parse(digest)).text();
  }
  return out;
}

std::string write_reply(Kind kind, const Result<ControlReply>& reply) {
  if (!reply.has_value()) {
    return wire::json_text({{"error", {{"code", code_name(reply.error().code)}, {"message", reply.error().message}}}}) + "\n";
  }
  Json out = Json::object();
  if (kind == Kind::Hello || kind == Kind::Attach) out["folder"] = reply->folder;
  if (kind == Kind::Figures) out["figures"] = figures_json(reply->figures);
  if (kind == Kind::Trace) out["trace"] = reply->trace;
  return wire::json_text(out) + "\n";
}

Result<ControlReply> parse_reply(Kind kind, std::string_view line) {
  Json parsed = TRY(wire::parse_json(line, kControlBytesMax));
  if (parsed.is_object() && parsed.contains("error")) {
    const Json* error = TRY(wire::json_object(parsed, "error"));
    return make_error(code_from_name(TRY(wire::json_string(*error, "code"))), TRY(wire::json_string(*error, "message")));
  }
  ControlReply out;
  if (kind == Kind::Hello || kind == Kind::Attach) out.folder = TRY(wire::json_string(parsed, "folder"));
  if (kind == Kind::Figures) {
    const Json* figures = TRY(wire::json_object(parsed, "figures"));
    out.figures = TRY(figures_of(*figures));
  }
  if (kind == Kind::Trace) out.trace = TRY(strings_of(parsed, "trace", kTraceMax));
  return out;
}

std::string write_state(const KeptState& state) {
  Json images = Json::array();
  for (const KeptImage& image : state.images) {
    images.push_back({{"slot", image.slot}, {"attached", image.is_attached}, {"image", attachment_json(image.attachment)}});
  }
  const MountOptions& options = state.options;
  return wire::json_text({{"folder", options.folder}, {"cache", options.cache_folder},
                          {"cache_bytes_max", options.cache_bytes_max}, {"certificates", options.certificates},
                          {"block_timeout_ms", options.block_timeout_ms}, {"stuck_timeout_ms", options.stuck_timeout_ms},
                          {"next_slot", state.next_slot}, {"images", std::move(images)}});
}

Result<KeptState> parse_state(std::string_view text) {
  Json parsed = TRY(wire::parse_json(text, 16 << 20));
  KeptState out;
  out.options.folder = TRY(wire::json_string(parsed, "folder"));
  out.options.cache_folder = TRY(wire::json_string(parsed, "cache"));
  out.options.cache_bytes_max = TRY(wire::json_u64(parsed, "cache_bytes_max"));
  out.options.certificates = TRY(wire::json_string(parsed, "certificates"));
  out.options.block_timeout_ms = TRY(wire::json_u64(parsed, "block_timeout_ms"));
  out.options.stuck_timeout_ms = TRY(wire::json_u64(parsed, "stuck_timeout_ms"));
  out.next_slot = static_cast<uint32_t>(TRY(wire::json_u64(parsed, "next_slot")));
  for (const Json& item : *TRY(wire::json_array(parsed, "images"))) out.images.push_back(TRY(kept_of(item)));
  return out;
}

}  // namespace mcloud::image
