// Reads and plays transcripts: against sessions at once, byte by byte, and against the server over TCP.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "crypto/sha1.h"
#include "io/file.h"
#include "kv/commands.h"
#include "kv/server.h"
#include "kv/test_sessions.h"
#include "kv/test_transcript.h"
#include "testing/source_tree.h"
#include "wire/resp.h"

namespace mcloud::kv {
namespace {

std::string replace_all(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char c = text[++i];
    if (c == 'x') {
      out += from_hex(text.substr(i + 1, 2)).value();
      i += 2;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c;
    }
  }
  return out;
}

// {5*x} and {sha1:text}
std::string expand(std::string text) {
  static const std::regex kRepeat(R"(\{(\d+)\*(.)\})"), kHash(R"(\{sha1:([^}]*)\})");
  std::smatch match;
  while (std::regex_search(text, match, kRepeat))
    text = match.prefix().str() + std::string(std::stoul(match[1].str()), match[2].str()[0]) + match.suffix().str();
  while (std::regex_search(text, match, kHash))
    text = match.prefix().str() + to_hex(crypto::sha1(match[1].str())) + match.suffix().str();
  return text;
}

Bytes request_of(const std::string& words) {
  wire::RespRequestParser parser({.argument_bytes_max = 16 << 20, .allows_inline = true});
  std::string line = " " + words + "\n";  // a "*" in front would be an array
  if (line.size() > 60'000) {             // longer than an inline request may be: plain words only
    std::istringstream in(words);
    std::vector<std::string> kept{std::istream_iterator<std::string>(in), {}};
    return wire::resp_request({kept.begin(), kept.end()});
  }
  REQUIRE_MESSAGE(parser.parse(line) == wire::RespRequestParser::Step::Complete, line);
  return wire::resp_request(parser.arguments());
}

void set_option(Transcript& transcript, const std::string& line) {
  std::istringstream in(line);
  std::string word, name, value;
  in >> word >> name >> value;
  ServiceOptions& options = transcript.options;
  if (name == "dialect")
    options.dialect = value == "redis" ? Dialect::Redis : Dialect::Zdb;
  else if (name == "mode")
    options.mode = value == "seq" ? ModePolicy::Sequence : value == "user" ? ModePolicy::User : ModePolicy::Mixed;
  else if (name == "admin")
    options.admin_password = value;
  else if (name == "protect")
    options.protects_default = true;
  else if (name == "managed")
    options.is_managed = true;
  else if (name == "durability")
    options.defaults.durability = Durability::Always;
  else
    FAIL("unknown option ", line);
}

struct Player {
  TranscriptSide& side;
  std::string connection = "main";
  std::map<std::string, std::string> kept = {};
  std::map<std::string, Bytes> unread = {};

