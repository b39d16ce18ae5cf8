// The connection itself in the Redis dialect.
#include "kv/redis_commands.h"
#include "kv/replication/replication.h"
#include "kv/session.h"

namespace mcloud::kv::redis {
namespace {

constexpr int64_t kNumberedMost = 15;  // as Redis's default

bool authenticate(Call& call, std::string_view user, std::string_view password) {
  const std::string& wanted = call.state().options().admin_password;
  bool is_right = user == "default" && (wanted.empty() || equal_constant_time(password, wanted));
  if (!is_right) {
    call.reply.error("WRONGPASS invalid username-password pair or user is disabled.");
    return false;
  }
  call.session.make_admin();
  return true;
}

void say_hello(Call& call) {
  wire::RespWriter reply(call.reply.bytes(), call.session.version());
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk("7.0.0");
  reply.bulk("proto");
  reply.integer(static_cast<int64_t>(call.session.version()));
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(call.session.identity().client));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk(call.state().replication().group().may_write() ? "master" : "replica");
  reply.bulk("modules");
  reply.array(0);
}

bool is_plain(std::string_view text) {
  for (char c : text) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

void set_client_name(Call& call, std::string_view name) {
  if (!is_plain(name))
    return call.reply.error("ERR Client names cannot contain spaces, newlines or special characters.");
  call.session.memory_of_commands.client_name = name.substr(0, 256);
  call.reply.simple("OK");
}

std::string describe_client(Call& call) {
  Session& session = call.session;
  return "id=" + std::to_string(session.identity().client) + " addr=" + session.identity().address +
         " name=" + session.memory_of_commands.client_name +
         " db=0 resp=" + std::to_string(static_cast<int>(session.version())) + "\n";
}

// Redis numbers its databases: 0 is `default`, n is the namespace of that name, made when an administrator asks.
SpacePtr find_space(Call& call, std::string_view name) {
  auto number = parse_strict_integer(name);
  if (number == 0) return call.state().find(kDefaultNamespace);
  SpacePtr space = call.state().find(name);
  bool may_make = number && *number > 0 && *number <= kNumberedMost && call.session.is_admin();
  if (space != nullptr || !may_make) return space;
  call.round.settle();
  auto made = call.state().create(name);
  return made ? *made : call.state().find(name);
}

}  // namespace

void run_ping(Call& call) {
  if (call.count() > 2) return call.reply.error("ERR wrong number of arguments for 'ping' command");
  if (call.count() == 2) return call.reply.bulk(call[1]);
  call.reply.simple("PONG");
}

void run_echo(Call& call) { call.reply.bulk(call[1]); }

// HELLO [2|3 [AUTH user password] [SETNAME name]]
void run_hello(Call& call) {
  wire::RespVersion version = call.session.version();
  if (call.count() > 1) {
    auto wanted = parse_integer(call[1]);
    if (!wanted) return call.reply.error("ERR Protocol version is not an integer or out of range");
    if (*wanted != 2 && *wanted != 3) return call.reply.error("NOPROTO unsupported protocol version");
    version = static_cast<wire::RespVersion>(*wanted);
  }
  std::string_view name;
  for (size_t i = 2; i < call.count();) {
    if (equals_ignoring_case(call[i], "AUTH") && i + 2 < call.count()) {
      if (!authenticate(call, call[i + 1], call[i + 2])) return;
      i += 3;
    } else if (equals_ignoring_case(call[i], "SETNAME") && i + 1 < call.count()) {
      name = call[i + 1];
      i += 2;
    } else {
      return call.reply.error("ERR Syntax error in HELLO option '" + std::string(call[i]) + "'");
    }
  }
  if (!is_plain(name))
    return call.reply.error("ERR Client names cannot contain spaces, newlines or special characters.");
  if (!name.empty()) call.session.memory_of_commands.client_name = name;
  call.session.speak(Dialect::Redis, version);
  say_hello(call);
}

// AUTH [user] password
void run_auth(Call& call) {
  if (call.count() > 3) return call.reply.error(kSyntaxError);
  bool has_user = call.count() == 3;
  if (!has_user && call.state().options().admin_password.empty())
    return call.reply.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  if (authenticate(call, has_user ? call[1] : "default", call[has_user ? 2 : 1])) call.reply.simple("OK");
}

// SELECT number | SELECT namespace [password]
void run_select(Call& call) {
  if (call.count() > 3) return call.reply.error(kSyntaxError);
  SpacePtr space = find_space(call, call[1]);
  if (space == nullptr)
    return call.reply.error(parse_strict_integer(call[1]) ? "ERR DB index is out of range" : "ERR no such namespace");
  Settings settings = space->store->settings();
  bool is_default = space->store->name() == kDefaultNamespace;
  bool is_writable = !is_default || !call.state().options().protects_default || call.session.is_admin();
  if (!settings.password.empty() && call.count() == 3) {
    if (!equal_constant_time(call[2], settings.password))
      return call.reply.error("WRONGPASS wrong password for the namespace");
  } else if (!settings.password.empty()) {
    if (!settings.is_public) return call.reply.error("NOPERM the namespace is private: SELECT namespace password");
    is_writable = false;
  }
  call.session.use(std::move(space), is_writable);
  call.reply.simple("OK");
}

void run_quit(Call& call) {
  call.reply.simple("OK");
  call.session.close();
}

void run_reset(Call& call) {
  end_transaction(call);
  call.session.memory_of_commands = {};
  call.session.use(call.state().find(kDefaultNamespace),
                   call.session.is_admin() || !call.state().options().protects_default);
  call.session.speak(Dialect::Redis, wire::RespVersion::Two);
  call.reply.simple("RESET");
}

void run_client(Call& call) {
  bool is_known = false;
  auto is = [&](std::string_view word, size_t count) {
    bool is_it = equals_ignoring_case(call[1], word);
    is_known |= is_it;
    return is_it && call.count() == count;
  };
  std::string& name = call.session.memory_of_commands.client_name;
  if (is("SETNAME", 3)) return set_client_name(call, call[2]);
  if (is("ID", 2)) return call.reply.integer(static_cast<int64_t>(call.session.identity().client));
  if (is("INFO", 2) || equals_ignoring_case(call[1], "LIST")) return call.reply.text(describe_client(call));
  if (is("SETINFO", 4) || is("NO-EVICT", 3) || is("NO-TOUCH", 3)) return call.reply.simple("OK");
  if (is("GETNAME", 2)) return name.empty() ? call.reply.null() : call.reply.bulk(name);
  std::string word(call[1].substr(0, 128));
  if (!is_known) return call.reply.error("ERR unknown subcommand '" + word + "'. Try CLIENT HELP.");
  call.reply.error("ERR wrong number of arguments for 'client|" + lower_case(word) + "' command");
}

}  // namespace mcloud::kv::redis
