#include "image/oci/docker_archive.h"

#include <algorithm>

#include "image/oci/layer.h"
#include "image/path.h"

namespace mcloud::image {
namespace {

constexpr size_t kMembersMax = 10'000;

// One member's content. Owns the file it reads.
class MemberStream final : public Stream {
 public:
  static Result<std::unique_ptr<MemberStream>> open(const std::string& file, const std::string& member) {
    auto stream = std::make_unique<MemberStream>();
    stream->file_ = TRY(open_file_stream(file, "docker archive"));
    stream->reader_ = TRY(TarReader::open(*stream->file_, TarReader::Compression::Any));
    while (std::optional<TarEntry> entry = TRY(stream->reader_->next())) {
      Result<std::string> name = normal_path(entry->path);
      if (name.has_value() && *name == member && entry->type == TarEntry::Type::File) return stream;
    }
    return make_error(Code::NotFound, file + ": has no member " + member);
  }

  Result<BytesView> next() override {
    std::optional<TarPiece> piece = TRY(reader_->next_piece());
    if (!piece.has_value()) return BytesView();
    if (piece->offset != offset_) return make_error(Code::Unsupported, "docker archive: a member with holes");
    offset_ += piece->bytes.size();
    return piece->bytes;
  }

 private:
  std::unique_ptr<Stream> file_;
  std::unique_ptr<TarReader> reader_;
  uint64_t offset_ = 0;
};

// "../other/layer.tar" as seen from the folder of `member`; "" when it leads out of the archive.
std::string link_in_archive(const std::string& member, std::string_view target) {
  std::string folder = split_last(member).first;
  while (target.starts_with("../")) {
    if (folder.empty()) return "";
    folder = split_last(folder).first;
    target.remove_prefix(3);
  }
  Result<std::string> path = normal_path(folder + "/" + std::string(target));
  return path.has_value() ? *path : "";
}

}  // namespace

Result<DockerArchive> DockerArchive::open(const std::string& file) {
  DockerArchive archive;
  archive.file_ = file;
  std::unique_ptr<Stream> stream = TRY(open_file_stream(file, "docker archive"));
  std::unique_ptr<TarReader> reader = TRY(TarReader::open(*stream, TarReader::Compression::Any));
  while (std::optional<TarEntry> entry = TRY(reader->next().with_context(file))) {
    if (archive.members_.size() >= kMembersMax) {
      return make_error(Code::Exhausted, file + ": a docker archive has at most 10000 members");
    }
    std::string name = TRY(normal_path(entry->path).with_context(file));
    Member member{entry->bytes, ""};
    if (entry->type == TarEntry::Type::Link) member.link_target = link_in_archive(name, entry->link_target);
    else if (entry->type == TarEntry::Type::HardLink) member.link_target = TRY(normal_path(entry->link_target));
    else if (entry->type != TarEntry::Type::File) continue;
    archive.members_[name] = std::move(member);
  }
  return archive;
}

Result<std::pair<std::string, DockerArchive::Member>> DockerArchive::find(const std::string& member) const {
  std::string name = member;
  for (int links = 0; links < 8; ++links) {
    auto found = members_.find(name);
    if (found == members_.end()) return make_error(Code::NotFound, file_ + ": has no member " + name);
    if (found->second.link_target.empty()) return *found;
    name = found->second.link_target;
  }
  return make_error(Code::Corrupt, file_ + ": member " + member + " is a link in a circle");
}

Result<std::unique_ptr<Stream>> DockerArchive::open_member(const std::string& member) const {
  std::string name = TRY(find(member)).first;
  return std::unique_ptr<Stream>(TRY(MemberStream::open(file_, name)));
}

Result<Bytes> DockerArchive::read(const std::string& member) const {
  std::unique_ptr<Stream> stream = TRY(open_member(member));
  Bytes out;
  while (true) {
    BytesView piece = TRY(stream->next().with_context(file_ + ": " + member));
    if (piece.empty()) return out;
    out += piece;
    if (out.size() > kDocumentBytesMax) return make_error(Code::Exhausted, file_ + ": " + member + " is too large");
  }
}

Result<std::vector<ArchiveImage>> DockerArchive::images() const {
  Bytes json = TRY(read("manifest.json"));
  return parse_archive_manifest(json).with_context(file_);
}

Result<Digest> DockerArchive::resolve(const std::string& reference) const {
  std::string there;
  std::vector<ArchiveImage> all = TRY(images());
  for (const ArchiveImage& image : all) {
    bool is_named = std::find(image.tags.begin(), image.tags.end(), reference) != image.tags.end();
    if (is_named || (reference.empty() && all.size() == 1)) return Digest::of(TRY(read(image.config)));
    for (const std::string& tag : image.tags) there += (there.empty() ? "" : ", ") + tag;
  }
  return make_error(Code::NotFound, file_ + (reference.empty() ? ": holds several images, name one"
                                                               : ": has no image \"" + reference + "\"") +
                                        "; it has " + there.substr(0, 500));
}

Result<AppliedImage> DockerArchive::apply(const Digest& digest, const UnpackLimits& limits, EntrySink& sink,
                                          ReadAhead ahead) const {
  for (const ArchiveImage& image : TRY(images())) {
    AppliedImage out;
    out.manifest = digest;
    out.config = TRY(read(image.config));
    if (Digest::of(out.config) != digest) continue;
    ConfigDocument config = TRY(parse_config(out.config).with_context(digest.text()));
    TRY(check_platform(config));
    if (config.layer_contents.size() != image.layers.size()) {
      return make_error(Code::Corrupt, digest.text() + ": the archive has " + std::to_string(image.layers.size()) +
                                           " layers, its config " + std::to_string(config.layer_contents.size()));
    }
    for (size_t i = 0; i < image.layers.size(); ++i) {
      auto [name, member] = TRY(find(image.layers[i]));
      std::unique_ptr<Stream> layer = TRY(open_member(name));
      TRY(unpack_layer(*layer, {std::nullopt, member.bytes, config.layer_contents[i]}, limits, sink, ahead));
      out.layers.push_back(config.layer_contents[i]);
    }
    return out;
  }
  return make_error(Code::NotFound, file_ + ": has no image whose config is " + digest.text() +
                                        " (it may have been changed since it was signed)");
}

Result<UnpackedTree> DockerArchive::unpack(const Digest& digest, const UnpackLimits& limits,
                                           const std::string& root) const {
  std::unique_ptr<TreeWriter> tree = TRY(TreeWriter::open(root, limits));
  AppliedImage applied = TRY(apply(digest, limits, *tree));
  warn_of_devices(*tree, digest);
  return UnpackedTree{std::move(applied.config), tree->bytes()};
}

}  // namespace mcloud::image
