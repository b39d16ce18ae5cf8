#include <algorithm>

#include "contract/format/leaf.h"

namespace mcloud::contract {
namespace {

using Kind = wire::YamlNode::Kind;

constexpr size_t kWidth = 100;
constexpr std::string_view kBesides = "  ";

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_plain(std::string_view text, bool in_flow) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  const bool has_control = std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (has_control || text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) return false;
  if (in_flow && text.find_first_of(",[]{}:?") != std::string_view::npos) return false;
  const char first = text.front();
  if (first == '-') return text.size() > 1 && is_alnum(text[1]);
  return is_alnum(first) || static_cast<unsigned char>(first) >= 0x80 || std::string_view("/._$+(<=~").find(first) != std::string_view::npos;
}

std::string in_quotes(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string scalar_text(std::string_view text, bool quoted, bool in_flow) {
  const bool must_quote = !is_plain(text, in_flow) || (quoted && is_ambiguous(text));
  return must_quote ? in_quotes(text) : std::string(text);
}

std::string key_text(const Leaf& leaf, bool in_flow) { return scalar_text(leaf.key.scalar, false, in_flow) + ":"; }

// On one line, whatever its length.
std::string flow_text(const Leaf& leaf) {
  if (leaf.kind == Kind::Null) return "null";
  if (leaf.kind == Kind::Scalar) return scalar_text(leaf.scalar, leaf.quoted, true);
  std::string out;
  for (const Leaf& kid : leaf.kids) {
    out += out.empty() ? "" : ", ";
    if (kid.is_entry) out += key_text(kid, true) + " ";
    out += flow_text(kid);
  }
  return leaf.kind == Kind::List ? "[" + out + "]" : "{" + out + "}";
}

bool has_lines(const Leaf& leaf) { return leaf.kind == Kind::Scalar && leaf.scalar.find('\n') != std::string::npos; }

bool needs_block(const Leaf& leaf) {
  if (leaf.always_block) return true;
  return std::ranges::any_of(leaf.kids, [](const Leaf& kid) {
    return !kid.above.empty() || !kid.beside.empty() || has_lines(kid) || needs_block(kid);
  });
}

// As a block of lines: one that begins and ends with letters, so that nothing is left to rules.
bool is_literal(const Leaf& leaf) {
  const std::string& text = leaf.scalar;
  if (!has_lines(leaf) || text.front() == ' ' || text.front() == '\n' || text.front() == '\t' || text.ends_with("\n\n")) return false;
  return std::ranges::none_of(text, [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; });
}

std::string literal_text(const std::string& text, size_t indent) {
  std::string out = text.ends_with('\n') ? "|" : "|-";
  std::string_view rest = text;
  if (rest.ends_with('\n')) rest.remove_suffix(1);
  while (true) {
    size_t end = std::min(rest.find('\n'), rest.size());
    out += "\n";
    if (end > 0) out += std::string(indent, ' ') + std::string(rest.substr(0, end));
    if (end == rest.size()) return out;
    rest.remove_prefix(end + 1);
  }
}

void emit_kids(Leaf& parent, size_t indent, std::string& out);

void emit_comments(const std::vector<std::string>& comments, size_t indent, std::string& out) {
  for (const std::string& comment : comments) out += (comment.empty() ? "" : std::string(indent, ' ') + comment) + "\n";
}

// The comments of an item's first entry are those of the item: they stand on the same line.
void lift_comments(Leaf& item) {
  if (item.is_entry || item.kids.empty()) return;
  Leaf& first = item.kids.front();
  item.above.insert(item.above.end(), first.above.begin(), first.above.end());
  first.above.clear();
  if (item.beside.empty()) return;
  if (!first.beside.empty()) item.above.push_back(item.beside);
  if (first.beside.empty()) first.beside = item.beside;
  item.beside.clear();
}

void emit_block(Leaf& leaf, size_t indent, const std::string& front, std::string& out) {
  const std::string beside = leaf.beside.empty() ? "" : std::string(kBesides) + leaf.beside;
  if (leaf.is_entry) {
    out += front + beside + "\n";
    return emit_kids(leaf, indent + 2, out);
  }
  std::string kids;
  emit_kids(leaf, indent + 2, kids);
  out += front + " " + kids.substr(indent + 2);
}

void emit_leaf(Leaf& leaf, size_t indent, std::string& out) {
  const bool is_block = !leaf.kids.empty() && needs_block(leaf);
  const std::string front = std::string(indent, ' ') + (leaf.is_entry ? key_text(leaf, false) : "-");
  std::string flow = leaf.kind == Kind::Scalar ? scalar_text(leaf.scalar, leaf.quoted, false) : flow_text(leaf);
  const bool as_block = is_block || (!leaf.kids.empty() && front.size() + 1 + flow.size() > kWidth);
  if (as_block) lift_comments(leaf);
  emit_comments(leaf.above, indent, out);
  if (as_block) return emit_block(leaf, indent, front, out);
  const std::string beside = leaf.beside.empty() ? "" : std::string(kBesides) + leaf.beside;
  if (!is_literal(leaf)) {
    out += front + " " + flow + beside + "\n";
    return;
  }
  flow = literal_text(leaf.scalar, indent + 2);
  const size_t first = flow.find('\n');
  out += front + " " + flow.substr(0, first) + beside + flow.substr(first) + "\n";
}

void emit_kids(Leaf& parent, size_t indent, std::string& out) {
  bool is_first = true;
  for (Leaf& kid : parent.kids) {
    if (kid.after_blank && !is_first) out += "\n";
    emit_leaf(kid, indent, out);
    is_first = false;
  }
}

bool is_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && (text[0] == '.' || (text[0] >= '0' && text[0] <= '9')) &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '+' || c == ':' || c == '_'; });
}

}  // namespace

bool is_ambiguous(std::string_view text) {
  std::string lower;
  for (char c : text) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (std::string_view word : {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", ""}) {
    if (lower == word) return true;
  }
  return is_number(text) || lower == ".inf" || lower == ".nan";
}

std::string emit(Document document) {
  std::string out;
  emit_comments(document.head, 0, out);
  emit_kids(document.root, 0, out);
  if (!document.foot.empty() && !out.empty()) out += "\n";
  emit_comments(document.foot, 0, out);
  return out;
}

bool is_same(const Leaf& leaf, const wire::YamlNode& node) {
  if (leaf.kind != node.kind) return false;
  if (leaf.kind == Kind::Scalar) return leaf.scalar == node.scalar && (leaf.quoted == node.quoted || !is_ambiguous(node.scalar));
  const bool is_map = leaf.kind == Kind::Map;
  if (leaf.kids.size() != (is_map ? node.entries.size() : node.items.size())) return false;
  for (size_t i = 0; i < leaf.kids.size(); ++i) {
    if (is_map && leaf.kids[i].key.scalar != node.entries[i].first.scalar) return false;
    if (!is_same(leaf.kids[i], is_map ? node.entries[i].second : node.items[i])) return false;
  }
  return true;
}

}  // namespace mcloud::contract
