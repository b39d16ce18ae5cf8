// A typed contract to the bytes that are signed: header and body with every default written out.
// The same input gives the same bytes, except that a secret is encrypted anew unless the previous
// body already holds it under the same key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "contract/document.h"
#include "mcloud/contract.pb.h"

namespace mcloud::contract {

// What the file names and only the owner's machine or the ledger can look up. A port: the CLI
// implements it over the ledger client, the wallet, the image room and the file system.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // A person's name or 64 hex digits.
  virtual Result<PublicKey> key_of(std::string_view who) = 0;
  // A node's name, "FARM/NAME" or 64 hex digits.
  virtual Result<NodeId> node_key(std::string_view name) = 0;

  struct Image {
    std::string source;  // what nodes are told; a relative path made absolute
    std::string digest;  // "sha256:..." of the manifest, with fl: of the index
    std::optional<std::vector<PublicKey>> signers;  // who has signed it; unset: could not be looked at
  };
  // `source` as written; relative paths are relative to the contract file. `digest` is what it must hold, "" = what
  // it holds now; one that is given is believed while the source cannot be reached.
  virtual Result<Image> image(std::string_view source, std::string_view digest) = 0;
  virtual Result<Bytes> secret_value(const SecretReference& reference) = 0;
};

struct CompileContext {
  std::string chain_id;
  PublicKey owner;
  Bytes nonce;           // 16 bytes; the same for all versions of a contract
  uint64_t version = 1;
  uint64_t now_ms = 0;   // since 1970; expiry counts from here
  // 32 bytes, such as owner_secret_key() (contract/secrets.h); unset: a random one is made when needed.
  std::optional<Bytes> secret_key;
  // The body of the previous version, so that a secret that is unchanged under `secret_key` keeps its bytes.
  // Borrowed until compile() returns.
  const pb::ContractBody* previous_body = nullptr;
};

struct Compiled {
  pb::ContractHeader header;
  Bytes header_bytes;
  pb::ContractBody body;
  Bytes body_bytes;
  Bytes secret_key;  // empty unless header.sealed_secrets(); for make_keyring() (contract/secrets.h)
};

struct CompileOutcome {
  std::optional<Compiled> compiled;      // set exactly when there are no diagnostics
  std::vector<Diagnostic> diagnostics;   // what the resolver could not find, with the place that names it
};

// Whether compile() seals anything: what people wrote as secrets, and keys that are made for them. Then `secret_key` should be the
// owner's, or what was sealed before cannot be kept.
bool seals_secrets(const Contract& contract);

CompileOutcome compile(const Contract& contract, const CompileContext& context, Resolver& resolver);

}  // namespace mcloud::contract
