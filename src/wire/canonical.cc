#include "wire/canonical.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>

#include "base/check.h"

namespace mcloud::wire {
namespace {

constexpr int kDepthMax = 32;

Error refused(std::string_view what, std::string_view why) {
  return make_error(Code::Invalid, std::string(what) + ": " + std::string(why));
}

// Protobuf writes to standard error what is wrong with bytes from outside; our errors say it instead.
void silence_protobuf() {
  static const bool done = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(done);
}

bool parse(google::protobuf::MessageLite& message, BytesView bytes) {
  silence_protobuf();
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kDepthMax);
  return message.ParseFromCodedStream(&input) && input.ConsumedEntireMessage();
}

}  // namespace

Bytes encode(const google::protobuf::MessageLite& message) {
  Bytes out;
  out.reserve(message.ByteSizeLong());
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    CHECK(message.SerializeToCodedStream(&coded));
  }
  return out;
}

Status decode_into(google::protobuf::MessageLite& message, BytesView bytes, std::string_view what, size_t bytes_max) {
  if (bytes.size() > bytes_max || bytes.size() > INT32_MAX) {
    return refused(what,
                   std::to_string(bytes.size()) + " bytes, at most " + std::to_string(bytes_max) + " are allowed");
  }
  if (!parse(message, bytes)) return refused(what, "not a well-formed message");
  // Unknown fields would be written again just as they came, so they go before the comparison. Only the
  // full runtime can find them in the messages within.
  auto* full = dynamic_cast<google::protobuf::Message*>(&message);
  CHECK(full != nullptr);
  full->DiscardUnknownFields();
  if (encode(message) != bytes) {
    return refused(what, "not the canonical encoding (unknown or repeated fields, defaults or another order)");
  }
  return {};
}

}  // namespace mcloud::wire
