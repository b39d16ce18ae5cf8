#include "contract/printed.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <array>

#include "base/units.h"
#include "contract/kinds/allow.h"
#include "contract/syntax.h"
#include "mcloud/contract.pb.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

namespace protobuf = google::protobuf;
using Type = protobuf::FieldDescriptor;

constexpr size_t kTextBytesMax = 120;

std::string enum_word(const protobuf::EnumValueDescriptor& value) {
  // Every enum begins with PREFIX_UNSET; the others share at least the first word of the prefix.
  constexpr std::string_view kUnset = "UNSET";
  std::string_view prefix = value.type()->value(0)->name();
  prefix.remove_suffix(kUnset.size());
  while (!value.name().starts_with(prefix)) prefix = prefix.substr(0, prefix.find_last_of('_', prefix.size() - 2) + 1);
  std::string word = value.name().substr(prefix.size());
  for (char& c : word) c = c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return word;
}

std::string octal(uint64_t mode) {
  std::string out;
  for (int shift = 9; shift >= 0; shift -= 3) out += static_cast<char>('0' + (mode >> shift & 7));
  return out;
}

std::string number_text(const std::string& field, uint64_t number) {
  if (field.ends_with("_s")) return format_duration_ms(number * 1000);
  if (field.ends_with("_ms")) return format_duration_ms(number);
  if (field.ends_with("_bytes")) return format_size(number);
  if (field == "cpu_milli") return format_cpu_milli(number);
  if (field == "mode") return octal(number);
  return std::to_string(number);
}

// Value `index` of a repeated field, or the only one when it is -1. Not for messages.
std::string value_text(const protobuf::Message& message, const Type& field, int index) {
  const protobuf::Reflection& reflection = *message.GetReflection();
  bool one = index < 0;
  switch (field.cpp_type()) {
    case Type::CPPTYPE_BOOL:
      return (one ? reflection.GetBool(message, &field) : reflection.GetRepeatedBool(message, &field, index)) ? "true"
                                                                                                             : "false";
    case Type::CPPTYPE_UINT32:
      return number_text(field.name(), one ? reflection.GetUInt32(message, &field)
                                           : reflection.GetRepeatedUInt32(message, &field, index));
    case Type::CPPTYPE_UINT64:
      return number_text(field.name(), one ? reflection.GetUInt64(message, &field)
                                           : reflection.GetRepeatedUInt64(message, &field, index));
    case Type::CPPTYPE_ENUM:
      return enum_word(one ? *reflection.GetEnum(message, &field)
                           : *reflection.GetRepeatedEnum(message, &field, index));
    case Type::CPPTYPE_STRING: {
      std::string text = one ? reflection.GetString(message, &field)
                             : reflection.GetRepeatedString(message, &field, index);
      return field.type() == Type::TYPE_BYTES ? to_hex(BytesView(text).substr(0, 4)) : shortened(text, kTextBytesMax);
    }
    default:
      return "?";
  }
}

std::string list_text(const protobuf::Message& message, const Type& field) {
  std::string out;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    out += (i == 0 ? "" : ", ") + value_text(message, field, i);
  }
  return "[" + out + "]";
}

bool is_secret(const protobuf::Message& message) { return message.GetDescriptor() == pb::Secret::descriptor(); }

std::string messages_text(const protobuf::Message& message, const Type& field);

// A whole message in one line: "{when always, backoff 200ms}"; the value alone when there is only one.
std::string message_text(const protobuf::Message& message, bool without_first) {
  if (is_secret(message)) return "(secret)";
  if (without_first && message.GetDescriptor() == pb::Allow::descriptor()) return "allowed";  // its name says the rest
  std::vector<const Type*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::vector<std::string> parts;
  std::string only;
  for (const Type* field : fields) {
    if (without_first && field->number() == 1) continue;
    bool nested = field->cpp_type() == Type::CPPTYPE_MESSAGE;
    only = nested && field->is_repeated() ? messages_text(message, *field)
           : nested                 ? message_text(message.GetReflection()->GetMessage(message, field), false)
           : field->is_repeated() ? list_text(message, *field)
                                  : value_text(message, *field, -1);
    parts.push_back(PrintedField{field->name(), "", ""}.label() + " " + only);
  }
  if (parts.size() == 1) return only;
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return "{" + out + "}";
}

std::string messages_text(const protobuf::Message& message, const Type& field) {
  std::string out;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    out += (i == 0 ? "" : ", ") + message_text(message.GetReflection()->GetRepeatedMessage(message, &field, i), false);
  }
  return "[" + out + "]";
}

// What an item is called: its first field; a rule is all that it says.
std::string item_name(const protobuf::Message& item) {
  if (item.GetDescriptor() == pb::Allow::descriptor()) return allow_text(static_cast<const pb::Allow&>(item));
  return value_text(item, *item.GetDescriptor()->FindFieldByNumber(1), -1);
}

void print_items(const protobuf::Message& message, const Type& field, const std::string& path,
                 std::vector<PrintedField>& out) {
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    const protobuf::Message& item = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    out.push_back({path + "." + item_name(item), message_text(item, true), wire::encode(item)});
  }
}

void print_into(const protobuf::Message& message, const std::string& prefix, std::vector<PrintedField>& out) {
  std::vector<const Type*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const Type* field : fields) {
    std::string path = prefix + field->name();
    if (field->cpp_type() != Type::CPPTYPE_MESSAGE) {
      std::string text = field->is_repeated() ? list_text(message, *field) : value_text(message, *field, -1);
      // Whole, where the text is cut short.
      const protobuf::Reflection& reflection = *message.GetReflection();
      Bytes content = text;
      if (field->cpp_type() == Type::CPPTYPE_STRING) {
        content.clear();
        int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
        for (int i = 0; i < count; ++i) {
          std::string part = field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                  : reflection.GetString(message, field);
          content += std::to_string(part.size()) + ":" + part;
        }
      }
      out.push_back({std::move(path), std::move(text), std::move(content)});
    } else if (field->is_repeated()) {
      print_items(message, *field, path, out);
    } else {
      print_into(message.GetReflection()->GetMessage(message, field), path + ".", out);
    }
  }
}

}  // namespace

std::string PrintedField::label() const {
  std::string out = path;
  if (out.starts_with("demand.")) out.replace(0, 6, "resources");
  for (std::string_view unit : {"_ms", "_bytes", "_milli", "_s"}) {
    if (out.ends_with(unit)) return out.substr(0, out.size() - unit.size());
  }
  return out;
}

std::vector<PrintedField> print_fields(const google::protobuf::Message& message) {
  std::vector<PrintedField> out;
  print_into(message, "", out);
  return out;
}

}  // namespace mcloud::contract
