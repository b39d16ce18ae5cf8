#include "image/oci/stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace mcloud::image {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

class FileStream final : public Stream {
 public:
  FileStream(io::Fd file, std::string what) : file_(std::move(file)), what_(std::move(what)), buffer_(kPieceBytes, '\0') {}

  Result<BytesView> next() override {
    while (true) {
      ssize_t got = ::read(file_.get(), buffer_.data(), buffer_.size());
      if (got >= 0) return BytesView(buffer_.data(), static_cast<size_t>(got));
      if (errno != EINTR) return errno_error(errno, "read " + what_);
    }
  }

 private:
  io::Fd file_;
  std::string what_;
  std::string buffer_;
};

}  // namespace

Result<std::unique_ptr<Stream>> open_file_stream(const std::string& path, std::string_view what) {
  // Not blocking: a fifo in the place of a blob must not hold us.
  io::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) return errno_error(errno, "open " + std::string(what) + " at " + path);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return errno_error(errno, "read " + path);
  if (!S_ISREG(facts.st_mode)) {
    return make_error(Code::Corrupt, std::string(what) + " at " + path + ": is not a regular file");
  }
  return std::unique_ptr<Stream>(new FileStream(std::move(file), std::string(what)));
}

Result<BytesView> HashingStream::next() {
  if (ended_) return BytesView();
  BytesView piece = TRY(from_.next());
  ended_ = piece.empty();
  bytes_ += piece.size();
  if (bytes_ > bytes_max_) {
    return make_error(Code::Exhausted, what_ + ": is larger than the allowed " + std::to_string(bytes_max_) + " bytes");
  }
  hash_.update(piece);
  return piece;
}

Result<Digest> HashingStream::finish() {
  while (!TRY(next()).empty()) {
  }
  return Digest::of_hash(hash_.finish());
}

}  // namespace mcloud::image
