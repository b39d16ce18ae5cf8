// Bounds of what we take as an image. Real images stay far below each.
#pragma once

#include <cstdint>

namespace mcloud::image {

inline constexpr uint64_t kDocumentBytesMax = 4 << 20;        // manifest, index or config
inline constexpr uint64_t kLayersMax = 128;
inline constexpr uint64_t kBlobBytesMax = 32ull << 30;        // one layer as stored

// Of a whole image, unpacked.
struct UnpackLimits {
  uint64_t bytes_max = 64ull << 30;    // of file content, holes included
  uint64_t entries_max = 1'000'000;
  // What a layer may unpack to: this many times its stored size, or bytes_free if that is more.
  uint64_t ratio_max = 300;
  uint64_t bytes_free = 256 << 20;
};

inline constexpr uint64_t kPathBytesMax = 4095;
inline constexpr uint64_t kNameBytesMax = 255;
inline constexpr uint64_t kDepthMax = 256;                    // folders in a path
inline constexpr uint64_t kAttributeBytesMax = 64 << 10;      // extended attributes of one entry, names included
inline constexpr uint64_t kUserIdMax = 65'535;                // the size of a contract's own range

// Of a tree and its index, whoever made them.
inline constexpr uint64_t kNamesMax = 1'000'000;              // entries of all folders
inline constexpr uint64_t kBlocksMax = 4'000'000;             // of all files
inline constexpr uint64_t kTreeBytesMax = 1ull << 40;         // of all files, holes included
inline constexpr uint64_t kStringBytesMax = 256 << 20;        // names, targets, attributes, config
inline constexpr uint64_t kIndexBytesMax = 1ull << 30;
inline constexpr uint64_t kOriginsMax = 512;
inline constexpr uint64_t kOriginBytesMax = 255;
inline constexpr uint64_t kDeviceMajorMax = (1 << 12) - 1;    // as Linux counts them
inline constexpr uint64_t kDeviceMinorMax = (1 << 20) - 1;

}  // namespace mcloud::image
