#include "kv/session.h"

#include <algorithm>

#include "kv/replication/stream.h"
#include "kv/spare_buffers.h"

namespace mcloud::kv {
namespace {

constexpr size_t kKeptBytes = 256 << 10;  // of a busy session's buffers: growing them anew each round costs a copy
constexpr size_t kLargeReplyBytes = 64 << 10;

// Of the loop that runs on this thread.
SpareBuffers& spares() {
  thread_local SpareBuffers own;
  return own;
}

wire::RespBounds bounds_of(Dialect dialect) {
  if (dialect == Dialect::Zdb) return {.arguments_max = 1024, .argument_bytes_max = kValueBytesMax};
  return {.arguments_max = 64 << 10, .argument_bytes_max = kValueBytesMax, .allows_inline = true};
}

std::string_view fault_text(Dialect dialect, wire::RespFault fault) {
  using enum wire::RespFault;
  bool zdb = dialect == Dialect::Zdb;
  switch (fault) {
    case None: break;
    case NotAnArray: return "Malformed request, array expected";
    case TooManyArguments: return zdb ? "Too many arguments" : "ERR Protocol error: invalid multibulk length";
    case NotABulk: return zdb ? "Malformed query string" : "ERR Protocol error: expected '$'";
    case BulkTooBig:
    case RequestTooBig: return zdb ? "Payload too big" : "ERR Protocol error: invalid bulk length";
    case BadBulkLength: return zdb ? "Malformed query string" : "ERR Protocol error: invalid bulk length";
    case BadInline: return "ERR Protocol error: unbalanced quotes in request or too big inline request";
  }
  return "ERR Protocol error";
}

}  // namespace

Session::Session(ServerState& state, SessionPort& port, Identity identity)
    : state_(state),
      port_(port),
      tallies_(port.tallies()),
      identity_(std::move(identity)),
      dialect_(identity_.dialect),
      parser_(bounds_of(identity_.dialect)),
      space_(state.find(kDefaultNamespace)),
      is_writable_(!state.options().protects_default || state.options().admin_password.empty()),
      is_admin_(state.options().admin_password.empty() || is_agent()) {}

Session::~Session() {
  state_.hub().remove(port_, identity_.id);
  if (is_starved_) state_.add_starved(-1);
  state_.add_memory(-static_cast<int64_t>(accounted_));
}

void Session::account() {
  size_t now = memory();
  if (now == accounted_) return;
  state_.add_memory(static_cast<int64_t>(now) - static_cast<int64_t>(accounted_));
  accounted_ = now;
}

void Session::feed_again() {
  if (!is_starved_) return;
  is_starved_ = false;
  has_more_ = true;
  state_.add_starved(-1);
}

void Session::feed(BytesView bytes, Round& round) {
  has_more_ = false;
  if (is_closing_) return;
  if (stream_) return feed_stream(bytes);
  if (input_.size() == begin_) {
    keep_rest(bytes.substr(execute(bytes, round)));
    return account();
  }
  input_ += bytes;
  begin_ += execute(BytesView(input_).substr(begin_), round);
  if (is_closing_) begin_ = input_.size();
  if (begin_ == input_.size()) {
    input_.clear();
    begin_ = 0;
    if (input_.capacity() > kKeptBytes) give_back(input_);
  } else if (begin_ > input_.size() / 2) {
    input_.erase(0, begin_);
    begin_ = 0;
  }
  account();
}

// An empty buffer: to who needs a large one next, as long as there is memory.
void Session::give_back(Bytes& buffer) {
  if (!state_.is_short_of_memory()) return spares().give(buffer);
  buffer.shrink_to_fit();
  spares().clear();
}

void Session::expect_reply(size_t bytes) {
  if (bytes > kKeptBytes) spares().grow(output_, output_.size() + bytes);
}

void Session::keep_rest(BytesView rest) {
  input_.clear();
  begin_ = 0;
  if (!is_closing_) input_ = rest;
}

char* Session::read_space(size_t bytes) {
  size_t size = input_.size();
  if (input_.capacity() < size + bytes)
    spares().grow(input_, size + std::max(bytes, std::min(parser_.missing(), size)));
  input_.resize_and_overwrite(size + bytes, [](char*, size_t whole) { return whole; });
  return input_.data() + size;
}

void Session::grew(size_t space, size_t bytes) {
  input_.resize(input_.size() - space + bytes);
  account();
}

// Runs whole requests; the number of bytes that are done with.
size_t Session::execute(BytesView bytes, Round& round) {
  size_t begin = 0;
  size_t looked = 0;  // at requests up to here
  while (begin < bytes.size() && !is_closing_) {
    if (is_waiting() || is_full()) {
      has_more_ = true;
      break;
    }
    if (begin >= looked) looked = begin + look_ahead(bytes.substr(begin));
    auto step = parser_.parse(bytes.substr(begin));
    if (step == wire::RespRequestParser::Step::NeedMore) break;
    if (step == wire::RespRequestParser::Step::Faulty) {
      answer_fault();
      return bytes.size();
    }
    run_request(round);
    if (is_starved_) break;
    begin += parser_.size();
    parser_.reset();
    if (stream_) {
      feed_stream(bytes.substr(begin));
      return bytes.size();
    }
    if (has_more_) {  // a heavy command: the others first
      has_more_ = begin < bytes.size();
      break;
    }
  }
  if (is_starved_) parser_.reset();  // read again from its beginning
  return begin;
}

size_t Session::look_ahead(BytesView bytes) const {
  Lookahead lookahead;
  size_t seen = 0;
  while (size_t size = lookahead.look(*space_, bytes.substr(seen))) seen += size;
  lookahead.fetch();
  return seen;
}

void Session::look(Lookahead& lookahead, BytesView bytes) const {
  if (!is_inside_request()) lookahead.look(*space_, bytes);
}

void Session::answer_fault() {
  wire::RespWriter(output_, version_).error(fault_text(dialect_, parser_.fault()));
  is_closing_ = true;
}

void Session::run_request(Round& round) {
  const Arguments& arguments = parser_.arguments();
  wire::RespWriter reply(output_, version_);
  if (arguments.empty()) {
    if (dialect_ == Dialect::Zdb) reply.error("Missing arguments");
    return;
  }
  if (space_->is_replaced) {
    if (SpacePtr now = state_.find(space_->store->name())) space_ = std::move(now);
  }
  commands_++;
  tallies_.run.add();
  if (space_->is_gone && dialect_ == Dialect::Zdb) {
    reply.error("Your active namespace is not available anymore (probably removed).");
    is_closing_ = true;
    return;
  }
  if (commands_ == 1 && dialect_ == Dialect::Zdb && equals_ignoring_case(arguments[0], "HELLO"))
    speak(Dialect::Redis, wire::RespVersion::Two);

  uint64_t begin = end_of_output();
  round.begin_reply();
  Call call{*this, round, arguments, reply};
  const Command* command = nullptr;
  if (dialect_ == Dialect::Redis) {
    command = find_redis_command(arguments[0]);
    run_redis_command(command, call);
  } else if ((command = find_zdb_command(arguments[0])) != nullptr) {
    run_zdb_command(*command, call);
  } else {
    reply.error("Command not supported");
  }
  if (takes_back(command, begin)) return;
  count(command, output_.size() > begin - dropped_ && output_[begin - dropped_] == '-');
  round.end_reply(*this, begin, end_of_output());
  if (command != nullptr && (command->flags & kHeavy) != 0) has_more_ = true;
}

void Session::count(const Command* command, bool is_error) {
  bool is_zdb = dialect_ == Dialect::Zdb;
  size_t place = kCommandsMax;
  if (command != nullptr) {
    place = static_cast<size_t>(command - (is_zdb ? zdb_commands() : redis_commands()).data());
    if ((command->flags & kRead) != 0) tallies_.round_reads++;
    if ((command->flags & kWrite) != 0) tallies_.round_updates++;
  }
  tallies_.commands[is_zdb ? 0 : 1][place][is_error ? 1 : 0].add();
  if (is_error) tallies_.failed.add();
}

bool Session::takes_back(const Command* command, uint64_t begin) {
  bool may = command != nullptr && (command->flags & kRead) != 0 && !memory_of_commands.is_in_transaction;
  if (!may || end_of_output() - begin < kLargeReplyBytes) return false;
  account();
  // Who is (nearly) alone may have it, however large it is.
  bool is_alone =
      state_.memory() - static_cast<int64_t>(accounted_) < static_cast<int64_t>(state_.options().memory_bytes_max / 4);
  if (!state_.is_short_of_memory() || is_alone) return false;
  output_.resize(begin - dropped_);
  output_.shrink_to_fit();
  account();
  is_starved_ = true;
  state_.add_starved(1);
  return true;
}

void Session::rest() {
  if (input_.size() == begin_) keep_rest({}), input_.shrink_to_fit();
  if (output_.empty()) output_.shrink_to_fit();
  spares().clear();
  account();
}

BytesView Session::sendable() const {
  uint64_t end = barriers_.empty() ? end_of_output() : barriers_.front().begin;
  return BytesView(output_).substr(sent_, end - dropped_ - sent_);
}

void Session::sent(size_t bytes) {
  sent_ += bytes;
  if (sent_ == output_.size()) {
    dropped_ += sent_;
    sent_ = 0;
    output_.clear();
    if (output_.capacity() > kKeptBytes || state_.is_short_of_memory()) give_back(output_);
  } else if (sent_ > (256 << 10) && sent_ > output_.size() / 2) {
    output_.erase(0, sent_);
    dropped_ += sent_;
    sent_ = 0;
  }
  if (stream_) fill_stream(false);
  account();
}

void Session::become_stream(std::unique_ptr<Stream> stream) {
  stream_ = std::move(stream);
  fill_stream(true);
}

void Session::feed_stream(BytesView bytes) {
  if (!stream_->feed(bytes)) is_closing_ = true;
}

// What has ended says nothing more: the rest of its output is a part of a frame.
void Session::fill_stream(bool is_rung) {
  if (is_closing_) return;
  bool goes_on = is_rung ? stream_->on_ring(output_, unsent()) : stream_->fill(output_, unsent());
  if (!goes_on) is_closing_ = true;
}

void Session::replace_reply(uint64_t begin, uint64_t end, const Error& error) {
  Bytes text;
  wire::RespWriter(text, version_).error(error_text(dialect_, error));
  tallies_.late_errors.add();
  output_.replace(begin - dropped_, end - begin, text);
  shift_barriers(begin, static_cast<int64_t>(text.size()) - static_cast<int64_t>(end - begin));
}

void Session::shift_barriers(uint64_t behind, int64_t by) {
  for (Barrier& barrier : barriers_) {
    if (barrier.begin > behind) barrier.begin += by;
    for (auto& [begin, end] : barrier.replies) {
      if (begin > behind) begin += by;
      if (end > behind) end += by;
    }
  }
}

void Session::add_barrier(const SpacePtr& space, Position position, uint64_t begin, uint64_t end) {
  bool is_same = !barriers_.empty() && barriers_.back().space == space && barriers_.back().position == position;
  if (!is_same) barriers_.push_back({space, position, begin, {}, {}});
  barriers_.back().replies.emplace_back(begin, end);
}

void Session::durable(const Space& space, Position position, const Status& status) {
  for (Barrier& barrier : barriers_) {
    if (barrier.space.get() == &space && barrier.position <= position && !barrier.outcome) barrier.outcome = status;
  }
  while (!barriers_.empty() && barriers_.front().outcome) {
    Barrier done = std::move(barriers_.front());
    barriers_.pop_front();
    if (done.outcome->has_value()) continue;
    for (auto at = done.replies.rbegin(); at != done.replies.rend(); ++at)
      replace_reply(at->first, at->second, done.outcome->error());
  }
}

void Session::speak(Dialect dialect, wire::RespVersion version) {
  dialect_ = dialect;
  version_ = version;
  parser_.set_bounds(bounds_of(dialect));
}

void Session::use(SpacePtr space, bool is_writable) {
  if (space != space_) memory_of_commands.epoch = 0;
  space_ = std::move(space);
  is_writable_ = is_writable;
}

void Session::make_admin() {
  is_admin_ = true;
  if (space_->store->name() == kDefaultNamespace) is_writable_ = true;
}

void Session::reply_later(std::function<Bytes()> work) {
  waiting_ticket_ = next_ticket_++;
  port_.run_elsewhere(identity_.id, waiting_ticket_, std::move(work));
}

uint64_t Session::wait_for_delivery(uint64_t timeout_ms, std::string timeout_text) {
  waiting_ticket_ = next_ticket_++;
  deadline_ms_ = state_.clock().monotonic_ms() + timeout_ms;
  timeout_text_ = std::move(timeout_text);
  return waiting_ticket_;
}

void Session::listen(Listener listener) {
  listener.mailbox = &port_;
  listener.session = identity_.id;
  state_.hub().add(listener);
}

void Session::deliver(uint64_t ticket, Bytes bytes) {
  if (ticket == kMirrorTicket) {
    if (is_full()) {  // it cannot follow; a gap would be a lie
      is_closing_ = true;
      return;
    }
    output_ += bytes;
    return;
  }
  if (ticket == kStreamTicket) {
    if (stream_) fill_stream(true);
    return account();
  }
  if (ticket != waiting_ticket_) return;  // came after its timeout
  waiting_ticket_ = 0;
  deadline_ms_.reset();
  output_ += bytes;
  has_more_ = input_.size() > begin_;
}

void Session::tick(uint64_t now_ms) {
  if (!deadline_ms_ || now_ms < *deadline_ms_) return;
  if (!is_mirror_) state_.hub().remove(port_, identity_.id);
  deliver(waiting_ticket_, "-" + timeout_text_ + "\r\n");
}

}  // namespace mcloud::kv
