#include "network/nft.h"

#include <nftables/libnftables.h>

#include <memory>
#include <utility>

namespace mcloud::network {
namespace {

struct FreeContext {
  void operator()(nft_ctx* context) const { nft_ctx_free(context); }
};

}  // namespace

struct Nft::Inside {
  std::unique_ptr<nft_ctx, FreeContext> context;
};

Nft::Nft(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Nft::Nft(Nft&& other) noexcept = default;
Nft& Nft::operator=(Nft&& other) noexcept = default;
Nft::~Nft() = default;

Result<Nft> Nft::open() {
  auto inside = std::make_unique<Inside>();
  inside->context.reset(nft_ctx_new(NFT_CTX_DEFAULT));
  if (inside->context == nullptr) return make_error(Code::Exhausted, "nft: cannot create a context");
  nft_ctx_buffer_error(inside->context.get());
  nft_ctx_buffer_output(inside->context.get());
  return Nft(std::move(inside));
}

Status Nft::run(const std::string& rules) {
  if (nft_run_cmd_from_buffer(inside_->context.get(), rules.c_str()) == 0) return {};
  std::string errors = nft_ctx_get_error_buffer(inside_->context.get());
  return make_error(Code::Internal, "nft: " + errors.substr(0, errors.find('\n')));
}

Status run_nft(const std::string& rules) {
  Nft nft = TRY(Nft::open());
  return nft.run(rules);
}

std::string nft_remove_table(const std::string& family, const std::string& name) {
  // Declared first, so that removing an absent one is no error.
  std::string table = "table " + family + " " + name;
  return table + "\ndelete " + table + "\n";
}

}  // namespace mcloud::network
