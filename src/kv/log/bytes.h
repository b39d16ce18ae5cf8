// Little-endian numbers of the log's files.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace mcloud::kv {

template <typename Number>
Number load(const char* at) {
  Number value;
  std::memcpy(&value, at, sizeof(Number));
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

template <typename Number>
void store(char* at, Number value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(at, &value, sizeof(Number));
}

template <typename Number>
void append(Bytes& out, Number value) {
  char bytes[sizeof(Number)];
  store(bytes, value);
  out.append(bytes, sizeof(Number));
}

}  // namespace mcloud::kv