  std::string with_kept(std::string text) const {
    for (const auto& [name, value] : kept) text = replace_all(text, "$" + name, value);
    return text;
  }
  // True when `size` bytes (0: a line) are there.
  bool need(size_t size) {
    Bytes& bytes = unread[connection];
    for (;;) {
      if (size > 0 ? bytes.size() >= size : bytes.find("\r\n") != Bytes::npos) return true;
      Bytes more = side.receive(connection);
      if (more.empty()) return false;
      bytes += more;
    }
  }
  std::string take(size_t size) {
    std::string taken = unread[connection].substr(0, size);
    unread[connection].erase(0, size + 2);
    return taken;
  }
  std::string expect(const std::string& wanted, bool is_pattern) {
    size_t size = is_pattern ? 0 : wanted.size() + 2;
    if (!need(size)) return "came: " + unread[connection];
    Bytes& bytes = unread[connection];
    if (is_pattern) {
      std::string line = take(bytes.find("\r\n"));
      return std::regex_match(line, std::regex(wanted)) ? "" : "came: " + line;
    }
    if (!bytes.starts_with(wanted + "\r\n")) return "came: " + bytes.substr(0, 200);
    take(wanted.size());
    return "";
  }
  std::string nothing_left() {
    return unread[connection].empty() ? "" : "more came than was said: " + unread[connection].substr(0, 200);
  }
  // "" or what is wrong.
  std::string step(const std::string& line) {
    if (line.starts_with("@")) return connection = line.substr(1), "";
    if (line.starts_with("advance ")) return side.advance(std::stoul(line.substr(8))), "";
    if (line == "<closed") return side.is_closed(connection) ? "" : "it is not closed";
    if (line.starts_with("<~ ")) return expect(line.substr(3), true);
    if (line.starts_with("<=")) {
      size_t blank = line.find(' '), size = std::stoul(line.substr(2, blank - 2));
      if (!need(size + 2)) return "nothing came to keep";
      kept[line.substr(blank + 1)] = take(size);
      return "";
    }
    if (line.starts_with("< ")) return expect(unescape(expand(line.substr(2))), false);
    if (std::string left = nothing_left(); !left.empty()) return left;
    if (line.starts_with(">> ")) return side.send(connection, unescape(expand(line.substr(3)))), "";
    if (line.starts_with("> ")) {
      std::string words = line.substr(2);
      for (const auto& [name, value] : kept) {
        std::string quoted;
        for (char c : value) quoted += is_word(c) ? std::string(1, c) : "\\x" + to_hex({&c, 1});
        words = replace_all(words, "$" + name, "\"" + quoted + "\"");
      }
      return side.send(connection, request_of(expand(words))), "";
    }
    return "no such line";
  }
  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
};

class SessionSide final : public TranscriptSide {
 public:
  SessionSide(const ServiceOptions& options, size_t step) : sessions_(options), step_(step) {}

  void send(const std::string& connection, BytesView bytes) override {
    Session& session = find(connection);
    for (size_t i = 0; i < bytes.size(); i += step_)
      came_[connection] += sessions_.feed(session, bytes.substr(i, step_));
  }
  Bytes receive(const std::string& connection) override {
    Session& session = find(connection);
    came_[connection] += sessions_.take(session);
    for (int i = 0; came_[connection].empty() && i < 3 && sessions_.pump(); i++)
      came_[connection] += sessions_.take(session);
    return std::exchange(came_[connection], {});
  }
  bool is_closed(const std::string& connection) override { return find(connection).is_over(); }
  void advance(uint64_t ms) override {
    sessions_.store().clock.advance(ms);
    sessions_.tick();
  }

