// Inside this shelf: what the agent and mcloud-imagefs say to each other on FOLDER/control.sock: one JSON line there,
// one back, then the connection ends (docs/reference/imagefs.md). Pure.
#pragma once

#include "image/mount/image_mount.h"

namespace mcloud::image {

inline constexpr size_t kControlBytesMax = 4 << 20;
inline constexpr size_t kRoutesMax = 256;
inline constexpr size_t kTraceMax = 4096;

struct ControlRequest {
  enum class Kind { Hello, Attach, Detach, Figures, Trace, Stop };
  Kind kind = Kind::Hello;
  Attachment attachment;  // Attach
  std::string digest;     // Detach, Trace
};

struct ControlReply {
  std::string folder;    // Hello: the mount point (all that a newer or older agent must understand); Attach: the image's root folder
  MountFigures figures;  // Figures
  std::vector<std::string> trace;
};

// One line, with its end.
std::string write_request(const ControlRequest& request);
// Invalid saying what; nothing of a stranger's is believed: digests are digests, paths are absolute, lists bounded.
Result<ControlRequest> parse_request(std::string_view line);
std::string write_reply(ControlRequest::Kind kind, const Result<ControlReply>& reply);
// The error that the other side sent, or Invalid.
Result<ControlReply> parse_reply(ControlRequest::Kind kind, std::string_view line);

// What is attached, as it is kept for the next process.
struct KeptImage {
  uint32_t slot = 0;
  bool is_attached = true;
  Attachment attachment;  // without its trace
};
struct KeptState {
  MountOptions options;
  uint32_t next_slot = 1;
  std::vector<KeptImage> images;
};
std::string write_state(const KeptState& state);
Result<KeptState> parse_state(std::string_view text);

}  // namespace mcloud::image
