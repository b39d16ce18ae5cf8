#include "image/oci/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <cerrno>

#include "image/limits.h"

namespace mcloud::image {
namespace {

// libarchive turns the UTF-8 names of pax headers into the thread's character set, and our programs run in
// the "C" locale where that fails.
class Utf8Scope {
 public:
  Utf8Scope() : utf8_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_ != nullptr) before_ = uselocale(utf8_);
  }
  ~Utf8Scope() {
    if (utf8_ == nullptr) return;
    uselocale(before_);
    freelocale(utf8_);
  }
  Utf8Scope(const Utf8Scope&) = delete;
  Utf8Scope& operator=(const Utf8Scope&) = delete;

 private:
  locale_t utf8_;
  locale_t before_ = nullptr;
};

// A libarchive reader over a Stream.
class Archive {
 public:
  explicit Archive(Stream& from) : from_(from), archive_(archive_read_new()) {}
  ~Archive() { archive_read_free(archive_); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  archive* get() { return archive_; }

  Status open() {
    if (archive_read_open(archive_, this, nullptr, &Archive::read, nullptr) != ARCHIVE_OK) return failure("open");
    return {};
  }

  // What the stream said, or else what libarchive makes of the bytes.
  Error failure(std::string_view doing) {
    if (stream_error_.has_value()) return *stream_error_;
    const char* text = archive_error_string(archive_);
    return make_error(Code::Corrupt, std::string(doing) + ": " + (text == nullptr ? "malformed" : text));
  }

 private:
  static la_ssize_t read(archive* reader, void* self, const void** buffer) {
    Archive& me = *static_cast<Archive*>(self);
    Result<BytesView> piece = me.from_.next();
    if (!piece.has_value()) {
      me.stream_error_ = piece.error();
      archive_set_error(reader, EIO, "stream");
      return -1;
    }
    *buffer = piece->data();
    return static_cast<la_ssize_t>(piece->size());
  }

  Stream& from_;
  archive* archive_;
  std::optional<Error> stream_error_;
};

void support_compressions(archive* reader) {
  archive_read_support_filter_gzip(reader);
  archive_read_support_filter_zstd(reader);
}

class DecompressedStream final : public Stream {
 public:
  explicit DecompressedStream(Stream& from) : archive_(from) {}

  Status open() {
    support_compressions(archive_.get());
    archive_read_support_format_raw(archive_.get());
    archive_read_support_format_empty(archive_.get());
    TRY(archive_.open().with_context("decompress"));
    archive_entry* entry = nullptr;
    int outcome = archive_read_next_header(archive_.get(), &entry);
    if (outcome == ARCHIVE_EOF) ended_ = true;
    else if (outcome != ARCHIVE_OK) return archive_.failure("decompress");
    return {};
  }

  Result<BytesView> next() override {
    if (ended_) return BytesView();
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    int outcome = ARCHIVE_OK;
    do {
      outcome = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
    } while (outcome == ARCHIVE_OK && size == 0);
    ended_ = outcome == ARCHIVE_EOF;
    if (ended_) return BytesView();
    if (outcome != ARCHIVE_OK) return archive_.failure("decompress");
    return BytesView(static_cast<const char*>(bytes), size);
  }

 private:
  Archive archive_;
  bool ended_ = false;
};

TarEntry::Type type_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return TarEntry::Type::HardLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG: return TarEntry::Type::File;
    case AE_IFDIR: return TarEntry::Type::Folder;
    case AE_IFLNK: return TarEntry::Type::Link;
    case AE_IFIFO: return TarEntry::Type::Fifo;
    case AE_IFSOCK: return TarEntry::Type::Socket;
    case AE_IFCHR: return TarEntry::Type::CharacterDevice;
    case AE_IFBLK: return TarEntry::Type::BlockDevice;
    default: return TarEntry::Type::Other;
  }
}

class LibarchiveTarReader final : public TarReader {
 public:
  explicit LibarchiveTarReader(Stream& from) : archive_(from) {}

  Status open(Compression compression) {
    if (compression == Compression::Any) support_compressions(archive_.get());
    archive_read_support_format_tar(archive_.get());
    archive_read_support_format_empty(archive_.get());
    return archive_.open().with_context("tar");
  }

  Result<std::optional<TarEntry>> next() override {
    Utf8Scope utf8;
    archive_entry* entry = nullptr;
    int outcome = archive_read_next_header(archive_.get(), &entry);
    if (outcome == ARCHIVE_EOF) return std::optional<TarEntry>();
    // A warning is about a name in another character set: its bytes are kept.
    if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) return archive_.failure("tar");
    return std::optional<TarEntry>(TRY(convert(entry)));
  }

  Result<std::optional<TarPiece>> next_piece() override {
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    int outcome = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
    if (outcome == ARCHIVE_EOF) return std::optional<TarPiece>();
    if (outcome != ARCHIVE_OK || offset < 0) return archive_.failure("tar");
    return std::optional<TarPiece>({static_cast<uint64_t>(offset), BytesView(static_cast<const char*>(bytes), size)});
  }

 private:
  Result<TarEntry> convert(archive_entry* from) {
    TarEntry entry;
    entry.type = type_of(from);
    const char* path = archive_entry_pathname(from);
    if (path == nullptr) return make_error(Code::Corrupt, "tar: an entry without a name");
    entry.path = path;
    const char* target =
        entry.type == TarEntry::Type::HardLink ? archive_entry_hardlink(from) : archive_entry_symlink(from);
    if (target != nullptr) entry.link_target = target;
    // A negative number becomes one that every bound refuses.
    entry.user = static_cast<uint64_t>(archive_entry_uid(from));
    entry.group = static_cast<uint64_t>(archive_entry_gid(from));
    entry.mode = archive_entry_perm(from) & 07777;
    entry.bytes = static_cast<uint64_t>(archive_entry_size(from));
    entry.modified_s = archive_entry_mtime(from);
    entry.modified_ns = archive_entry_mtime_nsec(from);
    entry.device_major = static_cast<uint32_t>(archive_entry_rdevmajor(from));
    entry.device_minor = static_cast<uint32_t>(archive_entry_rdevminor(from));
    TRY(copy_attributes(from, entry));
    return entry;
  }

  Status copy_attributes(archive_entry* from, TarEntry& entry) {
    archive_entry_xattr_reset(from);
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    uint64_t total = 0;
    while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
      if (name == nullptr || (value == nullptr && size > 0)) continue;
      entry.attributes.emplace_back(name, std::string(static_cast<const char*>(value), size));
      total += entry.attributes.back().first.size() + size;
      if (total > kAttributeBytesMax) {
        return make_error(Code::Exhausted, "path \"" + entry.path.substr(0, 200) +
                                               "\": has more than 64 KiB of extended attributes");
      }
    }
    return {};
  }

  Archive archive_;
};

}  // namespace

Result<std::unique_ptr<Stream>> open_decompressed(Stream& from) {
  auto stream = std::make_unique<DecompressedStream>(from);
  TRY(stream->open());
  return std::unique_ptr<Stream>(std::move(stream));
}

Result<std::unique_ptr<TarReader>> TarReader::open(Stream& from, Compression compression) {
  auto reader = std::make_unique<LibarchiveTarReader>(from);
  TRY(reader->open(compression));
  return std::unique_ptr<TarReader>(std::move(reader));
}

}  // namespace mcloud::image
