#include "cli/context.h"

#include <nlohmann/json.hpp>

#include "io/file.h"
#include "wallet/wallet.h"
#include "wire/json.h"

namespace mcloud::cli {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

// Beside the keys: a person's own memory of what was verified, per chain.
Result<std::string> remote_head_file(const std::string& chain_id) {
  std::string folder = wallet::default_key_folder();
  folder = folder.substr(0, folder.rfind('/')) + "/heads";
  TRY(io::make_folders(folder, 0700));
  return folder + "/chain-" + chain_id;
}

Result<Context> parse_context(std::string_view text) {
  nlohmann::json json = TRY(wire::parse_json(text, kFileBytesMax));
  if (!json.is_object() || TRY(wire::json_u64(json, "format")) != 1)
    return make_error(Code::Invalid, "format is not 1");
  Context context;
  context.is_local = true;
  context.name = TRY(wire::json_string(json, "name"));
  context.default_key = TRY(wire::json_string(json, "default_key"));
  for (const nlohmann::json& forward : *TRY(wire::json_array(json, "forwards"))) {
    std::string name = TRY(wire::json_string(forward, "name"));
    uint64_t port = TRY(wire::json_u64(forward, "port"));
    context.ports[name] = static_cast<uint16_t>(port);
  }
  auto url_of = [&](const char* name) {
    auto found = context.ports.find(name);
    return found == context.ports.end() ? std::string() : "http://127.0.0.1:" + std::to_string(found->second);
  };
  if (url_of("ledger").empty())
    return make_error(Code::Unavailable, "the cluster has no way to its ledger; start it again");
  context.ledger = {url_of("ledger")};
  context.sink = url_of("sink");
  const nlohmann::json* trust = TRY(wire::json_object(json, "trust"));
  context.trust = TRY(ledger::Trust::parse(wire::json_text(*trust)));
  return context;
}

}  // namespace

Result<Context> Context::parse(std::string_view cluster_json) { return parse_context(cluster_json); }

std::string forward_name(std::string_view protocol, uint32_t port, const ContractId& contract) {
  return std::string(protocol) + "-" + std::to_string(port) + "-" + contract.short_hex();
}

Result<Context> local_context(const std::string& folder) {
  std::string path = folder + "/cluster.json";
  Result<std::string> text = io::read_file(path, kFileBytesMax);
  if (!text && text.error().code == Code::NotFound) {
    return make_error(Code::Unavailable,
                      "no cluster in " + folder +
                          "; start one: mcloud cluster up --detach (or name a ledger: --ledger URL --trust FILE)");
  }
  if (!text) return text.error();
  Context context = TRY(Context::parse(*text).with_context(path));
  context.head_file = folder + "/client-head";
  return context;
}

Result<Context> remote_context(const std::string& url, const std::string& trust_file) {
  if (trust_file.empty()) {
    return make_error(Code::Invalid,
                      "--ledger needs --trust FILE: which validators to believe; `mcloud ledger init` printed it");
  }
  std::string text = TRY(io::read_file(trust_file, kFileBytesMax));
  Context context;
  context.name = url;
  context.ledger = {url};
  context.trust = TRY(ledger::Trust::parse(text).with_context(trust_file));
  context.head_file = TRY(remote_head_file(context.trust.chain_id));
  return context;
}

}  // namespace mcloud::cli
