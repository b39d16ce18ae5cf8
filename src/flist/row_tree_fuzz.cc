// Rows of a `.fl` file without SQLite between: any bytes as calls. What is accepted is a sound image with one index.
#include <cstdlib>

#include "flist/row_tree.h"
#include "image/tree/index.h"
#include "image/tree/index_check.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void check_image(const image::Image& image) {
  must(image.check().has_value());
  Bytes index = image::write_index(image);
  must(image::check_index(index).has_value());
  must(image::write_index(image::Index::parse(index).value()->image()) == index);
}

class Rows {
 public:
  explicit Rows(BytesView bytes) : rest_(bytes) {}

  void run() {
    must(tree_.add_inode({.ino = 1, .mode = 040755}).has_value());
    while (!rest_.empty() && add_row().has_value()) {
    }
    Result<image::Tree> tree = tree_.finish();
    if (!tree.has_value()) return;
    check_image({.tree = std::move(*tree)});
  }

 private:
  int64_t number() {
    if (rest_.empty()) return 0;
    auto out = static_cast<int8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return out;
  }

  BytesView text() {
    BytesView out = rest_.substr(0, static_cast<size_t>(number() & 63));
    rest_.remove_prefix(std::min(out.size(), rest_.size()));
    return out;
  }

  Status add_inode() {
    constexpr int64_t kTypes[] = {040000, 0100000, 0120000, 010000, 020000, 060000, 0140000, 0};
    InodeRow row{.ino = number(), .parent = number(), .name = Bytes(text()), .size = number() * 100'000};
    row.user = number() * 600;
    row.group = number();
    row.mode = kTypes[number() & 7] + number() * 40;
    row.device = number() * 77'777;
    row.modified_s = number();
    return tree_.add_inode(std::move(row));
  }

  Status add_row() {
    switch (number() & 7) {
      case 0:
      case 1: return add_inode();
      case 2: return tree_.add_target(number(), text());
      case 3: return tree_.add_block(number(), Bytes(32, static_cast<char>(number())), Bytes(32, 'k'));
      case 4: return tree_.add_second_name(number(), number());
      case 5: return tree_.set_name(number(), text());
      case 6: return tree_.set_nanoseconds(number(), number() * 9'000'000);
      default: return tree_.add_attribute(number(), "user." + Bytes(text()), text());
    }
  }

  BytesView rest_;
  RowTree tree_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Rows({reinterpret_cast<const char*>(data), size}).run();
  return 0;
}
