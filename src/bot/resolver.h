// What a contract file names and only this machine or the ledger knows (contract/compile.h's port).
#pragma once

#include <string>

#include "bot/ledger_view.h"
#include "contract/compile.h"

namespace mcloud::bot {

// People and nodes come from the ledger, images and secret files from the disk (relative to the contract file's
// folder), secrets also from the environment. A secret file's content is taken as it is, with its line end.
class FileResolver final : public contract::Resolver {
 public:
  // `view` must outlive it.
  FileResolver(LedgerView& view, std::string contract_folder) : view_(view), folder_(std::move(contract_folder)) {}

  Result<PublicKey> key_of(std::string_view who) override;
  Result<NodeId> node_key(std::string_view name) override;
  Result<Image> image(std::string_view source, std::string_view digest) override;
  Result<Bytes> secret_value(const contract::SecretReference& reference) override;

 private:
  Status look_into(Image& image) const;

  LedgerView& view_;
  std::string folder_;
};

// "oci:images/web:1" seen from `folder`: "oci:/home/ida/images/web:1". Sources that name no file stay as they are.
std::string absolute_source(std::string_view source, const std::string& folder);

}  // namespace mcloud::bot
