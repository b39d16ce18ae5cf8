#include "contract/header.h"

#include <algorithm>

#include "contract/judge.h"
#include "contract/kinds/kind.h"
#include "contract/secret_field.h"
#include "crypto/hash.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

bool has_secret(const pb::WorkloadBody& workload) {
  bool found = false;
  each_secret(workload, [&](const std::string&, const pb::Secret&) { found = true; });
  return found;
}

Status check_workload_body(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body) {
  const Kind* kind = find_kind(body.kind_case());
  if (kind == nullptr) return make_error(Code::Unsupported, "kind: is not one this program knows");
  TRY(require(facets.names().empty() || body.publish().has_site(), "names", "only publications at gateways have public names"));
  TRY(require(facets.kind() == kind->name, "kind", "the header says \"" + facets.kind() + "\""));
  return kind->validate(scope, facets, body);
}

// In a list that is sorted by name.
template <typename List>
auto* find_named(const List& list, std::string_view name) {
  auto below = [](const auto& item, std::string_view wanted) { return item.name() < wanted; };
  auto found = std::lower_bound(list.begin(), list.end(), name, below);
  return found != list.end() && found->name() == name ? &*found : nullptr;
}

}  // namespace

ContractId contract_id(const PublicKey& owner, BytesView nonce) {
  Hash hash = crypto::blake2b({owner.view(), nonce});
  return ContractId::from_bytes(hash.view()).value();
}

ContractId contract_id(const pb::ContractHeader& valid_header) {
  Hash hash = crypto::blake2b({BytesView(valid_header.owner()), BytesView(valid_header.nonce())});
  return ContractId::from_bytes(hash.view()).value();
}

Hash header_hash(BytesView header_bytes) { return crypto::blake2b(header_bytes); }

Result<pb::ContractHeader> decode_header(BytesView header_bytes) {
  auto header = TRY(wire::decode<pb::ContractHeader>(header_bytes, "contract header", kHeaderBytesMax));
  TRY(validate_header(header));
  return header;
}

Result<pb::ContractBody> decode_body(const pb::ContractHeader& header, BytesView body_bytes) {
  if (crypto::blake2b(body_bytes).view() != header.body_hash()) {
    return make_error(Code::Corrupt, "contract body: its hash is not the one in the header");
  }
  auto body = TRY(wire::decode<pb::ContractBody>(body_bytes, "contract body", kBodyBytesMax));
  TRY(validate_body(header, body));
  return body;
}

Status validate_body(const pb::ContractHeader& header, const pb::ContractBody& body) {
  constexpr std::string_view kWhat = "contract body";
  TRY(require(body.format() == kFormat, kWhat, "format " + std::to_string(body.format()) + " is not known"));
  TRY(require(body.nonce() == header.nonce(), kWhat, "belongs to another contract"));
  TRY(require(body.workloads_size() == header.workloads_size(), kWhat, "has other workloads than the header"));
  for (int i = 0; i < body.workloads_size(); ++i) {
    const std::string& name = header.workloads(i).name();
    TRY(require(body.workloads(i).name() == name, kWhat, "has no workload \"" + name + "\" where the header has it"));
  }
  int networks = 0;
  bool secrets = false;
  for (int i = 0; i < body.workloads_size(); ++i) {
    const pb::WorkloadBody& workload = body.workloads(i);
    Status checked = check_workload_body({header, body}, header.workloads(i), workload);
    if (!checked) return checked.error().with_context("contract body: workloads." + workload.name());
    networks += workload.has_network() ? 1 : 0;
    secrets = secrets || has_secret(workload);
  }
  TRY(require(networks == header.spaces_size(), kWhat, "the header has address spaces without a network"));
  return require(secrets == header.sealed_secrets(), kWhat, "the header's `sealed_secrets` says otherwise");
}

pb::Encryption effective_encryption(const pb::NetworkBody& body) {
  return body.encryption() == pb::ENCRYPTION_UNSET ? pb::ENCRYPTION_NONE : body.encryption();
}

const pb::Facets* find_facets(const pb::ContractHeader& header, std::string_view name) {
  return find_named(header.workloads(), name);
}

const pb::WorkloadBody* find_body(const pb::ContractBody& body, std::string_view name) {
  return find_named(body.workloads(), name);
}

}  // namespace mcloud::contract
