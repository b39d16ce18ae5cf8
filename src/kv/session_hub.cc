#include "kv/session_hub.h"

#include "wire/resp.h"

namespace mcloud::kv {
namespace {

Bytes mirrored(const Hub::Heard& heard) {
  Bytes bytes;
  wire::RespWriter writer(bytes, wire::RespVersion::Two);
  writer.array(heard.arguments->size() + 3);
  writer.integer(static_cast<int64_t>(heard.time_s));
  writer.bulk(heard.space_name);
  writer.integer(static_cast<int64_t>(heard.owner));
  for (std::string_view argument : *heard.arguments) writer.bulk(argument);
  return bytes;
}

}  // namespace

void Hub::add(const Listener& listener) {
  std::lock_guard lock(mutex_);
  listeners_.push_back(listener);
  count_ = listeners_.size();
}

void Hub::remove(const Mailbox& mailbox, uint64_t session) {
  std::lock_guard lock(mutex_);
  listeners_.remove_if([&](const Listener& l) { return l.mailbox == &mailbox && l.session == session; });
  count_ = listeners_.size();
}

void Hub::tell(const Heard& heard) {
  std::lock_guard lock(mutex_);
  for (auto at = listeners_.begin(); at != listeners_.end();) {
    Listener listener = *at;
    bool is_own = listener.mailbox == heard.mailbox && listener.session == heard.session;
    bool is_waited = !listener.is_mirror && listener.space == heard.space &&
                     (listener.command == nullptr || listener.command == heard.command);
    if (is_own || (!listener.is_mirror && !is_waited)) {
      ++at;
      continue;
    }
    if (listener.is_mirror) {
      listener.mailbox->post(listener.session, listener.ticket, mirrored(heard));
      ++at;
      continue;
    }
    listener.mailbox->post(listener.session, listener.ticket, "+" + std::string(heard.command_name) + "\r\n");
    at = listeners_.erase(at);
  }
  count_ = listeners_.size();
}

}  // namespace mcloud::kv
