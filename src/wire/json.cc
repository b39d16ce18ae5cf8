#include "wire/json.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace mcloud::wire {
namespace {

using nlohmann::json;

// nlohmann's own builder lets the last of two equal keys win and knows no depth.
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(int depth_max) : depth_max_(depth_max) {}

  bool null() override { return add(json()) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return add(value) != nullptr; }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (open_.back()->contains(name)) {
      error_ = "the key \"" + name.substr(0, 100) + "\" stands twice in one object";
      return false;
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ...": people need the end of it.
    std::string_view what = error.what();
    size_t start = what.find("] ");
    error_ = start == std::string_view::npos ? "error at byte " + std::to_string(position)
                                             : std::string(what.substr(start + 2, 300));
    return false;
  }

  json take() { return std::move(root_); }
  const std::string& error() const { return error_; }

 private:
  json* add(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool open(json value) {
    if (static_cast<int>(open_.size()) >= depth_max_) {
      error_ = "nested deeper than " + std::to_string(depth_max_) + " levels";
      return false;
    }
    // The parents stay where they are while a child is open: nothing is added beside it before it closes.
    open_.push_back(add(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  int depth_max_;
  json root_;
  std::vector<json*> open_;
  std::string key_;
  std::string error_;
};

Error bad_member(std::string_view key, std::string_view why) {
  return make_error(Code::Invalid, "\"" + std::string(key) + "\" " + std::string(why));
}

Result<const json*> member(const json& object, std::string_view key) {
  if (!object.is_object()) return bad_member(key, "is missing: not an object");
  auto found = object.find(key);
  if (found == object.end()) return bad_member(key, "is missing");
  return &*found;
}

}  // namespace

Result<json> parse_json(std::string_view text, size_t bytes_max, int depth_max) {
  if (text.size() > bytes_max) {
    return make_error(Code::Invalid, "JSON of " + std::to_string(text.size()) + " bytes; at most " +
                                         std::to_string(bytes_max) + " are allowed");
  }
  Builder builder(depth_max);
  if (!json::sax_parse(text, &builder)) return make_error(Code::Invalid, "JSON: " + builder.error());
  return builder.take();
}

Result<std::string> json_string(const json& object, std::string_view key) {
  const json* value = TRY(member(object, key));
  if (!value->is_string()) return bad_member(key, "is not a string");
  return value->get_ref<const std::string&>();
}

Result<uint64_t> json_u64(const json& object, std::string_view key) {
  const json* value = TRY(member(object, key));
  if (!value->is_number_unsigned()) return bad_member(key, "is not a whole number from 0 to 18446744073709551615");
  return value->get<uint64_t>();
}

Result<bool> json_bool(const json& object, std::string_view key) {
  const json* value = TRY(member(object, key));
  if (!value->is_boolean()) return bad_member(key, "is neither true nor false");
  return value->get<bool>();
}

Result<const json*> json_array(const json& object, std::string_view key) {
  const json* value = TRY(member(object, key));
  if (!value->is_array()) return bad_member(key, "is not a list");
  return value;
}

Result<const json*> json_object(const json& object, std::string_view key) {
  const json* value = TRY(member(object, key));
  if (!value->is_object()) return bad_member(key, "is not an object");
  return value;
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace mcloud::wire
