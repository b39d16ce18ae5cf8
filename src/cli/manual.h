// Manual pages of all commands, from what --help is made of.
#pragma once

#include <string>

#include "cli/command.h"

namespace mcloud::cli {

// roff (man(7)) of "mcloud.1": the whole, each command a section. Pure.
std::string manual_page(const Commands& commands, std::string_view version);

}  // namespace mcloud::cli
