// Inside this room only: the text of a server-sent event stream to events (WHATWG HTML section 9.2.6).
#pragma once

#include <deque>
#include <optional>

#include "wire/http_client.h"

namespace mcloud::wire {

class EventParser {
 public:
  explicit EventParser(size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  // Exhausted when a line or an event is too long; the stream cannot be read on then.
  Status feed(std::string_view text);
  std::optional<ServerEvent> take();

 private:
  void line(std::string_view text);
  void field(std::string_view name, std::string_view value);
  void dispatch();

  const size_t event_bytes_max_;
  bool is_first_line_ = true;
  bool skips_line_feed_ = false;  // a CR ended the line before
  std::string unfinished_;
  ServerEvent event_;
  bool has_data_ = false;
  std::string last_id_;
  std::deque<ServerEvent> complete_;
};

}  // namespace mcloud::wire
