#include "flist/import.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "flist/import_message.h"
#include "flist/limits.h"
#include "image/limits.h"
#include "image/tree/index_check.h"
#include "io/file.h"
#include "io/process.h"

namespace mcloud::flist {
namespace {

// What a file can honestly become: the smallest rows grow threefold. So that a small file costs us little.
uint64_t message_bytes_max(uint64_t file_bytes) {
  return std::min(image::kIndexBytesMax + (32 << 20), 4 * file_bytes + (1 << 20));
}

// What runs now, even when its file was replaced meanwhile.
constexpr const char* kOwnProgram = "/proc/self/exe";

struct OpenFile {
  io::Fd fd;  // above 2, where it is in nobody's way
  uint64_t bytes;
};

Result<OpenFile> open_file(const std::string& path, uint64_t bytes_max) {
  io::Fd first(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!first.is_open()) return errno_error(errno, "open " + path);
  io::Fd file(::fcntl(first.get(), F_DUPFD_CLOEXEC, 3));
  struct stat status{};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return errno_error(errno, path);
  if (!S_ISREG(status.st_mode)) return make_error(Code::Invalid, path + " is no file");
  if (static_cast<uint64_t>(status.st_size) > std::min(bytes_max, kFileBytesMax)) {
    return make_error(Code::Exhausted, path + " has " + std::to_string(status.st_size) + " bytes: more than allowed");
  }
  return OpenFile{std::move(file), static_cast<uint64_t>(status.st_size)};
}

// Bounds that hold from the importer's first instruction. Async-signal-safe.
void limit_child(int file, uint64_t memory_bytes_max, uint64_t timeout_ms) {
  if (::dup2(file, STDIN_FILENO) < 0) ::_exit(126);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)  // their shadows are terabytes of addresses
  rlimit memory{memory_bytes_max, memory_bytes_max};
  if (::setrlimit(RLIMIT_AS, &memory) != 0) ::_exit(126);
#else
  static_cast<void>(memory_bytes_max);
#endif
  rlimit seconds{timeout_ms / 1000 + 1, timeout_ms / 1000 + 2};
  if (::setrlimit(RLIMIT_CPU, &seconds) != 0) ::_exit(126);
}

// What the importer's end says; its words are in the message.
Error death(const io::Outcome& outcome) {
  if (outcome.exit_code == 128 + SIGXCPU) return make_error(Code::TimedOut, "the importer took too much time");
  std::string how = outcome.exit_code > 128 ? "of signal " + std::to_string(outcome.exit_code - 128)
                                            : "with exit status " + std::to_string(outcome.exit_code);
  return make_error(Code::Corrupt, "the importer died " + how);
}

// An importer that was taken over may say anything: no error of it makes the caller try again or look elsewhere.
Error believable(Error error) {
  bool is_of_file = error.code == Code::Exhausted || error.code == Code::Unsupported || error.code == Code::TimedOut ||
                    error.code == Code::Internal;
  if (!is_of_file) error.code = Code::Corrupt;
  return error;
}

Result<ImportMessage> run_inside(const OpenFile& file, const ImportOptions& options) {
  io::Command command;
  command.arguments = {options.program.empty() ? kOwnProgram : options.program, std::string(kImporterCommand)};
  command.in_child = [fd = file.fd.get(), memory = options.memory_bytes_max, timeout = options.timeout_ms] {
    limit_child(fd, memory, timeout);
  };
  io::Limits limits{.timeout_ms = options.timeout_ms, .output_bytes_max = message_bytes_max(file.bytes)};
  io::Outcome outcome = TRY(io::run(command, limits));
  if (outcome.exit_code > 1) return death(outcome);
  if (outcome.output.size() >= limits.output_bytes_max) return make_error(Code::Exhausted, "the index is larger than allowed");
  Result<ImportMessage> message = parse_message(outcome.output);
  if (!message.has_value()) return believable(message.error());
  return message;
}

}  // namespace

Result<Imported> import_flist(const std::string& path, const ImportOptions& options) {
  OpenFile file = TRY(open_file(path, options.file_bytes_max));
  ImportMessage message = TRY(run_inside(file, options).with_context(path));
  TRY(image::check_index(message.index).with_context(path));
  image::Digest digest = image::image_digest(message.index);
  Imported out{.index = std::move(message.index), .digest = digest};
  out.routes = std::move(message.beside.routes);
  out.tags = std::move(message.beside.tags);
  out.trace = std::move(message.beside.trace);
  out.signatures = std::move(message.beside.signatures);
  std::erase_if(out.signatures, [&](const ImageSignature& one) { return !verify_signature(one, out.digest); });
  return out;
}

}  // namespace mcloud::flist
