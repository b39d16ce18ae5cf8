#include "bot/resolver.h"

#include <cstdlib>
#include <filesystem>

#include "contract/secrets.h"
#include "flist/fetch.h"
#include "image/image.h"
#include "io/file.h"

namespace mcloud::bot {
namespace {

std::string absolute_path(std::string_view path, const std::string& folder) {
  std::filesystem::path whole(path);
  if (whole.is_relative()) whole = std::filesystem::path(folder) / whole;
  return whole.lexically_normal().string();
}

}  // namespace

std::string absolute_source(std::string_view source, const std::string& folder) {
  if (source.starts_with("fl:http://") || source.starts_with("fl:https://")) return std::string(source);
  for (std::string_view scheme : {"oci:", "docker-archive:", "fl:"}) {
    if (source.starts_with(scheme)) return std::string(scheme) + absolute_path(source.substr(scheme.size()), folder);
  }
  return std::string(source);
}

Result<PublicKey> FileResolver::key_of(std::string_view who) { return view_.key_of(who); }

Result<NodeId> FileResolver::node_key(std::string_view name) {
  pb::Node node = TRY(view_.get_node(name));
  return NodeId::from_bytes(node.key());
}

// What the source holds now.
Status FileResolver::look_into(Image& image) const {
  if (!image.source.starts_with("fl:")) {
    image.digest = TRY(image::resolve_digest(image.source));
    return {};
  }
  flist::Imported held = TRY(flist::import_source(image.source));
  image.digest = held.digest.text();
  image.signers.emplace();
  for (const flist::ImageSignature& one : held.signatures) image.signers->push_back(one.signer);
  return {};
}

Result<contract::Resolver::Image> FileResolver::image(std::string_view source, std::string_view digest) {
  Image image;
  image.source = absolute_source(source, folder_);
  Status looked = look_into(image);
  if (looked.has_value()) {
    if (digest.empty() || digest == image.digest) return image;
    return make_error(Code::Invalid, "holds " + image.digest + ", not the " + std::string(digest) + " that the contract names");
  }
  // A recipe says how its image is made; the image itself is not in the checkout.
  bool unmade = looked.error().code == Code::NotFound && io::exists(folder_ + "/image.json");
  if (unmade) return make_error(Code::NotFound, "the image is not built yet; run: recipes/build-image " + folder_);
  bool is_away = looked.error().code == Code::Unavailable || looked.error().code == Code::TimedOut;
  if (!is_away || digest.empty()) return looked.error();
  image.digest = digest;
  return image;
}

Result<Bytes> FileResolver::secret_value(const contract::SecretReference& reference) {
  switch (reference.from) {
    case contract::SecretReference::From::Value: return reference.text;
    case contract::SecretReference::From::File:
      return io::read_file(absolute_path(reference.text, folder_), contract::kSecretBytesMax);
    case contract::SecretReference::From::Environment: break;
  }
  const char* value = std::getenv(reference.text.c_str());
  if (value == nullptr) {
    return make_error(Code::NotFound, "the environment has no " + reference.text + "; set it: " + reference.text +
                                          "=... mcloud apply ...");
  }
  return Bytes(value);
}

}  // namespace mcloud::bot
