#include "image/mount/file_server.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "image/mount/file_request.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kCachedBytesMax = kBlockBytes;

}  // namespace

FileServer::FileServer(const FuseDevice& device, SharedMemory& memory, OpenTable& opens, ServedImages& images,
                       ContentCache& cache, RequestLog* log)
    : device_(device), memory_(memory), opens_(opens), images_(images), cache_(cache), log_(log),
      reads_(device, log, [this](const ServedImage& image, const Error& error) { note_error(image, error); }) {}

void FileServer::serve(uint32_t thread) {
  alignas(8) char own[kRequestBytesMax];
  char* buffer = log_ != nullptr ? log_->buffer(thread) : own;
  while (true) {
    if (log_ != nullptr) log_->empty(thread);
    look_for_more();
    Result<size_t> bytes = device_.next(buffer, kRequestBytesMax);
    if (bytes.has_value()) {
      memory_.set_busy(thread, io::SystemClock().monotonic_ms());
      handle({buffer, *bytes});
      memory_.set_busy(thread, 0);
      continue;
    }
    if (bytes.error().code == Code::Corrupt) continue;
    if (!memory_.is_stopping()) log::info("image", "no more requests", {{"reason", bytes.error().message}});
    return;
  }
}

// Requests come in sequences (OPEN, READ, RELEASE, the next file), and to be woken for each costs more than to answer
// it: one thread looks for about 20 us before it sleeps. An open and close take 23 us instead of 37.
void FileServer::look_for_more() {
  if (is_looking_.exchange(true)) return;
  struct pollfd ready {device_.fd(), POLLIN, 0};
  for (int looks = 0; looks < 50 && ::poll(&ready, 1, 0) == 0;) ++looks;
  is_looking_ = false;
}

void FileServer::handle(std::string_view bytes, bool is_resent) {
  Request request;
  if (!request.parse(bytes)) return;
  request.is_resent = is_resent || (request.header.unique & fuse::kResendBit) != 0;
  if (handle_names(request) || handle_files(request)) return;
  switch (request.header.operation) {
    case fuse::kInterrupt: {
      fuse::InterruptIn in{};
      if (request.get(in)) reads_.interrupt(in.unique);
      return;  // no reply
    }
    case fuse::kForget:
    case fuse::kBatchForget: return forget(request);
    case fuse::kDestroy: device_.reply(request.header.unique, {}); return;
    case fuse::kSetAttributes:
    case fuse::kSymbolicLink:
    case fuse::kMakeNode:
    case fuse::kMakeFolder:
    case fuse::kUnlink:
    case fuse::kRemoveFolder:
    case fuse::kRename:
    case fuse::kRename2:
    case fuse::kLink:
    case fuse::kWrite:
    case fuse::kSetXattr:
    case fuse::kRemoveXattr:
    case fuse::kCreate:
    case fuse::kTemporaryFile:
    case fuse::kAllocate: device_.reply_error(request.header.unique, EROFS); return;
    // Among them OPENDIR, FLUSH, ACCESS, LSEEK, STATX: the kernel then does them by itself and asks no more.
    default: device_.reply_error(request.header.unique, ENOSYS);
  }
}

bool FileServer::handle_names(const Request& request) {
  switch (request.header.operation) {
    case fuse::kLookup: lookup(request); return true;
    case fuse::kGetAttributes: get_attributes(request); return true;
    case fuse::kReadLink: read_link(request); return true;
    case fuse::kReadFolder: read_folder(request, false); return true;
    case fuse::kReadFolderPlus: read_folder(request, true); return true;
    case fuse::kGetXattr: get_xattr(request); return true;
    case fuse::kListXattr: list_xattrs(request); return true;
    case fuse::kFileSystem: file_system(request); return true;
    default: return false;
  }
}

bool FileServer::handle_files(const Request& request) {
  switch (request.header.operation) {
    case fuse::kOpen: open(request); return true;
    case fuse::kRead: read(request); return true;
    case fuse::kRelease: release(request); return true;
    default: return false;
  }
}

// Answers when it is not there.
bool FileServer::find(const Request& request, Place& place) const {
  place.id = node_of(request.header.node);
  place.image = images_.find(place.id.slot);
  int error = place.image == nullptr ? ESTALE : place.image->loaded == nullptr ? EIO : 0;
  if (error == 0) {
    place.index = &place.image->loaded->index();
    if (place.id.node >= place.index->nodes()) error = ESTALE;
  }
  if (error != 0) {
    device_.reply_error(request.header.unique, error);
    return false;
  }
  place.facts = place.index->node(place.id.node);
  return true;
}

