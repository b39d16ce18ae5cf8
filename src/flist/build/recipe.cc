#include "flist/build/recipe.h"

#include <algorithm>

#include "flist/build/recipe_reader.h"
#include "image/limits.h"

namespace mcloud::flist {
namespace {

using wire::YamlNode;

bool is_package_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789+-.:~=";  // with :ARCH or =VERSION
  return !name.empty() && name.size() <= 200 && name[0] != '-' && name.find_first_not_of(kAllowed) == std::string::npos;
}

bool is_suite_name(const std::string& name) {
  return !name.empty() && name.size() <= 60 && name[0] != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == std::string::npos;
}

class RecipeParser {
 public:
  explicit RecipeParser(const std::string& name) : in_(name) {}

  Result<Recipe> parse(const YamlNode& node) {
    Fields fields = base_fields();
    for (Fields more : {tree_fields(), start_fields()}) fields.insert(fields.end(), more.begin(), more.end());
    TRY(in_.map(node, "", fields));
    if (recipe_.from.empty()) return in_.wrong(node, "from", "is missing: what the image is made from");
    if (debian_only_ != nullptr && recipe_.from != "debian") {
      return in_.wrong(*debian_only_, debian_field_, "is for \"from: debian\" only");
    }
    if (recipe_.from == "debian" && recipe_.variant == "extract" && recipe_.packages.empty()) {
      return in_.wrong(node, "packages", "is missing: \"variant: extract\" holds nothing else");
    }
    return std::move(recipe_);
  }

 private:
  using Fields = std::vector<std::pair<std::string, RecipeReader::Field>>;
  using Read = Status (RecipeParser::*)(const YamlNode&, const std::string&);

  RecipeReader::Field by(Read read) {
    return [this, read](const YamlNode& value, const std::string& field) { return (this->*read)(value, field); };
  }
  Fields base_fields() {
    return {{"from", by(&RecipeParser::read_from)},
            {"suite", by(&RecipeParser::read_suite)},
            {"variant", by(&RecipeParser::read_variant)},
            {"packages", by(&RecipeParser::read_packages)},
            {"documentation", by(&RecipeParser::read_documentation)},
            {"time", by(&RecipeParser::read_time)}};
  }
  Fields tree_fields() {
    return {{"remove", by(&RecipeParser::read_removals)},
            {"folders", by(&RecipeParser::read_folders)},
            {"files", by(&RecipeParser::read_files)},
            {"links", by(&RecipeParser::read_links)}};
  }
  Fields start_fields() {
    return {{"entrypoint", list_into(recipe_.entrypoint)},
            {"command", list_into(recipe_.command)},
            {"environment", by(&RecipeParser::read_environment)},
            {"user", text_into(recipe_.user)},
            {"working_folder", by(&RecipeParser::read_working_folder)},
            {"stop_signal", text_into(recipe_.stop_signal)},
            {"volumes", by(&RecipeParser::read_volumes)},
            {"ports", by(&RecipeParser::read_ports)}};
  }

  RecipeReader::Field list_into(std::optional<std::vector<std::string>>& to) {
    return [this, &to](const YamlNode& value, const std::string& field) -> Status {
      to = TRY(in_.texts(value, field));
      return {};
    };
  }
  RecipeReader::Field text_into(std::optional<std::string>& to) {
    return [this, &to](const YamlNode& value, const std::string& field) -> Status {
      to = TRY(in_.text(value, field));
      return {};
    };
  }
  void note_debian(const YamlNode& value, const std::string& field) {
    if (debian_only_ != nullptr) return;
    debian_only_ = &value;
    debian_field_ = field;
  }

