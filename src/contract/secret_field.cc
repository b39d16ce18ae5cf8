#include "contract/secret_field.h"

#include "contract/judge.h"
#include "contract/secrets.h"

namespace mcloud::contract {

std::optional<Placed<SecretReference>> read_secret(const Cursor& cursor) {
  static constexpr std::string_view kAllowed = "env:NAME, file:PATH, value:TEXT";
  std::optional<Text> text = cursor.text();
  if (!text) return std::nullopt;
  using From = SecretReference::From;
  for (auto [prefix, from] : {std::pair<std::string_view, From>{"env:", From::Environment},
                              {"file:", From::File},
                              {"value:", From::Value}}) {
    if (!text->value.starts_with(prefix)) continue;
    std::string rest = text->value.substr(prefix.size());
    if (rest.empty() && from != From::Value) break;
    if (from == From::Environment && !kVariableNameRule.holds(rest)) break;
    return Placed<SecretReference>{{from, std::move(rest)}, text->place};
  }
  // The text itself is not shown: somebody may have put the secret here.
  cursor.complain("does not say where the secret is", {std::string(kAllowed), ""});
  return std::nullopt;
}

Status check_secret(const pb::Secret& secret, const std::string& field) {
  constexpr size_t kOverhead = 24 + 16;  // nonce and tag of crypto::encrypt
  size_t size = secret.box().size();
  return require(size >= kOverhead && size <= kSecretBytesMax + kOverhead, field, "not a secret box");
}

void each_secret(const pb::WorkloadBody& workload,
                 const std::function<void(const std::string& field, const pb::Secret& secret)>& act) {
  for (const pb::Variable& variable : workload.container().environment()) {
    if (variable.has_secret()) act(environment_field(variable.name()), variable.secret());
  }
  for (const pb::SecretFile& file : workload.container().secret_files()) {
    act(secret_file_field(file.path()), file.secret());
  }
  if (workload.network().has_access()) act(std::string(kAccessKeyField), workload.network().access().private_key());
  if (workload.publish().site().tls().has_acme()) {
    act(std::string(kAcmeAccountField), workload.publish().site().tls().acme().account_key());
    act(std::string(kTlsKeyField), workload.publish().site().tls().acme().private_key());
  } else if (workload.publish().site().tls().has_supplied()) {
    act(std::string(kTlsKeyField), workload.publish().site().tls().supplied().private_key());
  }
  if (workload.kv().has_password()) act(std::string(kPasswordField), workload.kv().password());
}

}  // namespace mcloud::contract