 private:
  Session& find(const std::string& connection) {
    auto& session = by_name_[connection];
    if (session == nullptr) session = &sessions_.open();
    return *session;
  }
  TestSessions sessions_;
  size_t step_;
  std::map<std::string, Session*> by_name_;
  std::map<std::string, Bytes> came_;
};

class TcpSide final : public TranscriptSide {
 public:
  explicit TcpSide(const ServiceOptions& options) : store_(options) {
    ServerOptions wanted;
    wanted.service = options;
    wanted.service.folder = store_.folder.path();
    wanted.threads = 2;
    server_ = Server::start(*store_.store, store_.disk, store_.clock, store_.random, wanted).value();
  }
  void send(const std::string& connection, BytesView bytes) override {
    REQUIRE_EQ(::send(find(connection), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  Bytes receive(const std::string& connection) override {
    pollfd wait{find(connection), POLLIN, 0};
    // The request that time was to pass for may reach the server later than that: then more time passes.
    for (int i = 0; poll(&wait, 1, 500) <= 0; i++) {
      if (i == 9) return {};
      if (has_advanced_) store_.clock.advance(50);
    }
    char buffer[65536];
    ssize_t got = recv(wait.fd, buffer, sizeof buffer, 0);
    return got > 0 ? Bytes(buffer, static_cast<size_t>(got)) : Bytes();
  }
  bool is_closed(const std::string& connection) override {
    pollfd wait{find(connection), POLLIN, 0};
    char byte;
    return poll(&wait, 1, 5000) > 0 && recv(wait.fd, &byte, 1, 0) <= 0;
  }
  void advance(uint64_t ms) override {
    store_.clock.advance(ms);
    has_advanced_ = true;
  }

 private:
  int find(const std::string& connection) {
    io::Fd& fd = by_name_[connection];
    if (fd.is_open()) return fd.get();
    fd = io::Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(server_->port())};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd.get();
  }
  SessionStore store_;
  std::unique_ptr<Server> server_;
  bool has_advanced_ = false;
  std::map<std::string, io::Fd> by_name_;
};

void play_all(const std::function<std::unique_ptr<TranscriptSide>(const ServiceOptions&)>& make) {
  std::vector<Transcript> all = load_transcripts();
  REQUIRE_GE(all.size(), 10u);
  for (const Transcript& transcript : all) {
    std::unique_ptr<TranscriptSide> side = make(transcript.options);
    std::string wrong = play(transcript, *side);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

}  // namespace

std::vector<Transcript> load_transcripts() {
  std::vector<Transcript> all;
  std::string folder = testing::source_tree() + "/tests/transcripts/kv";
  for (const std::string& name : io::list_folder(folder).value()) {
    if (!name.ends_with(".resp")) continue;
    Transcript transcript{name, {}, {}};
    std::istringstream in(io::read_file(folder + "/" + name).value());
    std::string line;
    for (int number = 1; std::getline(in, line); number++) {
      if (line.starts_with("option "))
        set_option(transcript, line);
      else if (!line.empty() && !line.starts_with("#"))
        transcript.lines.emplace_back(number, line);
    }
    all.push_back(std::move(transcript));
  }
  return all;
}

std::string play(const Transcript& transcript, TranscriptSide& side) {
  Player player{side};
  for (const auto& [number, line] : transcript.lines) {
    std::string wrong = player.step(line);
    if (!wrong.empty())
      return transcript.name + ":" + std::to_string(number) + ": " + line.substr(0, 200) + "\n  " + wrong;
  }
  std::string left = player.nothing_left();
  return left.empty() ? "" : transcript.name + ": at the end " + left;
}

TEST_CASE("every transcript holds for sessions without a socket") {
  play_all([](const ServiceOptions& options) { return std::make_unique<SessionSide>(options, SIZE_MAX / 2); });
}

TEST_CASE("every transcript holds when its bytes come in pieces, wherever they are split") {
  for (size_t piece : {1, 2, 3, 7, 64}) {
    INFO("pieces of ", piece);
    play_all([&](const ServiceOptions& options) { return std::make_unique<SessionSide>(options, piece); });
  }
}

TEST_CASE("every command of both dialects is said in some transcript") {
  std::set<std::string> zdb, redis;
  for (const Transcript& transcript : load_transcripts()) {
    auto& said = transcript.name.starts_with("redis_") ? redis : zdb;
    for (const auto& [number, line] : transcript.lines) {
      if (line.starts_with("> ")) said.insert(line.substr(2, line.find(' ', 2) - 2));
    }
  }
  for (const Command& command : zdb_commands()) CHECK_MESSAGE(zdb.contains(std::string(command.name)), command.name);
  for (const Command& command : redis_commands())
    CHECK_MESSAGE(redis.contains(std::string(command.name)), command.name);
}

TEST_CASE("every error of 0-db is answered in some transcript, or its README says why not") {
  // All that the reference lists (the server's complete set).
  std::string wanted = io::read_file(testing::source_tree() + "/src/kv/testdata/zdb_errors.txt").value();
  std::string readme = io::read_file(testing::source_tree() + "/tests/transcripts/kv/README.md").value();
  std::set<std::string> answered;
  for (const Transcript& transcript : load_transcripts()) {
    for (const auto& [number, line] : transcript.lines) {
      if (line.starts_with("< -")) answered.insert(line.substr(3));
    }
  }
  std::istringstream lines(wanted);
  size_t count = 0;
  for (std::string error; std::getline(lines, error); ++count) {
    bool is_explained = readme.find("| `" + error + "` |") != std::string::npos;
    CHECK_MESSAGE(answered.contains(error) != is_explained, error);
  }
  CHECK_GT(count, 60);
}

TEST_CASE("every transcript holds over TCP, with connections on two loops") {
  play_all([](const ServiceOptions& options) { return std::make_unique<TcpSide>(options); });
}

}  // namespace mcloud::kv
