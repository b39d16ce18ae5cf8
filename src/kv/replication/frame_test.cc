#include "kv/replication/frame.h"

#include <doctest/doctest.h>

#include "kv/meta.h"
#include "kv/replication/role.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

std::vector<Frame> some_frames() {
  HelloFrame hello{.term = 5,
                   .log_id = Bytes(kLogIdBytes, 'i'),
                   .first = 8,
                   .baseline = {1, 2, 3},
                   .common = 16,
                   .complete_at = 24,
                   .epoch = 4,
                   .lineage = {{1, 1, 7, 0}, {5, 1, 8, 16}},
                   .settings = {.bytes_max = 9, .password = "secret"}};
  LogChunk chunk{.position = 16, .segment = 8, .bytes = Bytes(24, 'd')};
  LogChunk damaged = chunk;
  damaged.is_damaged = true;
  return {hello,
          DataFrame{chunk},
          DataFrame{damaged},
          FrontFrame{16, {4, 5, 6}},
          SettingsFrame{{.mode = KeyMode::Sequence}, 7},
          LineageFrame{{{1, 1, 7, 0}}},
          PulseFrame{24, 16, 1'700'000'000'000, true}};
}

Bytes encoded(const Frame& frame) {
  Bytes bytes;
  append_frame(bytes, frame);
  return bytes;
}

}  // namespace

TEST_CASE("every frame is read as it was written, however its bytes come") {
  Bytes stream;
  for (const Frame& frame : some_frames()) append_frame(stream, frame);
  for (size_t step : {stream.size(), size_t{1}, size_t{7}}) {
    FrameReader reader;
    Bytes again;
    for (size_t at = 0; at < stream.size(); at += step) {
      reader.feed(BytesView(stream).substr(at, step));
      while (auto frame = reader.next().value()) append_frame(again, *frame);
    }
    CHECK(again == stream);
  }
}

TEST_CASE("a frame with one changed byte is refused or asks for more, and is never another frame") {
  for (const Frame& frame : some_frames()) {
    Bytes bytes = encoded(frame);
    for (size_t at = 0; at < bytes.size(); ++at) {
      Bytes changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 4);
      FrameReader reader;
      reader.feed(changed);
      auto read = reader.next();
      CHECK((!read.has_value() || !*read));
    }
  }
}

TEST_CASE("frames out of bounds are refused") {
  auto refused = [](const Frame& frame) {
    FrameReader reader;
    reader.feed(encoded(frame));
    auto read = reader.next();
    return !read.has_value() && read.error().code == Code::Corrupt;
  };
  CHECK(refused(DataFrame{{.position = 16, .segment = 24, .bytes = Bytes(8, 'd')}}));
  CHECK(refused(DataFrame{{.position = 16, .segment = 8, .bytes = Bytes(9, 'd')}}));
  CHECK(refused(DataFrame{{.position = 16, .segment = 8}}));
  CHECK(refused(FrontFrame{.first = 3}));
  CHECK(refused(HelloFrame{.log_id = Bytes(kLogIdBytes, 'i'), .first = 16, .complete_at = 8}));
  FrameReader huge;
  huge.feed(Bytes("\xff\xff\xff\xff", 4));
  CHECK_FALSE(huge.next().has_value());
}

TEST_CASE("the last of several acks counts, and what is none is refused") {
  Bytes bytes;
  append_ack(bytes, {8, 16});
  append_ack(bytes, {16, 24});
  bytes += Bytes("\x10\0\0", 3);
  CHECK_EQ(take_acks(bytes).value(), Ack{16, 24});
  CHECK_EQ(bytes.size(), 3);
  Bytes wrong;
  append_ack(wrong, {24, 16});
  CHECK_FALSE(take_acks(wrong).has_value());
  Bytes other = "GET k\r\n";
  CHECK_FALSE(take_acks(other).has_value());
}

TEST_CASE("what a follower begins with is read as it was written") {
  StreamRequest request{.name = "a space",
                        .member = "1.2",
                        .promised = 9,
                        .log_id = Bytes(kLogIdBytes, '\x01'),
                        .end = 64,
                        .lineage = {{1, 1, 1, 0}}};
  std::vector<std::string> words = words_of(request);
  std::vector<std::string_view> views(words.begin(), words.end());
  CHECK_EQ(words_of(parse_stream_request(views).value()), words);
  for (size_t i = 1; i < views.size(); ++i) {
    if (i == 2) continue;
    std::vector<std::string_view> wrong = views;
    wrong[i] = "no number!";
    CHECK_FALSE(parse_stream_request(wrong).has_value());
  }
  views[1] = "2";
  CHECK_EQ(parse_stream_request(views).error().code, Code::Unsupported);
}

TEST_CASE("term and role files are read as they were written, and a changed byte is noticed") {
  RoleRecord record{.role = Role::Follower,
                    .is_managed = true,
                    .copies = 2,
                    .member = "0.1",
                    .term = 7,
                    .revision = 3,
                    .voters = {"0.1", "1.1"},
                    .proposals = {{"0.1"}, {"1.1", "2.1"}},
                    .upstream = {"host", 99, "secret"}};
  CHECK_EQ(parse_role(encode_role(record)).value(), record);
  CHECK_EQ(parse_role(encode_role({})).value(), RoleRecord());
  CHECK_EQ(parse_term(encode_term(12)).value(), 12);
  for (const Bytes& text : {encode_role(record), encode_term(12)}) {
    for (size_t at = 0; at < text.size(); ++at) {
      Bytes changed = text;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      CHECK_FALSE(parse_role(changed).has_value());
      CHECK_FALSE(parse_term(changed).has_value());
      CHECK_FALSE(parse_role(text.substr(0, at)).has_value());
    }
  }
  CHECK_EQ(parse_role("mcloud-kv-role 2\nx").error().code, Code::Unsupported);
  CHECK_FALSE(parse_members("a,,b").has_value());
  CHECK_FALSE(parse_members("a b").has_value());
}
