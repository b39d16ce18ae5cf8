// Inside the metrics' files: Prometheus' text, family by family.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "kv/times.h"

namespace mcloud::kv {

// 1250 us as "0.00125".
inline std::string seconds_text(uint64_t us) {
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, static_cast<double>(us) / 1e6).ptr;
  return {text, end};
}

// Any bytes may be a namespace's name: what is no plain letter is written %XX.
inline std::string label_value(std::string_view value) {
  std::string text = "\"";
  for (char c : value) {
    bool is_plain = c >= '!' && c <= '~' && c != '"' && c != '\\' && c != '%';
    text += is_plain ? std::string(1, c) : "%" + to_hex(BytesView(&c, 1));
  }
  return text + "\"";
}

// Families one after the other, each with its head once.
class MetricsPage {
 public:
  MetricsPage& family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "kv_" + std::string(name);
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
    return *this;
  }
  // `labels`: "" or `a="b",c="d"`.
  MetricsPage& sample(const std::string& labels, const std::string& value, std::string_view suffix = "") {
    text_ += name_ + std::string(suffix) + (labels.empty() ? "" : "{" + labels + "}") + " " + value + "\n";
    return *this;
  }
  MetricsPage& sample(const std::string& labels, uint64_t value) { return sample(labels, std::to_string(value)); }
  MetricsPage& times(const std::string& labels, const TimesCount& times) {
    uint64_t so_far = 0;
    std::string before = labels.empty() ? "" : labels + ",";
    for (size_t i = 0; i < times.buckets.size(); i++) {
      so_far += times.buckets[i];
      std::string most = i < kBucketsUs.size() ? seconds_text(kBucketsUs[i]) : "+Inf";
      sample(before + "le=\"" + most + "\"", std::to_string(so_far), "_bucket");
    }
    sample(labels, seconds_text(times.sum_us), "_sum");
    return sample(labels, std::to_string(so_far), "_count");
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_, name_;
};

}  // namespace mcloud::kv
