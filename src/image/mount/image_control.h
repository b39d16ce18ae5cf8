// Inside this shelf: what the agent asks of the serving process.
#pragma once

#include <atomic>  // the keeper changes while requests are answered

#include "image/mount/control_protocol.h"
#include "image/mount/file_server.h"

namespace mcloud::image {

class ImageControl {
 public:
  // Borrows all of them.
  ImageControl(const FuseDevice& device, SharedMemory& memory, OpenTable& opens, ServedImages& images,
               const ContentCache& cache, const FileServer& files)
      : device_(device), memory_(memory), opens_(opens), images_(images), cache_(cache), files_(files) {}

  // From one thread that does not answer the kernel.
  Result<ControlReply> handle(const ControlRequest& request);
  void set_keeper(int process) { keeper_ = process; }

 private:
  Result<ControlReply> attach(const Attachment& attachment);
  Status detach(const std::string& digest);
  Status detach(const ServedImage& image);
  Result<ControlReply> trace(const std::string& digest) const;
  Result<ControlReply> stop();
  MountFigures figures() const;
  ImageFigures figures_of(const ServedImage& image) const;

  const FuseDevice& device_;
  SharedMemory& memory_;
  OpenTable& opens_;
  ServedImages& images_;
  const ContentCache& cache_;
  const FileServer& files_;
  std::atomic<int> keeper_{0};
};

}  // namespace mcloud::image
