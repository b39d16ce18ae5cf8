#include "flist/export/layer_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "crypto/hash.h"
#include "io/file.h"

namespace mcloud::flist {
namespace {

// libarchive's compressors around one raw entry.
class ArchiveLayerFile final : public LayerFile {
 public:
  explicit ArchiveLayerFile(std::string path) : path_(std::move(path)), archive_(archive_write_new()) {}
  ~ArchiveLayerFile() override { archive_write_free(archive_); }
  ArchiveLayerFile(const ArchiveLayerFile&) = delete;
  ArchiveLayerFile& operator=(const ArchiveLayerFile&) = delete;

  Status open(LayerCompression compression) {
    file_ = io::Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file_.is_open()) return errno_error(errno, "create " + path_);
    if (compression == LayerCompression::Gzip) archive_write_add_filter_gzip(archive_);
    if (compression == LayerCompression::Zstd) archive_write_add_filter_zstd(archive_);
    if (compression == LayerCompression::Gzip) archive_write_set_filter_option(archive_, "gzip", "timestamp", nullptr);
    archive_write_set_format_raw(archive_);
    archive_write_set_bytes_in_last_block(archive_, 1);  // else what follows the compressed bytes is zeros
    if (archive_write_open(archive_, this, nullptr, &ArchiveLayerFile::store, nullptr) != ARCHIVE_OK) return failure();
    archive_entry* entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    int outcome = archive_write_header(archive_, entry);
    archive_entry_free(entry);
    return outcome == ARCHIVE_OK ? Status() : failure();
  }

  Status write(BytesView bytes) override {
    content_.update(bytes);
    while (!bytes.empty()) {
      la_ssize_t done = archive_write_data(archive_, bytes.data(), bytes.size());
      if (done <= 0) return failure();
      bytes.remove_prefix(static_cast<size_t>(done));
    }
    return {};
  }

  Result<WrittenLayer> finish() override {
    if (archive_write_close(archive_) != ARCHIVE_OK) return failure();
    if (::fdatasync(file_.get()) != 0) return errno_error(errno, "write " + path_);
    return WrittenLayer{image::Digest::of_hash(content_.finish()), image::Digest::of_hash(stored_.finish()), stored_bytes_};
  }

 private:
  static la_ssize_t store(archive* writer, void* self, const void* buffer, size_t size) {
    ArchiveLayerFile& me = *static_cast<ArchiveLayerFile*>(self);
    ssize_t done = -1;
    do {
      done = ::write(me.file_.get(), buffer, size);
    } while (done < 0 && errno == EINTR);
    if (done < 0) {
      archive_set_error(writer, errno, "write");
      return -1;
    }
    me.stored_.update({static_cast<const char*>(buffer), static_cast<size_t>(done)});
    me.stored_bytes_ += static_cast<uint64_t>(done);
    return done;
  }

  Error failure() {
    int number = archive_errno(archive_);
    return errno_error(number == 0 ? EIO : number, "write " + path_);
  }

  std::string path_;
  io::Fd file_;
  archive* archive_;
  crypto::Sha256 content_;
  crypto::Sha256 stored_;
  uint64_t stored_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<LayerFile>> LayerFile::create(const std::string& path, LayerCompression compression) {
  auto file = std::make_unique<ArchiveLayerFile>(path);
  TRY(file->open(compression));
  return std::unique_ptr<LayerFile>(std::move(file));
}

}  // namespace mcloud::flist
