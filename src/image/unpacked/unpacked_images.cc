#include "image/unpacked/unpacked_images.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "image/oci/docker_archive.h"
#include "image/source.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

constexpr std::string_view kUnfinished = ".new-";

Status sync_all(const std::string& folder) {
  io::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open() || ::syncfs(fd.get()) != 0) return errno_error(errno, "write to disk " + folder);
  return {};
}

Status rename_to(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_error(errno, "rename " + from);
  return {};
}

}  // namespace

Status UnpackedImages::open() {
  boot_ = TRY(io::read_file("/proc/sys/kernel/random/boot_id", 64));
  TRY(io::make_folders(options_.folder, 0700));
  if (::chmod(options_.folder.c_str(), 0700) != 0) return errno_error(errno, "protect " + options_.folder);
  TRY(io::make_folders(options_.folder + "/locks", 0700));
  for (const std::string& name : TRY(io::list_folder(options_.folder))) {
    if (!name.starts_with(kUnfinished)) continue;
    std::string hex = name.substr(kUnfinished.size());
    Result<io::Fd> held = io::lock_file(options_.folder + "/locks/" + hex);
    if (held.has_value()) TRY(io::remove_tree(options_.folder + "/" + name));
  }
  return {};
}

Result<PreparedImage> UnpackedImages::prepare(const ImageWanted& wanted) {
  const auto& [source, digest_text, signers] = wanted;
  Digest digest = TRY(Digest::parse(digest_text));
  if (!signers.empty()) return make_error(Code::Denied, "image " + digest_text + ": carries no signatures, and some are required");
  Result<PreparedImage> there = find(digest_text);
  if (there.has_value() || there.error().code != Code::NotFound) return there;

  io::Fd held = TRY(lock(digest));
  there = find(digest_text);  // somebody else may have made it while we waited
  if (there.has_value()) return there;
  std::string folder = unfinished(digest);
  TRY(io::remove_tree(folder));
  TRY(io::make_folders(folder, 0700));
  TRY(io::make_folders(folder + "/root", 0755));
  uint64_t before_ms = io::SystemClock().monotonic_ms();
  Result<UnpackedTree> tree = unpack(source, digest, folder);
  Status finished_well = tree.has_value() ? finish(digest, *tree) : Status(tree.error());
  if (!finished_well.has_value()) {
    Status removed = io::remove_tree(folder);
    if (!removed.has_value()) log::warning("image", "cannot remove an unfinished image", {{"error", removed.error().message}});
    return std::move(finished_well).error().with_context("image " + source.substr(0, 300));
  }
  log::info("image", "unpacked", {{"digest", digest.text()}, {"bytes", std::to_string(tree->bytes)},
                                  {"ms", std::to_string(io::SystemClock().monotonic_ms() - before_ms)}});
  return find(digest_text);
}

Result<UnpackedTree> UnpackedImages::unpack(const std::string& source_text, const Digest& digest,
                                            const std::string& folder) const {
  Source source = TRY(parse_source(source_text));
  std::string root = folder + "/root";
  switch (source.kind) {
    case Source::Kind::OciLayout: return unpack_blobs(source.place + "/blobs/sha256", digest, limits_, root);
    case Source::Kind::DockerArchive: {
      DockerArchive archive = TRY(DockerArchive::open(source.place));
      return archive.unpack(digest, limits_, root);
    }
    case Source::Kind::Registry: break;
    case Source::Kind::Flist: return make_error(Code::Unsupported, "a .fl file is mounted, not unpacked");
  }
  std::string download = folder + "/download";
  TRY(fetch_blobs({options_.skopeo, options_.download_timeout_ms}, source.place, digest, download));
  UnpackedTree tree = TRY(unpack_blobs(download, digest, limits_, root));
  TRY(io::remove_tree(download));
  return tree;
}

Status UnpackedImages::finish(const Digest& digest, const UnpackedTree& tree) const {
  std::string folder = unfinished(digest);
  TRY(io::write_file(folder + "/config.json", tree.config, io::Durability::None, 0600));
  TRY(io::write_file(folder + "/bytes", std::to_string(tree.bytes), io::Durability::None, 0600));
  TRY(io::write_file(folder + "/boot", boot_, io::Durability::None, 0600));
  // What is there under the name was not believed: cut off by a power loss.
  TRY(io::remove_tree(finished(digest)));
  return rename_to(folder, finished(digest));
}

