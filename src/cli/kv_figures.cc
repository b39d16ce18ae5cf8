#include "cli/kv_figures.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace mcloud::cli {
namespace {

constexpr std::string_view kPrefix = "kv_";

std::string label(std::string_view name) { return "namespace=\"" + std::string(name) + "\""; }

double seconds_between(const KvFigures& before, const KvFigures& now) {
  return static_cast<double>(std::max<uint64_t>(now.time_ms - std::min(now.time_ms, before.time_ms), 1)) / 1000;
}

}  // namespace

uint64_t KvTimes::quantile_us(double part) const {
  auto wanted = static_cast<uint64_t>(std::ceil(part * static_cast<double>(count)));
  uint64_t so_far = 0;
  for (const auto& [most, times] : buckets) {
    so_far += times;
    if (so_far >= wanted && so_far > 0) return most;
  }
  return 0;
}

KvFigures KvFigures::parse(std::string_view text) {
  KvFigures figures;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    size_t blank = line.rfind(' ');
    if (!line.starts_with(kPrefix) || blank == std::string_view::npos) continue;
    double value = 0;
    auto [stop, failed] = std::from_chars(line.data() + blank + 1, line.data() + line.size(), value);
    if (failed == std::errc() && stop == line.data() + line.size())
      figures.samples[std::string(line.substr(0, blank))] = value;
  }
  return figures;
}

double KvFigures::sum(std::string_view family) const {
  std::string name = std::string(kPrefix) + std::string(family);
  double sum = 0;
  for (auto at = samples.lower_bound(name); at != samples.end() && at->first.starts_with(name); ++at) {
    if (at->first.size() == name.size() || at->first[name.size()] == '{') sum += at->second;
  }
  return sum;
}

double KvFigures::of_namespace(std::string_view family, std::string_view name) const {
  auto found = samples.find(std::string(kPrefix) + std::string(family) + "{" + label(name) + "}");
  return found == samples.end() ? 0 : found->second;
}

std::vector<std::string> KvFigures::namespaces() const {
  constexpr std::string_view kBefore = "kv_namespace_keys{namespace=\"", kBehind = "\"}";
  std::vector<std::string> names;
  for (auto at = samples.lower_bound(kBefore); at != samples.end() && at->first.starts_with(kBefore); ++at)
    names.push_back(at->first.substr(kBefore.size(), at->first.size() - kBefore.size() - kBehind.size()));
  return names;
}

double KvFigures::rate_since(const KvFigures& before, std::string_view family) const {
  double now = sum(family), then = before.sum(family);
  return (now >= then ? now - then : now) / seconds_between(before, *this);
}

double KvFigures::error_rate_since(const KvFigures& before) const {
  auto errors = [](const KvFigures& figures) {
    double all = 0;
    for (const auto& [name, value] : figures.samples) {
      if (name.starts_with("kv_commands_total{") && name.ends_with("result=\"error\"}")) all += value;
    }
    return all;
  };
  double now = errors(*this), then = errors(before);
  return (now >= then ? now - then : now) / seconds_between(before, *this);
}

KvTimes KvFigures::times_since(const KvFigures& before, std::string_view family, std::string_view name) const {
  KvTimes times;
  std::string bucket = "kv_" + std::string(family) + "_bucket{" + (name.empty() ? "" : label(name) + ",") + "le=\"";
  std::map<uint64_t, uint64_t> at_most;  // cumulative, as they come
  for (auto at = samples.lower_bound(bucket); at != samples.end() && at->first.starts_with(bucket); ++at) {
    double most = 0;
    const char* text = at->first.data() + bucket.size();
    auto [stop, failed] = std::from_chars(text, at->first.data() + at->first.size(), most);
    bool is_number = failed == std::errc() && std::isfinite(most);
    auto then = before.samples.find(at->first);
    double difference = at->second - (then == before.samples.end() ? 0 : then->second);
    uint64_t us = is_number ? static_cast<uint64_t>(std::llround(most * 1e6)) : KvTimes::kLongerThanAll;
    at_most[us] = static_cast<uint64_t>(std::max(difference, 0.0));
  }
  uint64_t so_far = 0;
  for (const auto& [us, count] : at_most) {
    times.buckets[us] = count - std::min(count, so_far);
    so_far = std::max(so_far, count);
  }
  times.count = so_far;
  return times;
}

}  // namespace mcloud::cli
