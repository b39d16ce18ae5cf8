#include "image/mount/image_control.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>


#include "base/log.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

// How long the kernel may take to let an image go that nobody uses.
constexpr uint64_t kForgetTimeoutMs = 1'000;

}  // namespace

Result<ControlReply> ImageControl::handle(const ControlRequest& request) {
  ControlReply reply;
  switch (request.kind) {
    case ControlRequest::Kind::Hello:
      reply.folder = images_.options().folder + "/mount";
      return reply;
    case ControlRequest::Kind::Attach: return attach(request.attachment);
    case ControlRequest::Kind::Detach: TRY(detach(request.digest)); return reply;
    case ControlRequest::Kind::Figures: reply.figures = figures(); return reply;
    case ControlRequest::Kind::Trace: return trace(request.digest);
    case ControlRequest::Kind::Stop: return stop();
  }
  return make_error(Code::Internal, "a request of an unknown kind");
}

Result<ControlReply> ImageControl::attach(const Attachment& attachment) {
  std::shared_ptr<const ServedImage> image = TRY(images_.attach(attachment));
  device_.forget_node(fuse::kRootId);  // its listing
  ControlReply reply;
  reply.folder = images_.options().folder + "/mount/" + image->name;
  return reply;
}

Status ImageControl::detach(const std::string& digest) {
  for (const auto& image : images_.of_digest(digest)) TRY(detach(*image));
  return {};
}

Status ImageControl::detach(const ServedImage& image) {
  auto in_use = [&](std::string_view how) {
    return make_error(Code::Conflict, "image " + image.name + " is in use: " + std::string(how));
  };
  if (opens_.has_open_below(image.slot)) return in_use("files of it are open");
  // A refused detach left its root without a name in the kernel, and names below it that nobody could let go of any
  // more. To look it up gives it the name again. Other threads answer that.
  struct stat facts {};
  static_cast<void>(::stat((images_.options().folder + "/mount/" + image.name).c_str(), &facts));
  images_.hide(image.slot, true);
  // The kernel lets go of its root only when nobody stands in it or has mounted it; then it tells us.
  device_.forget_entry(fuse::kRootId, image.name);
  device_.forget_node(fuse::kRootId);
  uint64_t deadline_ms = io::SystemClock().monotonic_ms() + kForgetTimeoutMs;
  while (memory_.is_known(image.slot) && io::SystemClock().monotonic_ms() < deadline_ms) ::poll(nullptr, 0, 2);
  bool is_open = opens_.has_open_below(image.slot);
  if (memory_.is_known(image.slot) || is_open) {
    images_.hide(image.slot, false);
    return in_use(is_open ? "files of it are open" : "its folder is mounted, or a process stands in it");
  }
  return images_.forget(image.slot);
}

Result<ControlReply> ImageControl::trace(const std::string& digest) const {
  auto images = images_.of_digest(digest);
  if (images.empty() || images.front()->loaded == nullptr) {
    return make_error(Code::NotFound, "image " + digest + " is not attached");
  }
  ControlReply reply;
  LoadedImage& loaded = *images.front()->loaded;
  reply.trace = write_trace(loaded.index(), loaded.trace());
  return reply;
}

Result<ControlReply> ImageControl::stop() {
  memory_.set_stopping();
  TRY(unmount_all(images_.options().folder + "/mount"));
  log::info("image", "stopped", {});
  // Our answer is that we end: the connection, the mount and the lock are gone with us.
  ::_exit(0);
}

ImageFigures ImageControl::figures_of(const ServedImage& image) const {
  ImageFigures out;
  out.digest = image.attachment.digest;
  out.read_errors = *image.read_errors;
  if (image.loaded == nullptr) return out;
  LoadFigures loaded = image.loaded->figures();
  out.bytes = loaded.bytes;
  out.cached_bytes = loaded.cached_bytes;
  out.fetched_bytes = loaded.fetched_bytes;
  out.stores = std::move(loaded.stores);
  return out;
}

MountFigures ImageControl::figures() const {
  MountFigures out;
  out.process = ::getpid();
  out.keeper = keeper_;
  out.restarts = memory_.restarts();
  out.reads = files_.reads();
  out.has_passthrough = memory_.negotiated().has_passthrough && !memory_.passthrough_refused();
  out.has_idmap = memory_.negotiated().has_idmap;
  out.cache = cache_.figures();
  for (const auto& image : images_.list()) out.images.push_back(figures_of(*image));
  return out;
}

}  // namespace mcloud::image
