// The inside of the importer: the process that reads a stranger's file.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "flist/import.h"
#include "flist/import_message.h"
#include "flist/limits.h"
#include "flist/sandbox.h"

namespace mcloud::flist {
namespace {

bool write_all(BytesView bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

Result<Bytes> read_all() {
  Bytes out;
  constexpr size_t kPiece = 1 << 20;
  while (true) {
    size_t before = out.size();
    if (before > kFileBytesMax) return make_error(Code::Exhausted, "the file is larger than allowed");
    if (out.capacity() < before + kPiece) out.reserve(std::max(before * 2, 4 * kPiece));
    out.resize(before + kPiece);
    ssize_t got = ::read(STDIN_FILENO, out.data() + before, kPiece);
    out.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "read the file");
    if (got == 0) return out;
  }
}

// Our environment may name keys and passwords; whoever took over this process shall not find them in its memory.
void forget_environment() {
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) explicit_bzero(*one, strlen(*one));
}

// Written before the memory ends: saying it must need none.
const Bytes& out_of_memory() {
  static const Bytes message = format_message(make_error(Code::Exhausted, "the file needs more memory than allowed"));
  return message;
}

void say_out_of_memory() {
  write_all(out_of_memory());
  ::_exit(1);
}

}  // namespace

Result<ImportMessage> import_bytes(BytesView file) {
  ImportMessage out;
  out.beside = TRY(parse_flist(file));
  out.index = image::write_index(out.beside.image);
  out.beside.image = {};
  return out;
}

void run_importer() {
  forget_environment();
  static_cast<void>(out_of_memory());
  Status inside = enter_sandbox();
  std::set_new_handler(&say_out_of_memory);
  Result<ImportMessage> message = make_error(Code::Internal, "");
  if (inside.has_value()) {
    Result<Bytes> file = read_all();
    message = file.has_value() ? import_bytes(*file) : Result<ImportMessage>(file.error());
  } else {
    message = inside.error();
  }
  bool is_said = write_all(format_message(message));
  // Nothing is freed, and nothing that waits for the end of a program runs in here.
  ::_exit(is_said && message.has_value() ? 0 : 1);
}

}  // namespace mcloud::flist
