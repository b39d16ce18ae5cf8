// A contract file (or a fragment) in its canonical form: keys in the order of the table of fields, amounts in their usual
// units, two blanks per level, maps and lists on one line where they fit. Pure.
//
// Comments stay with what they stand above or beside; those before the first key stay on top. Nothing is ever lost: what was
// made is read again, and when a value or a comment is not there the file is refused.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud::contract {

// Formatting twice changes nothing more. Invalid, with "line:column: ", when the text is no YAML or has what cannot be kept
// (tags, directives).
Result<std::string> format_contract(std::string_view yaml);

}  // namespace mcloud::contract
