#include "contract/compile.h"

#include <algorithm>

#include "contract/header.h"
#include "contract/kinds/kind.h"
#include "contract/kinds/network.h"
#include "contract/secret_field.h"
#include "contract/secrets.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

constexpr uint64_t kExpiresAfterMs = 7ull * 86'400'000;
constexpr std::string_view kWhoOwner = "owner";

void add_signer(pb::Approvals& out, const PublicKey& key, const Signer& signer) {
  pb::Signer& target = *out.add_signers();
  target.set_key(key.bytes());
  target.set_role(signer.role);
  target.set_weight(signer.weight);
  target.set_required(signer.required);
}

void compile_signers(CompileScope& scope, const Approvals& approvals, pb::Approvals& out) {
  std::map<PublicKey, std::string> seen;
  for (const Signer& signer : approvals.signers) {
    Result<PublicKey> key = signer.who.value == kWhoOwner ? Result<PublicKey>(scope.context().owner)
                                                          : scope.resolver().key_of(signer.who.value);
    if (!key) {
      scope.report().add(signer.who.place, "approvals.signers", key.error().message);
      continue;
    }
    auto [other, is_new] = seen.emplace(*key, signer.who.value);
    if (!is_new) {
      scope.report().add(signer.who.place, "approvals.signers",
                         "\"" + signer.who.value + "\" and \"" + other->second + "\" are the same person");
      continue;
    }
    add_signer(out, *key, signer);
  }
  std::sort(out.mutable_signers()->begin(), out.mutable_signers()->end(),
            [](const pb::Signer& a, const pb::Signer& b) { return a.key() < b.key(); });
}

void compile_approvals(CompileScope& scope, pb::ContractHeader& header) {
  pb::Approvals& out = *header.mutable_approvals();
  if (!scope.contract().approvals) {
    out.set_threshold(1);
    add_signer(out, scope.context().owner, Signer{{}, std::string(kWhoOwner), 1, false});
    return;
  }
  out.set_threshold(scope.contract().approvals->threshold);
  out.set_acceptance_threshold(scope.contract().approvals->acceptance);
  compile_signers(scope, *scope.contract().approvals, out);
}

void compile_workloads(CompileScope& scope, Compiled& out) {
  for (const Workload& workload : scope.contract().workloads) {
    pb::Facets& facets = *out.header.add_workloads();
    facets.set_name(workload.name.value);
    facets.set_kind(workload.kind);
    pb::WorkloadBody& body = *out.body.add_workloads();
    body.set_name(workload.name.value);
    find_kind(workload.kind)->compile(scope, workload, facets, body);
    if (!body.has_network()) continue;
    pb::AddressSpace& space = *out.header.add_spaces();
    compile_space(scope, workload, body.network(), space);
  }
}

// The sizes that only show when all is put together, and our own rules turned on ourselves.
void check_result(const Compiled& compiled, Place place, Report& report) {
  auto check_size = [&](std::string_view what, size_t size, size_t size_max) {
    if (size <= size_max) return;
    report.add(place, "", "the " + std::string(what) + " is " + std::to_string(size) + " bytes",
               {"at most " + std::to_string(size_max), ""});
  };
  check_size("header", compiled.header_bytes.size(), kHeaderBytesMax);
  check_size("body", compiled.body_bytes.size(), kBodyBytesMax);
  if (!report.empty()) return;
  if (Status valid = validate_header(compiled.header); !valid) report.add(place, "", valid.error().message);
  if (Status valid = validate_body(compiled.header, compiled.body); !valid) report.add(place, "", valid.error().message);
}

void check_context(const CompileContext& context, Place place, Report& report) {
  if (context.nonce.size() != kNonceSize) report.add(place, "", "the nonce has not 16 bytes");
  if (context.version == 0) report.add(place, "", "versions count from 1");
  if (context.secret_key && context.secret_key->size() != crypto::kSymmetricKeySize) {
    report.add(place, "", "the secret key has not 32 bytes");
  }
}

}  // namespace

void CompileScope::require_secret_key() {
  if (secret_key_.empty()) secret_key_ = context_.secret_key.value_or(crypto::random_bytes(crypto::kSymmetricKeySize));
}

Bytes CompileScope::find_previous_box(std::string_view workload, std::string_view field) const {
  if (context_.previous_body == nullptr || !context_.secret_key) return {};
  const pb::WorkloadBody* body = find_body(*context_.previous_body, workload);
  if (body == nullptr) return {};
  Bytes box;
  each_secret(*body, [&](const std::string& known, const pb::Secret& secret) {
    if (known == field) box = secret.box();
  });
  return box;
}

