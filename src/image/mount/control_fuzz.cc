// What comes over the control socket and what one process leaves to the next, as bytes of anybody.
#include "image/mount/control_protocol.h"
#include "image/mount/fuse_device.h"

using namespace mcloud::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(names_fuse_mount(text, "/a/mount"));
  if (auto request = parse_request(text); request.has_value() && !parse_request(write_request(*request)).has_value()) {
    __builtin_trap();
  }
  if (auto state = parse_state(text); state.has_value() && !parse_state(write_state(*state)).has_value()) __builtin_trap();
  for (auto kind : {ControlRequest::Kind::Hello, ControlRequest::Kind::Attach, ControlRequest::Kind::Figures, ControlRequest::Kind::Trace}) {
    auto reply = parse_reply(kind, text);
    if (reply.has_value() && !parse_reply(kind, write_reply(kind, reply)).has_value()) __builtin_trap();
  }
  return 0;
}
