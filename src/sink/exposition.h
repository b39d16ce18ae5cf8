// Prometheus' text format (version 0.0.4): read strictly, labelled, merged. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mcloud::sink {

struct MetricFamily {
  std::string type;                  // "counter", "gauge", "untyped"
  std::string help;
  std::vector<std::string> samples;  // "name{labels} value", without timestamp
};
using Families = std::map<std::string, MetricFamily, std::less<>>;

struct ExpositionLimits {
  size_t bytes_max = 256 << 10;
  size_t samples_max = 4'000;
  size_t line_bytes_max = 2'048;
};

// Counters, gauges and untyped ones; each sample gets the label NAME="VALUE" in front. Invalid names the line:
// bad syntax, an own label of that name, a type we do not take (histogram, summary), too much of anything.
struct AddedLabel {
  std::string name;
  std::string value;
};
Result<Families> parse_exposition(std::string_view text, const AddedLabel& label, const ExpositionLimits& limits = {});

// Adds to the samples of families already there; the first type and help win.
void merge_into(Families& all, const Families& more);
std::string format_exposition(const Families& families);

// "a\"b\\c\n" as a label value, with its quotes.
std::string quoted_label(std::string_view value);

}  // namespace mcloud::sink
