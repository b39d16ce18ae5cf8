#include "cli/kv_options.h"

#include <doctest/doctest.h>

#include "cli/kv.h"
#include "io/file.h"
#include "testing/source_tree.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::cli;

namespace {

std::string refused(std::string_view text) {
  ServeOptions options;
  Status read = read_config(options, "kv.yaml", text);
  REQUIRE_FALSE(read.has_value());
  CHECK_EQ(read.error().code, Code::Invalid);
  return read.error().message;
}

std::string page() { return io::read_file(testing::source_tree() + "/docs/reference/kv-config.md").value(); }

}  // namespace

TEST_CASE("a file sets what it names and leaves the rest") {
  ServeOptions options;
  REQUIRE(read_config(options, "kv.yaml", "data: /srv/kv\nport: 6379\nprotect: true\n# a comment\nsocket: \"a b\"\n"));
  CHECK_EQ(options.data, "/srv/kv");
  CHECK_EQ(options.port, 6379);
  CHECK(options.protect);
  CHECK_EQ(options.socket, "a b");
  CHECK_EQ(options.threads, 1);
  CHECK(read_config(options, "kv.yaml", "").has_value());
  CHECK_EQ(options.port, 6379);
}

TEST_CASE("what is wrong in a file is one line that names file, line, key and what is allowed") {
  CHECK_EQ(refused("data: x\nprot: 1\n"), "kv.yaml:2: there is no key \"prot\"; did you mean \"port\"?");
  CHECK_NE(refused("zzz: 1\n").find("kv.yaml:1: there is no key \"zzz\"; there are: data, listen, port"),
           std::string::npos);
  CHECK_EQ(refused("\n\nport: 65536\n"), "kv.yaml:3: port: allowed: 0 to 65535; not \"65536\"");
  CHECK_EQ(refused("port: -1\n"), "kv.yaml:1: port: allowed: 0 to 65535; not \"-1\"");
  CHECK_EQ(refused("port: 1e3\n"), "kv.yaml:1: port: allowed: 0 to 65535; not \"1e3\"");
  CHECK_EQ(refused("port: \"80\"\n"), "kv.yaml:1: port: allowed: 0 to 65535, without quotes");
  CHECK_EQ(refused("port: [80]\n"), "kv.yaml:1: port: allowed: 0 to 65535; not a list, a map or nothing");
  CHECK_EQ(refused("port:\n"), "kv.yaml:1: port: allowed: 0 to 65535; not a list, a map or nothing");
  CHECK_EQ(refused("protect: yes\n"), "kv.yaml:1: protect: allowed: true or false; not \"yes\"");
  CHECK_EQ(refused("durability: often\n"),
           "kv.yaml:1: durability: allowed: always, interval or none; not \"often\"");
  CHECK_EQ(refused("port: 1\nport: 2\n"), "kv.yaml:2: the key \"port\" stands twice in this map");
  CHECK_EQ(refused("- port\n"), "kv.yaml:1: lines of \"key: value\" belong here");
  CHECK_EQ(refused("data: {a\n").substr(0, 8), "kv.yaml:");
  CHECK_EQ(refused(std::string("data: a\0b\n", 10)).substr(0, 10), "kv.yaml:1:");
}

TEST_CASE("every number is refused just outside its bounds and taken just inside") {
  for (const ServeOption& option : serve_options()) {
    CAPTURE(option.name);
    ServeOptions options;
    if (!std::holds_alternative<uint64_t ServeOptions::*>(option.member)) continue;
    for (uint64_t good : {option.least, option.most}) {
      CHECK(set_option(options, option, std::to_string(good), "x").has_value());
      CHECK_EQ(value_text(options, option), std::to_string(good));
    }
    CHECK_FALSE(set_option(options, option, std::to_string(option.most + 1), "x").has_value());
    if (option.least > 0) CHECK_FALSE(set_option(options, option, std::to_string(option.least - 1), "x").has_value());
    CHECK_EQ(value_text(options, option), std::to_string(option.most));
  }
}