  Status read_from(const YamlNode& value, const std::string& field) {
    recipe_.from = TRY(in_.text(value, field));
    bool is_source = recipe_.from == "debian" || recipe_.from == "nothing" || recipe_.from.starts_with("/") ||
                     recipe_.from.starts_with("./") || recipe_.from.starts_with("../");
    for (const char* kind : {"oci:", "docker-archive:", "docker://", "fl:"}) is_source |= recipe_.from.starts_with(kind);
    if (is_source) return {};
    return in_.wrong(value, field, "\"" + recipe_.from.substr(0, 100) +
                                       "\" (allowed: debian, nothing, oci:FOLDER[:TAG], docker-archive:FILE[:REFERENCE], "
                                       "docker://HOST/NAME[:TAG], fl:FILE, or a folder: /PATH or ./PATH)");
  }

  Status read_suite(const YamlNode& value, const std::string& field) {
    note_debian(value, field);
    recipe_.suite = TRY(in_.text(value, field));
    return is_suite_name(recipe_.suite) ? Status() : in_.wrong(value, field, "must be the name of a release: bookworm");
  }

  Status read_variant(const YamlNode& value, const std::string& field) {
    note_debian(value, field);
    recipe_.variant = TRY(in_.word(value, field, {"extract", "essential", "minbase"}));
    return {};
  }

  Status read_packages(const YamlNode& value, const std::string& field) {
    note_debian(value, field);
    recipe_.packages = TRY(in_.texts(value, field));
    for (size_t i = 0; i < recipe_.packages.size(); ++i) {
      if (is_package_name(recipe_.packages[i])) continue;
      return in_.wrong(value.items[i], field, "\"" + recipe_.packages[i].substr(0, 100) + "\" is no name of a package");
    }
    return {};
  }

  Status read_documentation(const YamlNode& value, const std::string& field) {
    note_debian(value, field);
    std::string word = TRY(in_.word(value, field, {"true", "false"}));
    recipe_.documentation = word == "true";
    return {};
  }

  Status read_time(const YamlNode& value, const std::string& field) {
    recipe_.time = static_cast<int64_t>(TRY(in_.number(value, field, UINT32_MAX)));
    return {};
  }

  Status read_removals(const YamlNode& value, const std::string& field) {
    if (value.kind != YamlNode::Kind::List) return in_.wrong(value, field, "must be a list of paths");
    for (const YamlNode& item : value.items) {
      Recipe::Removal removal;
      removal.path = TRY(in_.path(item, field));
      removal.line = item.place.line;
      if (removal.path.empty()) return in_.wrong(item, field, "the root cannot be removed");
      recipe_.removals.push_back(std::move(removal));
    }
    return {};
  }

  // Each entry of a map of paths.
  Status each_path(const YamlNode& value, const std::string& field,
                   const std::function<Status(const std::string& path, const YamlNode& value, const std::string& field)>& read) {
    if (value.kind != YamlNode::Kind::Map) return in_.wrong(value, field, "must be a map whose keys are paths");
    for (const auto& [key, what] : value.entries) {
      std::string path = TRY(in_.path(key, field));
      if (path.empty()) return in_.wrong(key, field, "the root is there already");
      TRY(read(path, what, field + "." + key.scalar));
    }
    return {};
  }

  Status read_folders(const YamlNode& value, const std::string& field) {
    return each_path(value, field, [this](const std::string& path, const YamlNode& what, const std::string& name) -> Status {
      Recipe::Folder folder{path, 0755, {}, what.place.line};
      if (what.kind != YamlNode::Kind::Null) {
        TRY(in_.map(what, name, {{"mode", mode_into(folder.mode)}, {"owner", owner_into(folder.owner)}}));
      }
      recipe_.folders.push_back(std::move(folder));
      return {};
    });
  }

  Status read_files(const YamlNode& value, const std::string& field) {
    return each_path(value, field, [this](const std::string& path, const YamlNode& what, const std::string& name) -> Status {
      Recipe::File file;
      file.path = path;
      file.line = what.place.line;
      if (what.kind == YamlNode::Kind::Scalar) {
        file.content = what.scalar;
        recipe_.files.push_back(std::move(file));
        return {};
      }
      std::optional<std::string> content, source;
      TRY(in_.map(what, name, {{"content", text_into(content)},
                               {"source", text_into(source)},
                               {"mode", mode_into(file.mode)},
                               {"owner", owner_into(file.owner)}}));
      if (content.has_value() == source.has_value()) {
        return in_.wrong(what, name, "must have either content or source");
      }
      if (source.has_value() && source->empty()) return in_.wrong(what, name, "source: must be the path of a file");
      file.content = content.value_or("");
      file.source = source.value_or("");
      recipe_.files.push_back(std::move(file));
      return {};
    });
  }