Result<PreparedImage> UnpackedImages::find(const std::string& digest_text) {
  Digest digest = TRY(Digest::parse(digest_text));
  std::string folder = finished(digest);
  if (!is_whole(folder)) return make_error(Code::NotFound, "image " + digest.text() + " is not prepared on this node");
  Bytes config = TRY(io::read_file(folder + "/config.json", kDocumentBytesMax));
  PreparedImage image;
  image.digest = digest.text();
  image.root_folder = folder + "/root";
  image.config = TRY(parse_config(config).with_context(folder)).config;
  Bytes bytes = TRY(io::read_file(folder + "/bytes", 32));
  std::from_chars(bytes.data(), bytes.data() + bytes.size(), image.bytes);
  return image;
}

Result<std::vector<std::string>> UnpackedImages::list() {
  std::vector<std::string> out;
  for (const std::string& name : TRY(io::list_folder(options_.folder))) {
    bool is_image = Digest::parse("sha256:" + name).has_value();
    if (is_image && is_whole(options_.folder + "/" + name)) out.push_back("sha256:" + name);
  }
  return out;
}

Status UnpackedImages::remove(const std::string& digest_text) {
  Digest digest = TRY(Digest::parse(digest_text));
  io::Fd held = TRY(lock(digest));
  TRY(io::remove_tree(unfinished(digest)));
  if (!io::exists(finished(digest))) return {};
  // First unfinished, so that a crash in the middle leaves nothing that looks complete.
  TRY(rename_to(finished(digest), unfinished(digest)));
  return io::remove_tree(unfinished(digest));
}

bool UnpackedImages::is_whole(const std::string& folder) const {
  if (io::exists(folder + "/durable")) return true;
  Result<Bytes> boot = io::read_file(folder + "/boot", 64);
  return boot.has_value() && *boot == boot_;
}

Status UnpackedImages::make_durable() {
  std::vector<std::string> waiting;
  for (const std::string& digest : TRY(list())) {
    std::string folder = options_.folder + "/" + digest.substr(digest.find(':') + 1);
    if (!io::exists(folder + "/durable")) waiting.push_back(folder);
  }
  if (waiting.empty()) return {};
  TRY(sync_all(options_.folder));
  for (const std::string& folder : waiting) {
    // It may have been removed meanwhile.
    if (io::exists(folder)) TRY(io::write_file(folder + "/durable", "", io::Durability::Fsync, 0600));
  }
  return {};
}

Result<io::Fd> UnpackedImages::lock(const Digest& digest) const {
  io::SystemClock clock;
  uint64_t deadline_ms = clock.monotonic_ms() + options_.wait_timeout_ms;
  while (true) {
    Result<io::Fd> held = io::lock_file(options_.folder + "/locks/" + digest.hex());
    if (held.has_value() || held.error().code != Code::Conflict) return held;
    if (clock.monotonic_ms() >= deadline_ms) {
      return make_error(Code::TimedOut, "image " + digest.text() + ": another process prepares it and does not end");
    }
    ::poll(nullptr, 0, 10);
  }
}

Result<std::unique_ptr<Images>> open_unpacked_images(const UnpackOptions& options) {
  auto images = std::make_unique<UnpackedImages>(options);
  TRY(images->open().with_context("images"));
  return std::unique_ptr<Images>(std::move(images));
}

Result<std::string> resolve_digest(const std::string& source_text) {
  Source source = TRY(parse_source(source_text));
  switch (source.kind) {
    case Source::Kind::OciLayout: return TRY(resolve_layout(source.place, source.tag)).text();
    case Source::Kind::DockerArchive: {
      DockerArchive archive = TRY(DockerArchive::open(source.place));
      return TRY(archive.resolve(source.tag)).text();
    }
    case Source::Kind::Registry: break;
    case Source::Kind::Flist: return make_error(Code::Unsupported, "a .fl file is opened by its importer (flist/lazy_images.h)");
  }
  Bytes manifest = TRY(fetch_manifest({}, source.place, source.tag));
  TRY(parse_manifest(manifest).with_context(source_text));
  return Digest::of(manifest).text();
}

}  // namespace mcloud::image
