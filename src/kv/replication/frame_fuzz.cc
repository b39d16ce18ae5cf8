// Any bytes as a replication stream, in both directions, and as what a follower begins with: nothing is read beyond
// them, and what is accepted is written and read the same.
//
// A corpus: one file per frame of frame_test.cc. The first byte chooses what the rest is; frames get right sizes and
// checks, so that their insides are met too.
#include <cstdlib>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"
#include "kv/meta.h"
#include "kv/replication/frame.h"
#include "kv/replication/role.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

// All that a reader takes, written again.
Bytes read_all(BytesView bytes, size_t step) {
  FrameReader reader;
  Bytes again;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.feed(bytes.substr(at, step));
    while (true) {
      auto frame = reader.next();
      if (!frame.has_value()) return again;
      if (!*frame) break;
      append_frame(again, **frame);
    }
  }
  return again;
}

void as_frames(BytesView bytes) {
  Bytes once = read_all(bytes, bytes.size() + 1);
  if (once != read_all(bytes, 3)) std::abort();
  if (once != read_all(once, once.size() + 1)) std::abort();
}

void as_acks(Bytes bytes) {
  auto ack = take_acks(bytes);
  if (ack.has_value() && bytes.size() >= kAckBytes) std::abort();
  if (ack.has_value() && *ack && (*ack)->durable > (*ack)->received) std::abort();
}

void as_request(BytesView text) {
  std::vector<std::string_view> words;
  for (size_t end = text.find('\n'); end != BytesView::npos; end = text.find('\n')) {
    words.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  words.push_back(text);
  auto request = parse_stream_request(words);
  if (!request.has_value()) return;
  std::vector<std::string> again = words_of(*request);
  if (words_of(parse_stream_request({again.begin(), again.end()}).value()) != again) std::abort();
}

void as_files(BytesView text) {
  Bytes check;
  append(check, crc32c(text));
  Bytes whole = Bytes(text) + "check " + to_hex(check) + "\n";
  if (auto role = parse_role(whole); role.has_value() && encode_role(*role) != whole) std::abort();
  if (auto term = parse_term(whole); term.has_value() && encode_term(*term) != whole) std::abort();
  if (auto lineage = parse_lineage(text); lineage.has_value() && text_of(*lineage) != text) std::abort();
  if (auto settings = parse_settings(text); settings.has_value()) {
    Bytes written = encode_settings(*settings);
    if (encode_settings(parse_settings(written).value()) != written) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  BytesView rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0: as_frames(rest); break;
    case 1: {
      Bytes frame;
      append(frame, static_cast<uint32_t>(rest.size()));
      frame += rest;
      append(frame, crc32c(rest));
      as_frames(frame);
      break;
    }
    case 2: as_acks(Bytes(rest)); break;
    case 3: as_request(rest); break;
    default: as_files(rest); break;
  }
  return 0;
}
