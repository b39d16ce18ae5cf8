// Bounds of a `.fl` file beside those of its image (image/limits.h). Reader and writer ask for the same.
#pragma once

#include <cstdint>

namespace mcloud::flist {

inline constexpr uint64_t kFileBytesMax = 1ull << 30;
inline constexpr uint64_t kRoutesMax = 256;
inline constexpr uint64_t kUrlBytesMax = 2048;
inline constexpr uint64_t kTagsMax = 256;
inline constexpr uint64_t kTagKeyBytesMax = 64;       // public tools write "description" into a VARCHAR(10)
inline constexpr uint64_t kTagValueBytesMax = 4096;
inline constexpr uint64_t kSignaturesMax = 64;
inline constexpr uint64_t kTraceLinesMax = 4096;
inline constexpr uint64_t kTraceLineBytesMax = 4096 + 16;

}  // namespace mcloud::flist
