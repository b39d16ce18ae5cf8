// Inside this room only: reads the fields of a YAML map into typed values and reports everything that
// is wrong on the way. A field that was reported reads as unset, so that reading goes on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contract/diagnostic.h"
#include "contract/document.h"
#include "contract/syntax.h"
#include "contract/words.h"

namespace mcloud::contract {

struct Bounds {
  uint64_t min = 0;
  uint64_t max = ~uint64_t{0};
};

// A node of the tree, what it is called, and where complaints go. A value; borrows node and report.
class Cursor {
 public:
  Cursor(const wire::YamlNode& node, std::string path, Report& report)
      : node_(&node), place_(node.place), path_(std::move(path)), report_(&report) {}
  // The value of a map's key. A missing value stands where its key stands.
  Cursor(const wire::YamlNode& key, const wire::YamlNode& value, std::string path, Report& report);

  const wire::YamlNode& node() const { return *node_; }
  const std::string& path() const { return path_; }
  Place place() const { return place_; }
  Report& report() const { return *report_; }
  void complain(std::string_view message, const Report::Hint& hint = {}) const;
  // "is a list, not `wanted`".
  void complain_kind(std::string_view wanted) const;

  bool is_map() const { return node_->kind == wire::YamlNode::Kind::Map; }
  bool is_list() const { return node_->kind == wire::YamlNode::Kind::List; }
  bool is_scalar() const { return node_->kind == wire::YamlNode::Kind::Scalar; }

  // Each reports when the node is not that.
  std::optional<Text> text() const;
  std::optional<Text> text(const Rule& rule) const;
  std::optional<Placed<uint64_t>> number(Bounds bounds) const;
  std::optional<Placed<uint64_t>> size(Bounds bounds) const;
  std::optional<Placed<uint64_t>> duration_ms(Bounds bounds) const;
  std::optional<Placed<uint64_t>> cpu_milli(Bounds bounds) const;
  std::optional<bool> boolean() const;
  std::optional<std::vector<Text>> texts(const Rule& rule, size_t count_max) const;
  // As texts(), each at most once.
  std::optional<std::vector<Text>> unique_texts(const Rule& rule, size_t count_max) const;
  // The entries of a map with free keys.
  std::vector<std::pair<Text, Cursor>> entries(size_t count_max) const;

  template <typename E, size_t n>
  std::optional<Placed<E>> word(const std::array<Word<E>, n>& words) const;

 private:
  std::optional<Placed<uint64_t>> with_unit(Result<uint64_t> (*parse)(std::string_view),
                                            std::string (*format)(uint64_t), Bounds bounds) const;
  std::optional<std::string_view> scalar(std::string_view wanted) const;
  void complain_word(const std::vector<std::string_view>& allowed) const;

  const wire::YamlNode* node_;
  Place place_;
  std::string path_;
  Report* report_;
};

// A map with known keys. Asking for a key makes it known; finish() reports the keys nobody asked for.
class MapReader {
 public:
  // `owner` is where missing keys are reported: the place of the name the map belongs to.
  MapReader(Cursor map, Place owner);

  // Whether the key is there; it does not become known.
  bool has(std::string_view key) const;
  // Nothing when it is not there or has no value (which is reported).
  std::optional<Cursor> find(std::string_view key);
  // Reports when it is not there; `example` shows how to write it.
  std::optional<Cursor> get(std::string_view key, std::string_view example);
  void finish();

  const std::string& path() const { return map_.path(); }
  Place owner() const { return owner_; }
  Report& report() const { return map_.report(); }

 private:
  Cursor map_;
  Place owner_;
  std::vector<std::string> asked_;
};

std::string child_path(std::string_view path, std::string_view key);

template <typename T>
std::optional<T> plain(const std::optional<Placed<T>>& placed) {
  return placed ? std::optional<T>(placed->value) : std::nullopt;
}
template <typename T>
std::optional<uint32_t> plain_u32(const std::optional<Placed<T>>& placed) {
  return placed ? std::optional<uint32_t>(static_cast<uint32_t>(placed->value)) : std::nullopt;
}

template <typename E, size_t n>
std::optional<Placed<E>> Cursor::word(const std::array<Word<E>, n>& words) const {
  std::vector<std::string_view> allowed;
  for (const Word<E>& word : words) {
    if (is_scalar() && node_->scalar == word.word) return Placed<E>{word.value, place()};
    allowed.push_back(word.word);
  }
  complain_word(allowed);
  return std::nullopt;
}

}  // namespace mcloud::contract