  Status read_links(const YamlNode& value, const std::string& field) {
    return each_path(value, field, [this](const std::string& path, const YamlNode& what, const std::string& name) -> Status {
      std::string target = TRY(in_.text(what, name));
      if (target.empty() || target.size() > image::kPathBytesMax) return in_.wrong(what, name, "must have 1 to 4095 bytes");
      recipe_.links.push_back({path, std::move(target), what.place.line});
      return {};
    });
  }

  Status read_environment(const YamlNode& value, const std::string& field) {
    if (value.kind != YamlNode::Kind::Map) return in_.wrong(value, field, "must be a map of variables");
    for (const auto& [key, what] : value.entries) {
      bool is_name = !key.scalar.empty() && key.scalar.find('=') == std::string::npos;
      if (!is_name) return in_.wrong(key, field, "\"" + key.scalar.substr(0, 100) + "\" is no name of a variable");
      std::string text = TRY(in_.text(what, field + "." + key.scalar));
      recipe_.environment.emplace_back(key.scalar, std::move(text));
    }
    return {};
  }

  Status read_working_folder(const YamlNode& value, const std::string& field) {
    recipe_.working_folder = "/" + TRY(in_.path(value, field));
    return {};
  }

  Status read_volumes(const YamlNode& value, const std::string& field) {
    if (value.kind != YamlNode::Kind::List) return in_.wrong(value, field, "must be a list of paths");
    for (const YamlNode& item : value.items) recipe_.volumes.push_back("/" + TRY(in_.path(item, field)));
    return {};
  }

  // 80, 80/tcp or 53/udp.
  Status read_ports(const YamlNode& value, const std::string& field) {
    for (const std::string& text : TRY(in_.texts(value, field))) {
      size_t slash = text.find('/');
      std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
      YamlNode number = value;
      number.kind = YamlNode::Kind::Scalar;
      number.scalar = text.substr(0, slash);
      Result<uint64_t> port = in_.number(number, field, 65'535);
      if (!port.has_value() || *port == 0 || (protocol != "tcp" && protocol != "udp")) {
        return in_.wrong(value, field, "\"" + text.substr(0, 100) + "\": must be 1 to 65535, with /tcp or /udp");
      }
      recipe_.ports.push_back(std::to_string(*port) + "/" + protocol);
    }
    return {};
  }

  template <typename Mode>  // uint16_t, or an optional one
  RecipeReader::Field mode_into(Mode& to) {
    return [this, &to](const YamlNode& value, const std::string& field) -> Status {
      to = TRY(in_.mode(value, field));
      return {};
    };
  }
  RecipeReader::Field owner_into(Recipe::Owner& to) {
    return [this, &to](const YamlNode& value, const std::string& field) -> Status {
      to = TRY(in_.owner(value, field));
      return {};
    };
  }

  RecipeReader in_;
  Recipe recipe_;
  const YamlNode* debian_only_ = nullptr;
  std::string debian_field_;
};

}  // namespace

bool Recipe::changes_config() const {
  return entrypoint.has_value() || command.has_value() || user.has_value() || working_folder.has_value() ||
         stop_signal.has_value() || !environment.empty() || !volumes.empty() || !ports.empty();
}

Result<Recipe> parse_recipe(std::string_view text, const std::string& name) {
  auto yaml = wire::parse_yaml(text);
  if (!yaml.has_value()) {
    return make_error(Code::Invalid, name + ":" + std::to_string(yaml.error().place.line) + ": " + yaml.error().message);
  }
  return RecipeParser(name).parse(*yaml);
}

}  // namespace mcloud::flist
