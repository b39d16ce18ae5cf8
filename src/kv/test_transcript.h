// For tests: conversations as text (tests/transcripts/kv/*.resp), each line one of
//   # comment          option NAME [VALUE]    dialect, mode, admin, protect, durability, managed: before the first
//                      request
//   @NAME              the connection that speaks from here on; `main` at first
//   > words            a request: words as in a shell, "..." with \n \x00 escapes; {5*x} is xxxxx, $name what was kept,
//                      {sha1:text} the hash in hex
//   >> bytes           the same, but sent as it is
//   < line             exactly this comes, with a line end; escapes as above
//   <~ pattern         a line that fits this regular expression
//   <=N name           N bytes and a line end come and are kept as $name
//   <closed            the connection ends
//   advance MS         time passes
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kv/server_state.h"

namespace mcloud::kv {

// How a transcript reaches what it tests.
class TranscriptSide {
 public:
  virtual ~TranscriptSide() = default;
  virtual void send(const std::string& connection, BytesView bytes) = 0;
  // What has come since, waiting for something when nothing is there: up to five seconds.
  virtual Bytes receive(const std::string& connection) = 0;
  virtual bool is_closed(const std::string& connection) = 0;  // waits as receive()
  virtual void advance(uint64_t ms) = 0;
};

struct Transcript {
  std::string name;
  ServiceOptions options;
  std::vector<std::pair<int, std::string>> lines;  // with their numbers
};

// All of tests/transcripts/kv.
std::vector<Transcript> load_transcripts();
// The first line that does not hold, or "".
std::string play(const Transcript& transcript, TranscriptSide& side);

}  // namespace mcloud::kv
