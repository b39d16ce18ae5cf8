// Inside this room only: the declared parameters of a file, and their values in its tree.
#pragma once

#include <map>
#include <string>

#include "contract/field_reader.h"
#include "contract/parameters.h"

namespace mcloud::contract {

enum class ParameterType { Number, Size, Duration, Cpu, Text, Name, Flag, Word };

inline constexpr std::array<Word<ParameterType>, 8> kParameterTypeWords = {{{"number", ParameterType::Number},
                                                                            {"size", ParameterType::Size},
                                                                            {"duration", ParameterType::Duration},
                                                                            {"cpu", ParameterType::Cpu},
                                                                            {"text", ParameterType::Text},
                                                                            {"name", ParameterType::Name},
                                                                            {"flag", ParameterType::Flag},
                                                                            {"word", ParameterType::Word}}};

namespace parameter_bounds {
inline constexpr size_t kParameters = 64;
inline constexpr size_t kWords = 64;
inline constexpr Bounds kLength = {0, 32 << 10};
inline constexpr uint64_t kDefaultLength = 1024;
inline constexpr size_t kBytesPutIn = 1 << 20;  // by all ${NAME} of a file together
}  // namespace parameter_bounds

// A declared parameter with the value that holds.
struct Parameter {
  ParameterType type = ParameterType::Text;
  Placed<std::string> value;
  std::string from;  // "default", or as GivenValue
  bool used = false;
};
using Parameters = std::map<std::string, Parameter>;

// Reads `parameters:` and gives each its value; reports what is wrong with declarations, defaults and given values.
Parameters read_parameters(const Cursor& declared, const GivenValues& given);
// Puts the values in; reports ${NAME} that nobody declared. Keys stay as they are.
void substitute(wire::YamlNode& tree, Parameters& parameters, Report& report);

}  // namespace mcloud::contract
