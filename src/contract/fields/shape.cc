#include "contract/fields/shape.h"

#include "base/units.h"

namespace mcloud::contract {
namespace {

using Type = Shape::Type;

Shape bounded(Type type, Bounds bounds) {
  Shape out;
  out.type = type;
  out.bounds = bounds;
  return out;
}

std::string bounds_text(const Shape& shape) {
  const std::string min = bound_text(shape.type, shape.bounds.min);
  if (shape.bounds.max == ~uint64_t{0}) return "at least " + min;
  return min + " to " + bound_text(shape.type, shape.bounds.max);
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

std::string keys_of(const std::vector<Field>& fields) {
  std::vector<std::string_view> keys;
  for (const Field& field : fields) keys.push_back(field.key);
  return joined(keys);
}

}  // namespace

Shape text(const Pattern& pattern) {
  Shape out;
  out.pattern = pattern;
  return out;
}
Shape number(Bounds bounds) { return bounded(Type::Number, bounds); }
Shape size(Bounds bounds) { return bounded(Type::Size, bounds); }
Shape duration(Bounds bounds) { return bounded(Type::Duration, bounds); }
Shape cpu(Bounds bounds) { return bounded(Type::Cpu, bounds); }
Shape flag() {
  Shape out;
  out.type = Type::Flag;
  out.words = {"true", "false"};
  return out;
}
Shape word(std::vector<std::string_view> words) {
  Shape out;
  out.type = Type::Word;
  out.words = std::move(words);
  return out;
}
Shape list(Bounds count, std::vector<Shape> of) {
  Shape out = bounded(Type::List, count);
  out.of = std::move(of);
  return out;
}
Shape map(std::vector<Field> fields) {
  Shape out;
  out.type = Type::Map;
  out.fields = std::move(fields);
  return out;
}
Shape names(size_t count_max, const Pattern& keys, std::vector<Shape> of) {
  Shape out = bounded(Type::Names, {0, count_max});
  out.pattern = keys;
  out.of = std::move(of);
  return out;
}
Field required(Field field) {
  field.required = true;
  return field;
}

std::string bound_text(Type type, uint64_t bound) {
  switch (type) {
    case Type::Size: return format_size(bound);
    case Type::Duration: return format_duration_ms(bound);
    case Type::Cpu: return format_cpu_milli(bound);
    default: return std::to_string(bound);
  }
}

std::string_view type_word(Type type) {
  switch (type) {
    case Type::Text: return "text";
    case Type::Number: return "number";
    case Type::Size: return "size";
    case Type::Duration: return "duration";
    case Type::Cpu: return "cpu";
    case Type::Flag: return "flag";
    case Type::Word: return "word";
    case Type::List: return "list";
    case Type::Map: return "map";
    case Type::Names: return "names";
  }
  return "";
}

std::string describe(const Shape& shape) {
  switch (shape.type) {
    case Type::Text: return std::string(shape.pattern.allowed);
    case Type::Number: return "a number, " + bounds_text(shape);
    case Type::Size: return "a size, " + bounds_text(shape);
    case Type::Duration: return "a duration, " + bounds_text(shape);
    case Type::Cpu: return "a share of a core, " + bounds_text(shape);
    case Type::Flag: return "true or false";
    case Type::Word: return "one of " + joined(shape.words);
    case Type::List: return "a list (" + bounds_text(shape) + "), each: " + describe(shape.of);
    case Type::Map: return "a map of " + keys_of(shape.fields);
    case Type::Names:
      return "a map (" + bounds_text(shape) + ") whose keys are " + std::string(shape.pattern.allowed) +
             "; each: " + describe(shape.of);
  }
  return "";
}

std::string describe(const std::vector<Shape>& forms) {
  std::string out;
  for (const Shape& shape : forms) out += (out.empty() ? "" : "; or ") + describe(shape);
  return out;
}

}  // namespace mcloud::contract
