// What the values of the contract language look like, as data: the parts of which the table (table.h) is made. The schema,
// `contract explain` and `contract format` are made from it; the parser is proven to know the same (table_test.cc).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contract/field_reader.h"

namespace mcloud::contract {

// What a text may look like.
struct Pattern {
  std::string_view regex;    // of the dialect that ECMAScript, Python and JSON Schema share; "" = anything
  std::string_view allowed;  // in words
  std::string_view example;
  const Rule* rule = nullptr;  // the parser's own, where it has one
};

struct Field;

// One form that a value may have. Which members mean something follows from `type`.
struct Shape {
  enum class Type { Text, Number, Size, Duration, Cpu, Flag, Word, List, Map, Names };
  Type type = Type::Text;
  Bounds bounds;                        // Number to Cpu: of the value; List, Names: of how many
  Pattern pattern;                      // Text: itself; Names: its keys
  std::vector<std::string_view> words;  // Word
  std::vector<Field> fields;            // Map: every key that is known
  std::vector<Shape> of;                // List, Names: the forms of each value
};

// A key of a map.
struct Field {
  std::string_view key;
  std::string_view says;      // one plain sentence
  std::vector<Shape> forms = {};  // any of these
  std::string_view fallback = {};  // what stands there when the key is left out, as it would be written; "" = nothing, or
  std::string_view otherwise = {}; // in words what follows from the rest
  bool required = false;
};

// Makers, so that the table reads as one.
Shape text(const Pattern& pattern);
Shape number(Bounds bounds);
Shape size(Bounds bounds);
Shape duration(Bounds bounds);
Shape cpu(Bounds bounds);
Shape flag();
Shape word(std::vector<std::string_view> words);
Shape list(Bounds count, std::vector<Shape> of);
Shape map(std::vector<Field> fields);
Shape names(size_t count_max, const Pattern& keys, std::vector<Shape> of);
Field required(Field field);

template <typename E, size_t n>
Shape word(const std::array<Word<E>, n>& words) {
  std::vector<std::string_view> out;
  for (const Word<E>& one : words) out.push_back(one.word);
  return word(std::move(out));
}

// "a size from 1MiB to 256TiB", "one of prefer, require, pack", "a list of ...": for people.
std::string describe(const Shape& shape);
std::string describe(const std::vector<Shape>& forms);
// "size", "list", ...
std::string_view type_word(Shape::Type type);
// A bound as it is written: "6MiB", "10ms", "0.5". Only of Number to Cpu, List and Names.
std::string bound_text(Shape::Type type, uint64_t bound);

}  // namespace mcloud::contract
