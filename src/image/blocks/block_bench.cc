// MB/s of one core: `image_block_bench [file]` encodes and decodes the file's blocks (its own program without one).
#include <chrono>
#include <cstdio>
#include <vector>

#include "image/blocks/block.h"
#include "io/file.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int count, char** arguments) {
  auto content = io::read_file(count > 1 ? arguments[1] : "/proc/self/exe", 1ull << 30);
  if (!content.has_value()) return std::fprintf(stderr, "%s\n", content.error().message.c_str()), 1;
  std::vector<BytesView> plain;
  for (BytesView rest = *content; !rest.empty(); rest.remove_prefix(plain.back().size())) {
    plain.push_back(rest.substr(0, kBlockBytes));
  }
  std::vector<StoredBlock> blocks;
  uint64_t stored = 0;
  auto begin = std::chrono::steady_clock::now();
  for (BytesView one : plain) blocks.push_back(encode_block(one));
  double encode_s = seconds_since(begin);
  begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!decode_block(blocks[i].ref, blocks[i].bytes, plain[i].size()).has_value()) return 1;
  }
  double decode_s = seconds_since(begin);
  for (const StoredBlock& block : blocks) stored += block.bytes.size();
  double megabytes = static_cast<double>(content->size()) / 1e6;
  std::printf("%zu blocks, %.1f MB, stored %.1f MB; encode %.0f MB/s, decode %.0f MB/s\n", blocks.size(), megabytes,
              static_cast<double>(stored) / 1e6, megabytes / encode_s, megabytes / decode_s);
  return 0;
}
