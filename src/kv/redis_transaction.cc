// MULTI, EXEC, WATCH: what is queued runs under one writer and one transaction of the log, so that a crash keeps all of
// it or nothing.
#include "kv/redis_commands.h"
#include "kv/session.h"

namespace mcloud::kv::redis {
namespace {

constexpr size_t kQueuedBytesMax = 900 << 10;  // the log's transactions end at 1 MiB
constexpr size_t kQueuedMost = 8000;           // and 10,000 records
constexpr size_t kRecordBytes = 80;            // what a record is more than its key and value
constexpr size_t kWatchedMost = 10'000;

// A deletion is a version too: a key that came and went has changed. Only what is flushed is looked at.
Result<Session::Version> newest_version(const Namespace& store, std::string_view key) {
  std::optional<Entry> entry = TRY(store.find_version(key, UINT64_MAX));
  if (!entry) return Session::Version();
  if (entry->is_deletion && entry->previous) {
    // The sweeper's deletions say when the key expired; they change nothing that anybody could see.
    auto before = store.at(*entry->previous);
    bool is_swept = before && before->expiry_ms && *before->expiry_ms <= entry->time_ms;
    if (is_swept) return Session::Version{before->sequence, true};
  }
  return Session::Version{entry->sequence, entry->expiry_ms && *entry->expiry_ms <= store.now_ms()};
}

bool has_changed(Call& call) {
  for (const Session::Watched& watched : call.session.memory_of_commands.watched) {
    auto version = newest_version(*watched.space->store, watched.key);
    if (!version || *version != watched.version) return true;
  }
  return false;
}

void run_queued(Call& call, const std::vector<std::vector<std::string>>& queued) {
  call.reply.array(queued.size());
  size_t begin = call.reply.bytes().size();
  for (const std::vector<std::string>& words : queued) {
    Arguments arguments(words.begin(), words.end());
    Call inner{call.session, call.round, arguments, call.reply};
    const Command* command = find_redis_command(arguments[0]);
    bool is_too_large = call.reply.bytes().size() - begin > call.state().options().reply_bytes_max;
    if (is_too_large && (command->flags & kRead) != 0)
      call.reply.error("ERR the reply is too large");
    else
      command->handler(inner);
  }
}

}  // namespace

void run_multi(Call& call) {
  Session::Memory& memory = call.session.memory_of_commands;
  if (memory.is_in_transaction) return call.reply.error("ERR MULTI calls can not be nested");
  memory.is_in_transaction = true;
  call.reply.simple("OK");
}

void queue(const Command& command, Call& call) {
  Session::Memory& memory = call.session.memory_of_commands;
  if ((command.flags & kAlone) != 0) {
    memory.is_transaction_refused = true;
    return call.reply.error("ERR Command not allowed inside a transaction");
  }
  memory.queued_bytes += kRecordBytes;
  for (std::string_view argument : call.arguments) memory.queued_bytes += argument.size();
  if (memory.queued_bytes > kQueuedBytesMax || memory.queued.size() >= kQueuedMost) {
    memory.is_transaction_refused = true;
    memory.queued.clear();
    return call.reply.error("ERR a transaction has at most 900 KiB and 8000 commands");
  }
  if (call.state().is_short_of_memory()) {
    memory.is_transaction_refused = true;
    return call.reply.error("OOM the server has no memory for transactions now");
  }
  if (!memory.is_transaction_refused) memory.queued.emplace_back(call.arguments.begin(), call.arguments.end());
  call.reply.simple("QUEUED");
}

void end_transaction(Call& call) {
  Session::Memory& memory = call.session.memory_of_commands;
  memory.is_in_transaction = memory.is_transaction_refused = false;
  memory.queued_bytes = 0;
  memory.queued.clear();
  memory.watched.clear();
}

void run_exec(Call& call) {
  Session::Memory& memory = call.session.memory_of_commands;
  if (!memory.is_in_transaction) return call.reply.error("ERR EXEC without MULTI");
  if (memory.is_transaction_refused) {
    end_transaction(call);
    return call.reply.error("EXECABORT Transaction discarded because of previous errors.");
  }
  if (call.space()->is_frozen) {
    end_transaction(call);
    return call.reply.error("ERR namespace is temporarily frozen (read-write disabled)");
  }
  if (!memory.watched.empty()) call.round.settle();
  // Held to the end: nobody writes between two commands, nor between the check and the first.
  auto writer = call.round.writer(call.space(), memory.epoch);
  if (!writer) {
    end_transaction(call);
    return call.reply.error(error_text(call.session, writer.error()));
  }
  // From here on no key expires until the end.
  (*writer)->begin();
  if (has_changed(call)) {
    end_transaction(call);
    call.round.settle();  // drops what was begun
    return call.reply.null_array();
  }
  size_t begin = call.reply.bytes().size();
  run_queued(call, memory.queued);
  Status committed = (*writer)->commit();
  end_transaction(call);
  if (committed) return;
  call.reply.bytes().resize(begin);
  call.reply.error(error_text(call.session, committed.error()));
}

void run_discard(Call& call) {
  if (!call.session.memory_of_commands.is_in_transaction) return call.reply.error("ERR DISCARD without MULTI");
  end_transaction(call);
  call.reply.simple("OK");
}

void run_watch(Call& call) {
  Session::Memory& memory = call.session.memory_of_commands;
  if (memory.is_in_transaction) return call.reply.error("ERR WATCH inside MULTI is not allowed");
  if (memory.watched.size() + call.count() > kWatchedMost) return call.reply.error("ERR too many watched keys");
  call.round.settle();
  for (size_t i = 1; i < call.count(); i++) {
    auto version = newest_version(call.store(), call[i]);
    if (!version) return call.reply.error(error_text(call.session, version.error()));
    memory.watched.push_back({call.space(), std::string(call[i]), *version});
  }
  call.reply.simple("OK");
}

void run_unwatch(Call& call) {
  call.session.memory_of_commands.watched.clear();
  call.reply.simple("OK");
}

}  // namespace mcloud::kv::redis
