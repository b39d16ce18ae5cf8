// Inside this shelf: one request of the kernel, checked, with its parts at hand. Borrows the bytes.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

#include "image/mount/file_server.h"

namespace mcloud::image {

struct FileServer::Request {
  fuse::InHeader header{};
  std::string_view bytes;  // all of it
  std::string_view body;
  bool is_resent = false;

  // False when the bytes are no whole request.
  bool parse(std::string_view whole) {
    if (whole.size() < sizeof header) return false;
    std::memcpy(&header, whole.data(), sizeof header);
    bytes = whole;
    body = bytes.substr(sizeof header);
    return header.bytes == bytes.size();
  }
  // The struct that the body begins with. False when it is too short.
  template <typename T>
  bool get(T& out) const {
    if (body.size() < sizeof out) return false;
    std::memcpy(&out, body.data(), sizeof out);
    return true;
  }
  // The name that follows `skip` bytes; "" when there is none.
  std::string_view name(size_t skip = 0) const {
    std::string_view rest = body.substr(std::min(skip, body.size()));
    size_t end = rest.find('\0');
    return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
  }
  template <typename T>
  bool reply(const FuseDevice& device, const T& out) const {
    return device.reply(header.unique, {reinterpret_cast<const char*>(&out), sizeof out});
  }
};

}  // namespace mcloud::image
