#include <algorithm>
#include <map>

#include "contract/format/leaf.h"

namespace mcloud::contract {
namespace {

using wire::YamlNode;
using Kind = YamlNode::Kind;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == std::string_view::npos; }

// Where scalars begin: line to columns (from 0).
using Starts = std::map<int, std::vector<size_t>>;

void collect(const YamlNode& node, Starts& starts, std::map<int, bool>& lines) {
  lines[node.place.line] = true;
  if (node.kind == Kind::Scalar) starts[node.place.line].push_back(static_cast<size_t>(node.place.column) - 1);
  for (const YamlNode& item : node.items) collect(item, starts, lines);
  for (const auto& [key, value] : node.entries) {
    collect(key, starts, lines);
    collect(value, starts, lines);
  }
}

class Finder {
 public:
  Finder(std::string_view text, const YamlNode& tree) : lines_(lines_of(text)) { collect(tree, starts_, node_lines_); }

  Result<std::vector<Comment>> run() {
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (quote_ == 0 && lines_[i].starts_with('%')) return refuse(i, "a directive cannot be kept");
      TRY(scan(i));
      if (block_ > 0) {
        i = skip_block(i);
        block_ = 0;
      }
    }
    return std::move(found_);
  }

 private:
  static Error refuse(size_t line, const std::string& why) {
    return make_error(Code::Invalid, std::to_string(line + 1) + ":1: " + why + "; nothing was changed");
  }

  bool is_start(size_t line, size_t column) const {
    auto at = starts_.find(static_cast<int>(line) + 1);
    return at != starts_.end() && std::ranges::find(at->second, column) != at->second.end();
  }

  Status scan(size_t number) {
    std::string_view line = lines_[number];
    for (size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      if (quote_ != 0) {
        if (quote_ == '"' && c == '\\') {
          ++i;
        } else if (c == quote_ && quote_ == '\'' && i + 1 < line.size() && line[i + 1] == '\'') {
          ++i;
        } else if (c == quote_) {
          quote_ = 0;
        }
      } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
        add(number, i);
        return {};
      } else if (is_start(number, i)) {
        if (c == '!' || c == '&') return refuse(number, "a tag cannot be kept");
        if (c == '"' || c == '\'') quote_ = c;
        if (c != '|' && c != '>') continue;
        if (line.substr(i + 1, 2).find_first_of("123456789") != std::string_view::npos) return refuse(number, "an indentation mark cannot be kept");
        block_ = 1;
      }
    }
    return {};
  }

  void add(size_t number, size_t at) {
    std::string_view line = lines_[number];
    Comment comment;
    comment.line = static_cast<int>(number) + 1;
    comment.text = line.substr(at, line.find_last_not_of(" \t") + 1 - at);
    comment.alone = is_blank(line.substr(0, at));
    comment.after_blank = number > 0 && is_blank(lines_[number - 1]);
    found_.push_back(std::move(comment));
  }

  // The last line of the block scalar that begins on line `number`: what is indented as its first line, before the next node.
  size_t skip_block(size_t number) const {
    auto next = node_lines_.upper_bound(static_cast<int>(number) + 1);
    const size_t end = next == node_lines_.end() ? lines_.size() : static_cast<size_t>(next->first) - 1;
    size_t indent = std::string_view::npos, last = number;
    for (size_t i = number + 1; i < end; ++i) {
      if (is_blank(lines_[i])) continue;
      const size_t here = lines_[i].find_first_not_of(' ');
      if (indent == std::string_view::npos) indent = here;
      if (here < indent || here == 0) break;
      last = i;
    }
    return last;
  }

  std::vector<std::string_view> lines_;
  Starts starts_;
  std::map<int, bool> node_lines_;
  std::vector<Comment> found_;
  char quote_ = 0;
  int block_ = 0;
};

Leaf make(const YamlNode& node) {
  Leaf out;
  out.kind = node.kind;
  out.scalar = node.scalar;
  out.quoted = node.quoted;
  out.line = node.place.line;
  for (const YamlNode& item : node.items) out.kids.push_back(make(item));
  for (const auto& [key, value] : node.entries) {
    Leaf& kid = out.kids.emplace_back(make(value));
    kid.key = key;
    kid.is_entry = true;
    kid.line = key.place.line;
  }
  return out;
}

void flatten(Leaf& leaf, std::vector<Leaf*>& out) {
  for (Leaf& kid : leaf.kids) {
    out.push_back(&kid);
    flatten(kid, out);
  }
}

void push(std::vector<std::string>& list, const Comment& comment) {
  if (comment.after_blank && !list.empty()) list.emplace_back();
  list.push_back(comment.text);
}

}  // namespace

Result<std::vector<Comment>> find_comments(std::string_view text, const YamlNode& tree) { return Finder(text, tree).run(); }

Document attach(const YamlNode& tree, std::vector<Comment> comments, std::string_view text) {
  Document out;
  out.root = make(tree);
  std::vector<Leaf*> all;
  flatten(out.root, all);
  const std::vector<std::string_view> lines = lines_of(text);
  auto blank_before = [&](int line) { return line >= 2 && is_blank(lines[static_cast<size_t>(line) - 2]); };
  for (Leaf* leaf : all) leaf->after_blank = blank_before(leaf->line);
  for (const Comment& comment : comments) {
    auto here = std::ranges::find_if(all, [&](Leaf* leaf) { return leaf->line == comment.line; });
    auto next = std::ranges::find_if(all, [&](Leaf* leaf) { return leaf->line > comment.line; });
    if (!comment.alone && here != all.end()) {
      (*here)->beside = comment.text;
    } else if (next == all.end()) {
      push(out.foot, comment);
    } else if (next == all.begin()) {
      push(out.head, comment);
    } else {
      Leaf& leaf = **next;
      if (leaf.above.empty()) leaf.after_blank = comment.after_blank;
      push(leaf.above, comment);
    }
  }
  if (!all.empty() && !out.head.empty() && blank_before(all.front()->line)) out.head.emplace_back();
  for (Leaf* leaf : all) {
    if (!leaf->above.empty() && blank_before(leaf->line)) leaf->above.emplace_back();
  }
  return out;
}

}  // namespace mcloud::contract