pb::Secret CompileScope::seal(const Workload& workload, std::string field, const Placed<SecretReference>& secret) {
  pb::Secret out;
  std::string path = "workloads." + workload.name.value + "." + field;
  Result<Bytes> value = resolver_.secret_value(secret.value);
  if (!value) {
    report_.add(secret.place, path, value.error().message);
    return out;
  }
  require_secret_key();
  SecretScope scope{context_.chain_id, context_.owner, context_.nonce};
  SecretPlace place{workload.name.value, field};
  if (Bytes box = find_previous_box(workload.name.value, field); !box.empty()) {
    Result<Bytes> known = open_secret(secret_key_, scope, place, box);
    if (known && equal_constant_time(*known, *value)) out.set_box(std::move(box));
    if (known) crypto::wipe(*known);
  }
  if (out.box().empty()) {
    Result<Bytes> box = encrypt_secret(secret_key_, scope, place, *value);
    if (box) out.set_box(std::move(*box));
    if (!box) report_.add(secret.place, path, box.error().message);
  }
  crypto::wipe(*value);
  return out;
}

CompileScope::Made CompileScope::keep_or_make(const Workload& workload, std::string field, Bytes (*make)(),
                                              bool (*fits)(const Bytes& value)) {
  require_secret_key();
  const SecretScope scope{context_.chain_id, context_.owner, context_.nonce};
  const SecretPlace place{workload.name.value, field};
  Made out;
  if (Bytes box = find_previous_box(workload.name.value, field); !box.empty()) {
    Result<Bytes> known = open_secret(secret_key_, scope, place, box);
    if (known && fits(*known)) {
      out.secret.set_box(std::move(box));
      out.value = std::move(*known);
      return out;
    }
    if (known) crypto::wipe(*known);
  }
  out.value = make();
  Result<Bytes> box = encrypt_secret(secret_key_, scope, place, out.value);
  if (box) out.secret.set_box(std::move(*box));
  if (!box) report_.add(workload.name.place, "workloads." + workload.name.value + "." + field, box.error().message);
  return out;
}

bool seals_secrets(const Contract& contract) {
  return std::any_of(contract.workloads.begin(), contract.workloads.end(), [](const Workload& workload) {
    if (const Container* container = std::get_if<Container>(&workload.spec)) {
      const auto& variables = container->environment;
      return !container->secret_files.empty() ||
             std::any_of(variables.begin(), variables.end(), [](const Variable& variable) { return variable.secret.has_value(); });
    }
    if (const Kv* kv = std::get_if<Kv>(&workload.spec)) return kv->password.has_value();
    if (const Network* network = std::get_if<Network>(&workload.spec)) return network->access.has_value();
    const Publish* publish = std::get_if<Publish>(&workload.spec);
    if (publish == nullptr || !publish->site || !publish->site->tls) return false;
    return publish->site->tls->how == SiteTls::How::Acme || publish->site->tls->how == SiteTls::How::Supplied;
  });
}

CompileOutcome compile(const Contract& contract, const CompileContext& context, Resolver& resolver) {
  Report report(contract.file_name);
  for (const std::string& fragment : contract.fragment_names) report.add_file(fragment);
  CompileOutcome outcome;
  check_context(context, contract.name.place, report);
  if (!report.empty()) {
    outcome.diagnostics = report.take();
    return outcome;
  }
  CompileScope scope(contract, context, resolver, report);
  Compiled out;
  out.body.set_format(kFormat);
  out.body.set_nonce(context.nonce);
  out.header.set_format(kFormat);
  out.header.set_name(contract.name.value);
  out.header.set_owner(context.owner.bytes());
  out.header.set_nonce(context.nonce);
  out.header.set_version(context.version);
  out.header.set_expires_ms(context.now_ms + (contract.expires_after_ms == 0 ? kExpiresAfterMs : contract.expires_after_ms));
  compile_approvals(scope, out.header);
  compile_workloads(scope, out);
  out.header.set_sealed_secrets(!scope.secret_key().empty());
  out.secret_key = scope.secret_key();
  out.body_bytes = wire::encode(out.body);
  out.header.set_body_hash(crypto::blake2b(out.body_bytes).bytes());
  out.header_bytes = wire::encode(out.header);
  if (report.empty()) check_result(out, contract.name.place, report);
  outcome.diagnostics = report.take();
  if (outcome.diagnostics.empty()) outcome.compiled = std::move(out);
  return outcome;
}

}  // namespace mcloud::contract
