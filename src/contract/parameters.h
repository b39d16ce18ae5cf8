// Parameters of a contract file: what `parameters:` declares, the values somebody gave, and ${NAME} in values. One signed
// recipe serves many users this way; what is approved are the bytes that result. Pure.
//
// Substitution happens in scalars of the tree, after YAML was read: a value is never read as YAML, nor for another ${NAME}.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/document.h"

namespace mcloud::contract {

// A value that somebody gave for a parameter.
struct GivenValue {
  std::string value;
  std::string from;  // "--set", "values.yaml:3:1"
};
using GivenValues = std::map<std::string, GivenValue>;

// What a contract file needs beside its own text.
struct Surroundings {
  GivenValues values;
  // The text of a fragment; `path` is relative to the contract's folder. Unset: fragments cannot be read here.
  std::function<Result<std::string>(const std::string& path)> read_fragment;
};

// "size=1TiB" of the command line. Invalid when it is not NAME=VALUE in UTF-8, or the name stands there already.
Status add_assignment(GivenValues& values, std::string_view assignment);
// A file of values: one YAML map of names to scalars. Those that are there already stay. `file_name` is for what is wrong.
Status add_values_file(GivenValues& values, std::string_view yaml, std::string_view file_name);

}  // namespace mcloud::contract
