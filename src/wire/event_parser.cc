#include "wire/event_parser.h"

namespace mcloud::wire {

Status EventParser::feed(std::string_view text) {
  while (!text.empty()) {
    if (std::exchange(skips_line_feed_, false) && text.front() == '\n') {
      text.remove_prefix(1);
      continue;
    }
    size_t end = text.find_first_of("\r\n");
    unfinished_ += text.substr(0, end);
    if (unfinished_.size() + event_.data.size() > event_bytes_max_) {
      return make_error(Code::Exhausted, "an event is larger than " + std::to_string(event_bytes_max_) + " bytes");
    }
    if (end == std::string_view::npos) return {};
    skips_line_feed_ = text[end] == '\r';
    text.remove_prefix(end + 1);
    line(std::exchange(unfinished_, {}));
  }
  return {};
}

std::optional<ServerEvent> EventParser::take() {
  if (complete_.empty()) return std::nullopt;
  ServerEvent event = std::move(complete_.front());
  complete_.pop_front();
  return event;
}

void EventParser::line(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (std::exchange(is_first_line_, false) && text.starts_with(byte_order_mark)) {
    text.remove_prefix(byte_order_mark.size());
  }
  if (text.empty()) return dispatch();
  size_t colon = text.find(':');
  if (colon == 0) return;  // a comment
  if (colon == std::string_view::npos) return field(text, "");
  std::string_view value = text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  field(text.substr(0, colon), value);
}

// "retry" is not followed: whoever reads decides when to come back.
void EventParser::field(std::string_view name, std::string_view value) {
  if (name == "event") {
    event_.name = value;
  } else if (name == "data") {
    event_.data.append(value).append("\n");
    has_data_ = true;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    last_id_ = value;
  }
}

void EventParser::dispatch() {
  ServerEvent event = std::exchange(event_, {});
  if (!std::exchange(has_data_, false)) return;
  event.data.pop_back();
  if (event.name.empty()) event.name = "message";
  event.id = last_id_;
  complete_.push_back(std::move(event));
}

}  // namespace mcloud::wire
