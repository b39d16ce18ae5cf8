// Protobuf as a canonical encoding: bytes are accepted only when they are exactly what we would write.
// That refuses unknown fields, repeated scalars, default values spelled out and odd field orders, so
// equal messages have equal hashes.
#pragma once

#include <string>

#include "base/bytes.h"

namespace google::protobuf {
class MessageLite;
}

namespace mcloud::wire {

// Deterministic serialization (no maps are used in our messages).
Bytes encode(const google::protobuf::MessageLite& message);

// Invalid, naming `what`, unless `bytes` is at most `bytes_max` long and canonical.
Status decode_into(google::protobuf::MessageLite& message, BytesView bytes, std::string_view what,
                   size_t bytes_max = 4 << 20);

template <typename Message>
Result<Message> decode(BytesView bytes, std::string_view what, size_t bytes_max = 4 << 20) {
  Message message;
  TRY(decode_into(message, bytes, what, bytes_max));
  return message;
}

}  // namespace mcloud::wire
