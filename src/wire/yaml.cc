#include "wire/yaml.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <memory>
#include <set>
#include <sstream>

#include "wire/utf8.h"

namespace mcloud::wire {
namespace {

// Leaves yaml-cpp's parser from within an event; caught in parse_yaml().
struct Refused {
  YamlError error;
};

YamlPlace place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

[[noreturn]] void refuse(const YAML::Mark& mark, std::string message) {
  throw Refused{{place_of(mark), std::move(message)}};
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node = make(YamlNode::Kind::Null, mark, anchor);
    if (expects_key()) refuse(mark, "a key is missing or null");
    add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases (*name) are not allowed: write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = make(YamlNode::Kind::Scalar, mark, anchor);
    node.scalar = value;
    node.quoted = is_text(mark, tag);
    if (!expects_key()) return add(std::move(node));
    Frame& frame = frames_.back();
    if (!frame.keys.insert(value).second) {
      refuse(mark, "the key \"" + value.substr(0, 100) + "\" stands twice in this map");
    }
    frame.key = std::make_unique<YamlNode>(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::List, mark, tag, anchor, "tag:yaml.org,2002:seq");
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Map, mark, tag, anchor, "tag:yaml.org,2002:map");
  }
  void OnMapEnd() override { close(); }

  YamlNode take() { return std::move(root_); }

 private:
  // A list or a map that is not complete yet.
  struct Frame {
    YamlNode node;
    std::unique_ptr<YamlNode> key;  // the key whose value comes next
    std::set<std::string> keys;
  };

  bool expects_key() const {
    return !frames_.empty() && frames_.back().node.kind == YamlNode::Kind::Map && frames_.back().key == nullptr;
  }

  YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor)
      refuse(mark, "anchors (&name) are not allowed: write the value out where it is used");
    if (++nodes_ > limits_.nodes_max) {
      refuse(mark, "more than " + std::to_string(limits_.nodes_max) + " keys and values");
    }
    YamlNode node;
    node.kind = kind;
    node.place = place_of(mark);
    return node;
  }

  // Quoted scalars carry the tag "!", plain ones "?".
  static bool is_text(const YAML::Mark& mark, const std::string& tag) {
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return true;
    if (tag == "?" || tag.empty()) return false;
    for (const char* allowed : {"int", "float", "bool"}) {
      if (tag == std::string("tag:yaml.org,2002:") + allowed) return false;
    }
    refuse(mark, "the tag \"" + tag.substr(0, 100) + "\" is not allowed; allowed: !!str, !!int, !!float, !!bool");
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            std::string_view core_tag) {
    if (tag != "?" && tag != "!" && !tag.empty() && tag != core_tag) {
      refuse(mark, "the tag \"" + tag.substr(0, 100) + "\" is not allowed");
    }
    if (expects_key()) refuse(mark, "a list or a map cannot be a key");
    if (static_cast<int>(frames_.size()) >= limits_.depth_max) {
      refuse(mark, "nested deeper than " + std::to_string(limits_.depth_max) + " levels");
    }
    Frame frame;
    frame.node = make(kind, mark, anchor);
    frames_.push_back(std::move(frame));
  }

  void close() {
    YamlNode node = std::move(frames_.back().node);
    frames_.pop_back();
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& parent = frames_.back();
    if (parent.node.kind == YamlNode::Kind::List) {
      parent.node.items.push_back(std::move(node));
    } else {
      parent.node.entries.emplace_back(std::move(*parent.key), std::move(node));
      parent.key.reset();
    }
  }

  const YamlLimits& limits_;
  size_t nodes_ = 0;
  std::vector<Frame> frames_;
  YamlNode root_;
};

YamlPlace place_at(std::string_view text, size_t offset) {
  YamlPlace place;
  for (char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((c & 0xc0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

YamlNode parse_document(std::string_view text, const YamlLimits& limits) {
  std::istringstream input{std::string(text)};
  YAML::Parser parser(input);
  TreeBuilder builder(limits);
  parser.HandleNextDocument(builder);
  TreeBuilder second(limits);
  if (!parser.HandleNextDocument(second)) return builder.take();
  YAML::Mark start;
  YamlPlace place = second.take().place;
  start.line = place.line - 1;
  start.column = place.column - 1;
  refuse(start, "a second document begins here; one file holds one");
}

}  // namespace

YamlNode::YamlNode() = default;
YamlNode::~YamlNode() = default;
YamlNode::YamlNode(const YamlNode&) = default;
YamlNode::YamlNode(YamlNode&&) noexcept = default;
YamlNode& YamlNode::operator=(const YamlNode&) = default;
YamlNode& YamlNode::operator=(YamlNode&&) noexcept = default;

std::expected<YamlNode, YamlError> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return std::unexpected(YamlError{
        {},
        std::to_string(text.size()) + " bytes of YAML; at most " + std::to_string(limits.bytes_max) + " are allowed"});
  }
  if (std::optional<size_t> bad = find_bad_text(text)) {
    return std::unexpected(YamlError{place_at(text, *bad), "a control character or a byte that is not UTF-8"});
  }
  try {
    return parse_document(text, limits);
  } catch (Refused& refused) {
    return std::unexpected(std::move(refused.error));
  } catch (const YAML::Exception& error) {
    return std::unexpected(YamlError{place_of(error.mark), error.msg});
  } catch (const std::exception& error) {
    return std::unexpected(YamlError{{}, std::string("cannot be read: ") + error.what()});
  }
}

}  // namespace mcloud::wire
