// Inside this room only: signed messages as people read them: units, words for enums, no secrets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace google::protobuf {
class Message;
}

namespace mcloud::contract {

// A field of a message, nested ones joined by dots. Items of a list are named by their first field.
struct PrintedField {
  std::string path;    // as in the schema: "demand.cpu_milli", "environment.GREETING"
  std::string text;    // "250m", "hello", "(secret)"
  Bytes content;       // equal exactly when the values are
  std::string label() const;  // the path as the language spells it: "resources.cpu"
};

// Every set field; an item of a list is one field.
std::vector<PrintedField> print_fields(const google::protobuf::Message& message);

}  // namespace mcloud::contract