void FileServer::open(const Request& request) {
  Place place;
  if (!find(request, place)) return;
  uint64_t unique = request.header.unique & ~fuse::kResendBit;
  Result<OpenTable::Opened> opened =
      opens_.open(request.header.node, unique, request.is_resent, [&] { return choose(place); });
  if (!opened.has_value()) {
    note_error(*place.image, opened.error());
    device_.reply_error(request.header.unique, opened.error().code == Code::Exhausted ? ENFILE : EIO);
    return;
  }
  uint32_t flags = opened->backing != 0 ? fuse::kOpenPassthrough : fuse::kOpenKeepCache;
  fuse::OpenOut out{opened->handle, flags, opened->backing};
  // Nobody will close what nobody learns of. One that a dead process counted may have been answered by it.
  if (!request.reply(device_, out) && !opened->was_counted) opens_.close(opened->handle);
}

Result<OpenTable::Choice> FileServer::choose(const Place& place) {
  OpenTable::Choice out;
  // A small file is read once and then lies in the kernel's page cache: to give it to the kernel costs more than that
  // read. Its content is held from its first READ on.
  if (place.facts.bytes <= kCachedBytesMax) return out;
  out.content = TRY(place.image->loaded->hold(place.id.node));
  if (out.content->is_whole()) out.backing = backing_for(*out.content);
  return out;
}

// 0: reads come to us.
int FileServer::backing_for(const Content& content) {
  if (!memory_.negotiated().has_passthrough || memory_.passthrough_refused()) return 0;
  Result<int> backing = device_.open_backing(content.fd());
  if (backing.has_value()) return *backing;
  memory_.set_passthrough_refused();
  log::warning("image", "the kernel does not pass reads through to the cache's file system; they are served here",
               {{"error", backing.error().message}});
  return 0;
}

void FileServer::release(const Request& request) {
  fuse::ReleaseIn in{};
  if (request.get(in)) opens_.close(in.handle);
  device_.reply(request.header.unique, {});
}

void FileServer::read(const Request& request) {
  Place place;
  fuse::ReadIn in{};
  if (!find(request, place)) return;
  ++reads_count_;
  if (!request.get(in) || in.size > kReadBytesMax) {
    device_.reply_error(request.header.unique, EINVAL);
    return;
  }
  if (in.offset >= place.facts.bytes || in.size == 0) {
    device_.reply(request.header.unique, {});
    return;
  }
  Result<std::shared_ptr<Content>> content =
      opens_.content(request.header.node, [&] { return place.image->loaded->hold(place.id.node); });
  if (!content.has_value()) {
    note_error(*place.image, content.error());
    device_.reply_error(request.header.unique, EIO);
    return;
  }
  size_t bytes = static_cast<size_t>(std::min<uint64_t>(in.size, place.facts.bytes - in.offset));
  uint32_t slot = log_ != nullptr ? log_->keep(request.bytes) : RequestLog::kNowhere;
  reads_.read({request.header.unique, request.header.process, place.image, std::move(*content), place.id.node,
               in.offset, bytes, slot});
}

void FileServer::hold_open_files() {
  for (uint64_t number : opens_.nodes()) {
    NodePlace id = node_of(number);
    std::shared_ptr<const ServedImage> image = images_.find(id.slot);
    if (image == nullptr || image->loaded == nullptr || id.node >= image->loaded->index().nodes()) continue;
    IndexNode facts = image->loaded->index().node(id.node);
    if (facts.type != Node::Type::File || facts.bytes <= kCachedBytesMax) continue;
    Result<std::shared_ptr<Content>> held = opens_.content(number, [&] { return image->loaded->hold(id.node); });
    if (!held.has_value()) note_error(*image, held.error());
  }
}

void FileServer::note_error(const ServedImage& image, const Error& error) {
  ++*image.read_errors;
  uint64_t minute = io::SystemClock().monotonic_ms() / 60'000 + 1;
  {
    std::lock_guard lock(logged_mutex_);
    uint64_t& last = logged_[{image.name, error.code}];
    if (last == minute) return;
    last = minute;
    if (logged_.size() > 1024) logged_.clear();
  }
  log::error("image", "a reader got an error", {{"image", image.name}, {"error", error.message}});
}

}  // namespace mcloud::image
