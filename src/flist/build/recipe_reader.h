// Inside this room: fields of a recipe, strictly, with the line in every error.
#pragma once

#include <functional>

#include "flist/build/recipe.h"
#include "wire/yaml.h"

namespace mcloud::flist {

// Borrows the recipe's name, for errors.
class RecipeReader {
 public:
  explicit RecipeReader(const std::string& name) : name_(name) {}

  using Field = std::function<Status(const wire::YamlNode& value, const std::string& field)>;
  // Calls the reader of each key in the file's order; an unknown key is refused with the list of those allowed.
  Status map(const wire::YamlNode& node, const std::string& field,
             const std::vector<std::pair<std::string, Field>>& readers) const;

  Error wrong(const wire::YamlNode& node, const std::string& field, const std::string& why) const;
  Result<std::string> text(const wire::YamlNode& node, const std::string& field) const;  // any scalar, no NUL
  Result<std::vector<std::string>> texts(const wire::YamlNode& node, const std::string& field) const;
  Result<std::string> word(const wire::YamlNode& node, const std::string& field,
                           const std::vector<std::string>& allowed) const;
  Result<uint64_t> number(const wire::YamlNode& node, const std::string& field, uint64_t max) const;
  Result<uint16_t> mode(const wire::YamlNode& node, const std::string& field) const;     // octal digits
  Result<Recipe::Owner> owner(const wire::YamlNode& node, const std::string& field) const;  // USER[:GROUP], numbers
  Result<std::string> path(const wire::YamlNode& node, const std::string& field) const;  // absolute; returned normal

 private:
  const std::string& name_;
};

}  // namespace mcloud::flist
