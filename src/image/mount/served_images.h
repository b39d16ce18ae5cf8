// Inside this shelf: the images that are attached, by slot and by name. Slots are never given to another image while
// the mount lives. What is attached is kept in shared memory before attach() returns, for the next process.
// Thread-safe.
#pragma once

#include <atomic>  // figures that several threads count
#include <map>
#include <memory>
#include <mutex>  // several threads serve while the control thread attaches
#include <vector>

#include "image/cache/loader.h"
#include "image/mount/control_protocol.h"
#include "image/mount/shared_memory.h"

namespace mcloud::image {

struct ServedImage {
  uint32_t slot = 0;
  std::string name;                     // in the mount's root folder: <hex> or <hex>-<shift>
  Attachment attachment;                // without trace
  std::shared_ptr<LoadedImage> loaded;  // nullptr: its index could not be opened after a takeover
  std::shared_ptr<std::atomic<uint64_t>> read_errors;
};

class ServedImages {
 public:
  // Borrows. Opens what `memory` says is attached; what cannot be opened is logged and answered with EIO.
  static Result<std::unique_ptr<ServedImages>> open(SharedMemory& memory, Loader& loader, const RoutesOptions& routes);

  // nullptr: no image is attached there.
  std::shared_ptr<const ServedImage> find(uint32_t slot) const;
  std::shared_ptr<const ServedImage> find(std::string_view name) const;
  // By slot.
  std::vector<std::shared_ptr<const ServedImage>> list() const;
  std::vector<std::shared_ptr<const ServedImage>> of_digest(const std::string& digest) const;

  // A second time replaces routes. Starts its trace and its completion.
  Result<std::shared_ptr<const ServedImage>> attach(const Attachment& attachment);
  // No lookup finds it any more; find(slot) does until forget(). undo: hide(slot, false).
  void hide(uint32_t slot, bool hidden);
  Status forget(uint32_t slot);

  const MountOptions& options() const { return state_.options; }

 private:
  ServedImages(SharedMemory& memory, Loader& loader, const RoutesOptions& routes)
      : memory_(memory), loader_(loader), routes_(routes) {}
  Result<std::shared_ptr<LoadedImage>> load(const Attachment& attachment) const;
  Result<uint32_t> slot_for(const Attachment& attachment);
  Status keep();

  SharedMemory& memory_;
  Loader& loader_;
  RoutesOptions routes_;
  mutable std::mutex mutex_;
  std::mutex changing_;  // one attach or detach at a time
  KeptState state_;
  std::map<uint32_t, std::shared_ptr<const ServedImage>> by_slot_;
  std::map<std::string, uint32_t, std::less<>> by_name_;
};

// "path block" lines as places in an index; what does not name a block of a file is left out.
std::vector<BlockPlace> parse_trace(const Index& index, const std::vector<std::string>& lines);
std::vector<std::string> write_trace(const Index& index, const std::vector<BlockPlace>& places);

}  // namespace mcloud::image