TEST_CASE("every key is a flag of kv serve and a row of docs/reference/kv-config.md, and no other is") {
  std::string text = page();
  ServeOptions defaults;
  size_t rows = 0;
  for (size_t at = text.find("\n| `"); at != std::string::npos; at = text.find("\n| `", at + 1)) rows++;
  CHECK_EQ(rows, serve_options().size());
  Command command = kv_serve_command();
  CHECK_EQ(command.parameters().size(), serve_options().size() + 1);  // and --config
  for (const ServeOption& option : serve_options()) {
    std::string value = value_text(defaults, option);
    std::string row = "\n| `" + std::string(option.name) + "` | " + allowed_values(option) + " | " +
                      (value.empty() ? "" : "`" + value + "` ") + "| ";
    CHECK_MESSAGE(text.find(row) != std::string::npos, row);
    bool is_flag = false;
    for (const Parameter& parameter : command.parameters())
      is_flag |= parameter.name == "--" + std::string(option.name);
    CHECK(is_flag);
  }
}

TEST_CASE("the example in docs/reference/kv-config.md is a good file") {
  std::string text = page();
  size_t begin = text.find("```yaml\n") + 8;
  ServeOptions options;
  Status read = read_config(options, "example", text.substr(begin, text.find("```", begin) - begin));
  CHECK_MESSAGE(read.has_value(), read.error().message);
  CHECK_EQ(options.dialect, "redis");
}

TEST_CASE("the options become the server's, and what they need together is said") {
  ServeOptions options;
  CHECK_NE(server_options(options).error().message.find("data is missing"), std::string::npos);
  options.data = "/srv/kv";
  options.durability = "always";
  options.mode = "seq";
  kv::ServerOptions wanted = server_options(options).value();
  CHECK_EQ(wanted.service.defaults.durability, kv::Durability::Always);
  CHECK_EQ(wanted.service.defaults.mode, kv::KeyMode::Sequence);
  CHECK_EQ(wanted.service.dialect, kv::Dialect::Zdb);
  options.protect = true;
  CHECK_EQ(server_options(options).error().message, "protect needs admin-password-file");
  options.protect = false;
  options.is_private = true;
  CHECK_EQ(server_options(options).error().message, "private needs admin-password-file");
  options.is_private = false;
  options.history = "last:many";
  CHECK_NE(server_options(options).error().message.find("history: allowed"), std::string::npos);
  options.history = "last:3";
  options.size = 4096;
  CHECK_EQ(server_options(options)->service.defaults.history.amount, 3);
  CHECK_EQ(server_options(options)->service.defaults.bytes_max, 4096);
  options.managed = true;
  CHECK(!server_options(options)->service.has_agent_socket);
  options.socket = "/run/control/socket";
  CHECK(server_options(options)->service.has_agent_socket);
  options.follow_tls_cert = "/own.pem";
  CHECK_EQ(server_options(options).error().message, "follow-tls-cert and follow-tls-key are needed together");
  options.follow_tls_key = "/own.key";
  CHECK_EQ(server_options(options).error().message, "follow-tls-cert needs follow-tls-ca");
  options.follow_tls_ca = "/ca.pem";
  CHECK_EQ(server_options(options)->service.upstream_tls, io::TlsFiles{"/own.pem", "/own.key", "/ca.pem"});
  testing::TemporaryFolder folder;
  options.admin_password_file = folder / "password";
  CHECK_EQ(server_options(options).error().code, Code::NotFound);
  REQUIRE(io::write_file(options.admin_password_file, "secret\n", io::Durability::None));
  CHECK_EQ(server_options(options)->service.admin_password, "secret");
  REQUIRE(io::write_file(options.admin_password_file, "\n", io::Durability::None));
  CHECK_EQ(server_options(options).error().code, Code::Invalid);
}
