#include "image/stores/dir_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "crypto/hash.h"
#include "image/blocks/block.h"
#include "io/file.h"

namespace mcloud::image {
namespace {

class DirStore final : public BlockStore {
 public:
  explicit DirStore(const StoreUrl& url) : folder_(url.path), name_(url.without_secrets()) {}

  Result<Bytes> get(const Hash& id, uint64_t) override {
    const std::string hex = id.hex();
    Result<Bytes> stored = read(place(hex));
    if (stored.has_value() || stored.error().code != Code::NotFound) return stored;
    stored = read(folder_ + "/" + hex);
    if (stored.has_value() || stored.error().code != Code::NotFound || io::exists(folder_)) return stored;
    // A disk that is not mounted says nothing about the blocks on it.
    return make_error(Code::Unavailable, "there is no folder " + folder_);
  }

  // The name appears before the bytes are durable: what a power loss leaves under it is found by has() and by every
  // reader, and put again.
  Status put(const Hash& id, BytesView stored, uint64_t) override {
    const std::string hex = id.hex();
    const std::string path = place(hex);
    Status written = io::write_file(path, stored, io::Durability::None);
    if (written.has_value() || written.error().code != Code::NotFound) return written;
    TRY(io::make_folders(folder_ + "/" + hex.substr(0, 2)));
    return io::write_file(path, stored, io::Durability::None);
  }

  // Reads it, because a name alone may be what a crash left; hashing is quicker than writing again.
  Result<bool> has(const Hash& id, uint64_t timeout_ms) override {
    Result<Bytes> stored = get(id, timeout_ms);
    if (stored.has_value()) return crypto::blake2b(*stored) == id;
    if (stored.error().code == Code::NotFound || stored.error().code == Code::Corrupt) return false;
    if (!io::exists(folder_)) return false;
    return stored.error();
  }

  Status flush(uint64_t) override {
    io::Fd fd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open() && errno == ENOENT) return {};  // nothing was put
    if (!fd.is_open()) return errno_error(errno, "open " + folder_);
    if (::syncfs(fd.get()) != 0) return errno_error(errno, "sync " + folder_);
    return {};
  }

  const std::string& name() const override { return name_; }

 private:
  std::string place(const std::string& hex) const { return folder_ + "/" + hex.substr(0, 2) + "/" + hex; }

  static Result<Bytes> read(const std::string& path) {
    Result<Bytes> stored = io::read_file(path, kStoredBytesMax);
    if (stored.has_value() || stored.error().code != Code::Exhausted) return stored;
    return make_error(Code::Corrupt, path + " is larger than any block");
  }

  const std::string folder_;
  const std::string name_;
};

}  // namespace

std::unique_ptr<BlockStore> make_dir_store(const StoreUrl& url) { return std::make_unique<DirStore>(url); }

}  // namespace mcloud::image
