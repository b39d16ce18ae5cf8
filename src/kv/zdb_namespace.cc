// Namespaces in the 0-db dialect: made, removed, changed, described, chosen.
#include <cstdarg>
#include <cstdio>

#include "crypto/sha1.h"
#include "kv/session.h"
#include "kv/settings_text.h"
#include "kv/zdb_commands.h"

namespace mcloud::kv::zdb {
namespace {

constexpr size_t kPropertyBytesMax = 63;

bool is_valid_length(Call& call, std::string_view name) {
  if (name.size() <= kNamespaceBytesMax) return true;
  call.reply.error("Namespace too long");
  return false;
}

SpacePtr find_or_error(Call& call, std::string_view text) {
  if (!is_valid_length(call, call[1])) return nullptr;
  SpacePtr space = call.state().find(call[1]);
  if (space == nullptr) call.reply.error(text);
  return space;
}

bool is_allowed_name(std::string_view name) {
  return name != kDefaultNamespace && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

__attribute__((format(printf, 2, 3))) void add_line(std::string& text, const char* format, ...) {
  char line[512];
  va_list values;
  va_start(values, format);
  int size = std::vsnprintf(line, sizeof line, format, values);
  va_end(values);
  text.append(line, std::min(static_cast<size_t>(size), sizeof line - 1));
}

const char* yes_no(bool value) { return value ? "yes" : "no"; }
double mega(uint64_t bytes) { return static_cast<double>(bytes) / (1024 * 1024); }
unsigned long long wide(uint64_t number) { return number; }

std::string describe(Call& call, Space& space) {
  Settings settings = space.store->settings();
  Figures figures = space.store->figures();
  std::string text = "# namespace\n";
  add_line(text, "name: %s\n", space.store->name().c_str());
  add_line(text, "entries: %llu\n", wide(figures.keys));
  add_line(text, "public: %s\n", yes_no(settings.is_public));
  add_line(text, "worm: %s\n", yes_no(settings.is_write_once));
  add_line(text, "locked: %s\n", yes_no(space.is_locked || space.is_frozen));
  add_line(text, "password: %s\n", yes_no(!settings.password.empty()));
  add_line(text, "data_size_bytes: %llu\n", wide(figures.live_bytes));
  add_line(text, "data_size_mb: %.2f\n", mega(figures.live_bytes));
  add_line(text, "data_limits_bytes: %llu\n", wide(settings.bytes_max));
  add_line(text, "index_size_bytes: %llu\n", wide(figures.index_bytes));
  add_line(text, "index_size_kb: %.2f\n", static_cast<double>(figures.index_bytes) / 1024);
  uint64_t next_id = settings.mode == KeyMode::Sequence ? figures.next_id : 0;
  add_line(text, "next_internal_id: 0x%08llx\n", wide(next_id));
  add_line(text, "mode: %s\n", settings.mode == KeyMode::Sequence ? "sequential" : "userkey");
  for (const char* name : {"stats_index_io_errors", "stats_index_io_error_last", "stats_index_faults"})
    add_line(text, "%s: 0\n", name);
  add_line(text, "stats_data_io_errors: %d\n", figures.failure.empty() ? 0 : 1);
  add_line(text, "stats_data_io_error_last: 0\n");
  add_line(text, "stats_data_faults: %llu\n", wide(figures.corrupt_records));
  if (settings.bytes_max > 0)
    add_line(text, "space_available: %llu\n",
             wide(settings.bytes_max - std::min(settings.bytes_max, figures.live_bytes)));
  if (auto free = call.state().disk().free_bytes(call.state().options().folder)) {
    for (const char* name : {"index", "data"}) {
      add_line(text, "%s_disk_freespace_bytes: %llu\n", name, wide(*free));
      add_line(text, "%s_disk_freespace_mb: %.2f\n", name, mega(*free));
    }
  }
  if (call.session.memory_of_commands.is_master && !settings.password.empty())
    text += "password_raw: " + settings.password + "\n";
  if (call.session.is_admin()) {
    const std::string& folder = call.state().options().folder;
    add_line(text, "data_path: %s\ndata_active: %s\n", folder.c_str(), folder.c_str());
    add_line(text, "index_path: %s\nindex_active: %s\n", folder.c_str(), folder.c_str());
    add_line(text, "data_current_id: 0\ndata_current_offset: %llu\n", wide(figures.end));
  }
  // Ours, behind what 0-db says: who parses the text counts on its order.
  text += "durability: " + std::string(durability_word(settings.durability)) + "\n";
  add_line(text, "interval_ms: %llu\n", wide(settings.interval_ms));
  text += "history: " + history_text(settings.history) + "\n";
  return text;
}

using Edit = std::function<void(Settings&)>;

// Of a property that only we have. nullopt: there is none of this name; an empty function: the error is said.
std::optional<Edit> own_edit_of(Call& call, std::string_view property, std::string_view value) {
  if (property == "durability") {
    if (auto wanted = durability_of(value)) return [wanted](Settings& settings) { settings.durability = *wanted; };
    call.reply.error("Invalid property value (expected: always, interval, none)");
  } else if (property == "interval") {
    if (auto wanted = interval_ms_of(value)) return [wanted](Settings& settings) { settings.interval_ms = *wanted; };
    call.reply.error("Invalid property value (expected: 1 to 3600000 milliseconds)");
  } else if (property == "history") {
    if (auto wanted = history_of(value)) return [wanted](Settings& settings) { settings.history = *wanted; };
    call.reply.error("Invalid property value (expected: forever, last:VERSIONS, newer:MILLISECONDS)");
  } else {
    return {};
  }
  return Edit();
}

// nullopt: the error is said, or nothing durable changes.
std::optional<Edit> edit_of(Call& call, Space& space, std::string_view property, std::string_view value) {
  bool is_on = value.starts_with('1');
  if (property == "maxsize") {
    int64_t bytes = parse_integer(value).value_or(0);
    return [bytes](Settings& settings) { settings.bytes_max = bytes > 0 ? static_cast<uint64_t>(bytes) : 0; };
  }
  if (property == "password")
    return [password = std::string(value == "*" ? "" : value)](Settings& settings) { settings.password = password; };
  if (property == "public") return [is_on](Settings& settings) { settings.is_public = is_on; };
  if (property == "worm") return [is_on](Settings& settings) { settings.is_write_once = is_on; };
  if (property == "mode") {
    if (call.state().options().mode != ModePolicy::Mixed) {
      call.reply.error("This server instance is configured to use a single runtime mode");
      return {};
    }
    if (value != "user" && value != "seq") {
      call.reply.error("Invalid property value (expected: user, seq)");
      return {};
    }
    if (space.store->figures().keys > 0) {
      call.reply.error("Cannot change mode of used namespace");
      return {};
    }
    KeyMode mode = value == "seq" ? KeyMode::Sequence : KeyMode::User;
    return [mode](Settings& settings) { settings.mode = mode; };
  }
  if (property == "lock") {
    space.is_locked = is_on;
    call.reply.simple("OK");
  } else if (property == "freeze") {
    space.is_frozen = is_on;
    call.reply.simple("OK");
  } else if (std::optional<Edit> own = own_edit_of(call, property, value); own) {
    if (*own) return own;
  } else {
    call.reply.error("Invalid property");
  }
  return {};
}

// Whether the words behind SELECT's namespace prove that its password is known. nullopt: the error is said.
std::optional<bool> knows_password(Call& call, const std::string& password) {
  if (call.count() == 3) return equal_constant_time(call[2], password);
  if (!equals_ignoring_case(call[2], "SECURE")) {
    call.reply.error("Only SECURE extra method supported");
    return {};
  }
  const std::string& nonce = call.session.memory_of_commands.nonce;
  if (nonce.empty()) {
    call.reply.error("No CHALLENGE requested, secure authentication not available");
    return {};
  }
  if (call[3].size() != 40) {
    call.reply.error("Invalid hash length");
    return {};
  }
  return equal_constant_time(call[3], to_hex(crypto::sha1(nonce + ":" + password)));
}

}  // namespace

void run_nsnew(Call& call) {
  if (!is_valid_length(call, call[1])) return;
  if (!is_allowed_name(call[1])) return call.reply.error("This name is not allowed");
  call.round.settle();
  auto space = call.state().create(call[1]);
  if (space) return call.reply.simple("OK");
  if (space.error().code == Code::AlreadyExists) return call.reply.error("This namespace is not available");
  call.reply.error(space.error().code == Code::Invalid ? "This name is not allowed" : "Could not create namespace");
}

void run_nsdel(Call& call) {
  if (!is_valid_length(call, call[1])) return;
  if (call[1] == kDefaultNamespace) return call.reply.error("Cannot remove default namespace");
  SpacePtr space = find_or_error(call, "This namespace doesn't exists");
  if (space == nullptr) return;
  if (space == call.space()) return call.reply.error("Cannot remove namespace you're currently using.");
  call.round.settle();
  call.session.reply_later([&state = call.state(), space]() -> Bytes {
    return state.remove(space) ? "+OK\r\n" : "-Could not delete this namespace\r\n";
  });
}

void run_nslist(Call& call) {
  std::vector<std::string> names = call.state().names();
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
}

void run_nsset(Call& call) {
  if (!is_valid_length(call, call[1])) return;
  if (call[2].size() > kPropertyBytesMax || call[3].size() > kPropertyBytesMax)
    return call.reply.error("Argument too long");
  SpacePtr space = find_or_error(call, "Namespace not found");
  if (space == nullptr) return;
  if (call[2] == "worm" && call[1] == kDefaultNamespace) return call.reply.error("Cannot update default namespace");
  call.round.settle();
  std::optional<Edit> edit = edit_of(call, *space, call[2], call[3]);
  if (!edit) return;
  Status changed = call.state().change(*space, *edit);
  if (changed) return call.reply.simple("OK");
  bool is_used = changed.error().code == Code::Conflict;
  call.reply.error(is_used ? "Cannot change mode of used namespace" : "Internal Server Error");
}

void run_nsinfo(Call& call) {
  SpacePtr space = find_or_error(call, "Namespace not found");
  if (space == nullptr) return;
  call.round.settle();
  call.reply.bulk(describe(call, *space));
}

// Our segments roll by themselves and nobody depends on when: nothing is left to do.
void run_nsjump(Call& call) { call.reply.simple("OK"); }

// SELECT namespace [password | SECURE hash]
void run_select(Call& call) {
  if (call.count() < 2) return call.reply.error("Invalid argument");
  if (call.count() > 4) return call.reply.error("Unexpected arguments");
  SpacePtr space = find_or_error(call, "Namespace not found");
  if (space == nullptr) return;
  Settings settings = space->store->settings();
  bool is_writable = true;
  if (!settings.password.empty()) {
    if (call.count() == 2) {
      if (!settings.is_public) return call.reply.error("Namespace protected and private");
      is_writable = false;
    } else {
      std::optional<bool> knows = knows_password(call, settings.password);
      if (!knows) return;
      if (!*knows) return call.reply.error("Access denied");
    }
  } else if (call[1] == kDefaultNamespace && call.state().options().protects_default) {
    is_writable = call.session.is_admin();
  }
  call.session.use(std::move(space), is_writable);
  call.reply.simple("OK");
}

// What is in memory is what is on the disk: nothing else writes there while we hold its lock.
void run_reload(Call& call) {
  if (find_or_error(call, "Namespace not found") != nullptr) call.reply.simple("OK");
}

void run_flush(Call& call) {
  Settings settings = call.store().settings();
  if (settings.is_public || settings.password.empty()) return call.reply.error("Flushing public namespace denied");
  if (!call.session.is_writable()) return call.reply.error("Namespace is in read-only mode");
  call.round.settle();
  call.session.reply_later([&state = call.state(), space = call.space()]() -> Bytes {
    return state.clear(space) ? "+OK\r\n" : "-Internal Server Error\r\n";
  });
}

}  // namespace mcloud::kv::zdb
