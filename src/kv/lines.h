// The small text files of a store: lines "name value" in one order, a check over them at the end. Pure.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mcloud::kv {

// `text` with the line "check HEX8" behind it: the CRC-32C of all lines before.
Bytes with_check(Bytes text);
// The lines between `first_line` and the check. Unsupported: a later version of the file; Corrupt. `what` names it.
Result<BytesView> checked_lines(std::string_view what, BytesView text, BytesView first_line);

std::string line_of(std::string_view name, std::string_view value);
std::vector<BytesView> split(BytesView text, char at = ' ');

// Reads the lines one after the other.
class Lines {
 public:
  Lines(std::string_view what, BytesView text) : what_(what), text_(text) {}

  bool is_empty() const { return text_.empty(); }
  bool next_is(BytesView name) const;
  Result<BytesView> take(BytesView name);
  Result<uint64_t> number(BytesView name);
  Result<bool> yes(BytesView name);
  template <typename Enum>
  Result<Enum> word(BytesView name, std::initializer_list<BytesView> words) {
    BytesView value = TRY(take(name));
    return which<Enum>(value, words);
  }
  template <typename Enum>
  Result<Enum> which(BytesView value, std::initializer_list<BytesView> words) const {
    uint8_t number = 0;
    for (BytesView allowed : words) {
      if (value == allowed) return static_cast<Enum>(number);
      ++number;
    }
    return corrupt("unknown word " + std::string(value.substr(0, 40)));
  }
  Result<uint64_t> to_number(BytesView value) const;
  Error corrupt(const std::string& why) const;

 private:
  std::string_view what_;
  BytesView text_;
};

}  // namespace mcloud::kv
