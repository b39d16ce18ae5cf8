#include "image/oci/registry.h"

#include "image/limits.h"
#include "image/oci/manifest.h"
#include "io/file.h"
#include "io/process.h"

namespace mcloud::image {
namespace {

// No policy of signatures: the digest says what is right.
constexpr const char* kNoPolicy = "--insecure-policy";

std::string reference(const std::string& name, const std::string& tag_or_digest) {
  bool is_digest = tag_or_digest.starts_with("sha256:");
  return "docker://" + name + (is_digest ? "@" : ":") + (tag_or_digest.empty() ? "latest" : tag_or_digest);
}

Result<Bytes> run_skopeo(const Registry& registry, std::vector<std::string> arguments, const std::string& doing) {
  io::Command command;
  command.arguments = std::move(arguments);
  command.arguments.insert(command.arguments.begin(), registry.program);
  Result<io::Outcome> outcome = io::run_checked(command, {registry.timeout_ms, kDocumentBytesMax + 1});
  if (outcome.has_value()) return std::move(outcome->output);
  Code code = outcome.error().code == Code::TimedOut ? Code::TimedOut : Code::Unavailable;
  return make_error(code, doing + ": " + outcome.error().message);
}

}  // namespace

Result<Bytes> fetch_manifest(const Registry& registry, const std::string& name, const std::string& tag_or_digest) {
  std::string image = reference(name, tag_or_digest);
  return run_skopeo(registry, {"inspect", "--raw", image}, "ask for " + image);
}

Status fetch_blobs(const Registry& registry, const std::string& name, const Digest& digest, const std::string& folder) {
  Bytes top = TRY(fetch_manifest(registry, name, digest.text()));
  TRY(expect_digest(digest, Digest::of(top), "manifest"));
  Digest chosen = digest;
  auto document = TRY(parse_manifest(top).with_context(digest.text()));
  if (const PlatformIndex* index = std::get_if<PlatformIndex>(&document)) chosen = TRY(choose_platform(*index)).digest;

  std::string image = reference(name, chosen.text());
  TRY(run_skopeo(registry, {kNoPolicy, "copy", "--quiet", "--preserve-digests", image, "dir:" + folder},
                 "fetch " + image));
  // skopeo names the manifest by its role; blobs are found by their digest.
  Bytes manifest = TRY(io::read_file(folder + "/manifest.json", kDocumentBytesMax));
  TRY(expect_digest(chosen, Digest::of(manifest), "manifest"));
  TRY(io::write_file(folder + "/" + chosen.hex(), manifest, io::Durability::None));
  return io::write_file(folder + "/" + digest.hex(), top, io::Durability::None);
}

}  // namespace mcloud::image
