#include "cli/image_file.h"

#include "io/file.h"

namespace mcloud::cli {

flist::Flist ImageFile::flist() const {
  return {index->image(), imported.routes, imported.tags, imported.signatures, imported.trace};
}

Result<std::unique_ptr<image::Routes>> ImageFile::open_routes(const std::vector<std::string>& more) const {
  std::vector<image::Route> routes = imported.routes;
  for (image::Route& route : TRY(parse_routes(more))) routes.push_back(std::move(route));
  if (routes.empty()) return make_error(Code::Invalid, "the file names no store; name one: --store URL");
  // Somebody waits for the answer: less patience than a node has.
  return image::Routes::open(routes, {.try_timeout_ms = 5'000, .block_timeout_ms = 10'000});
}

Result<ImageFile> open_image_file(const std::string& name) {
  ImageFile file;
  file.imported = TRY(flist::import_source(name.starts_with("fl:") ? name : "fl:" + name));
  file.index = TRY(image::Index::parse(file.imported.index).with_context(name));
  return file;
}

Result<Bytes> read_block(image::Routes& routes, const image::Index& index, image::NodeNumber file, uint32_t position) {
  uint64_t start = position * image::kBlockBytes;
  uint64_t bytes = std::min(index.node(file).bytes - start, image::kBlockBytes);
  image::BlockRef ref = index.block(file, position);
  if (bytes == image::kBlockBytes && ref.key == image::zero_block_key()) return Bytes(bytes, '\0');
  return routes.fetch(ref, bytes);
}

Result<Bytes> read_owner_secret(const std::string& path) {
  constexpr size_t kSecretBytes = 32;
  Bytes text = TRY(io::read_file(path, 4096));
  if (text.size() == kSecretBytes) return text;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  Result<Bytes> secret = from_hex(text);
  if (secret.has_value() && secret->size() == kSecretBytes) return secret;
  return make_error(Code::Invalid, path + " holds no secret; allowed: 32 bytes, or 64 hex digits");
}

Result<std::vector<image::Route>> parse_routes(const std::vector<std::string>& texts) {
  std::vector<image::Route> routes;
  for (const std::string& text : texts) routes.push_back(TRY(image::parse_route(text)));
  return routes;
}

std::string route_text(const image::Route& route) {
  if (route.first == 0 && route.last == 0xff) return route.url;
  auto hex = [](uint8_t number) { return to_hex(BytesView(reinterpret_cast<const char*>(&number), 1)); };
  return hex(route.first) + "-" + hex(route.last) + "=" + route.url;
}

}  // namespace mcloud::cli
