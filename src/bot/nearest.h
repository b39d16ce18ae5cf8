// The nearest of the words that would have been right.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mcloud::bot {

// nullopt when nothing is near, or several are equally near (of n1 to n5 none is nearest to n9). Near: at most a third
// of the letters differ (a swap of neighbours counts one), or `word` begins exactly one of them.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);
// "; did you mean \"status\"?" or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);
// "there is no node "n9"; did you mean "n8"?" or "...; there are: n1, n2" (at most ten).
std::string not_found(std::string_view what, std::string_view word, const std::vector<std::string>& known);

}  // namespace mcloud::bot
