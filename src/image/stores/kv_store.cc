#include "image/stores/kv_store.h"

#include <algorithm>
#include <array>

#include "image/blocks/block.h"
#include "image/stores/kept_connections.h"
#include "io/interrupt.h"
#include "wire/resp_client.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kConnectTimeoutMs = 2'000;
constexpr wire::RespReplyBounds kBounds = {.bulk_bytes_max = 8 << 20, .items_max = 1, .depth_max = 1};

using wire::RespReply;
using Kind = wire::RespReply::Kind;
using Words = std::vector<std::string_view>;

struct Refusal {
  std::string_view begins;
  Code code;
  std::string_view hint = "";
};
// What servers of both dialects say; the rest is Invalid.
constexpr std::array kRefusals = {
    Refusal{"Access denied", Code::Denied},
    Refusal{"Permission denied", Code::Denied},
    Refusal{"WRONGPASS", Code::Denied},
    Refusal{"NOAUTH", Code::Denied},
    Refusal{"NOPERM", Code::Denied},
    Refusal{"READONLY", Code::Denied},
    Refusal{"Authentication disabled", Code::Denied},
    Refusal{"Namespace protected and private", Code::Denied},
    Refusal{"Namespace is in read-only mode", Code::Denied},
    Refusal{"Namespace is protected by worm mode", Code::Denied},
    Refusal{"Namespace not found", Code::Invalid, "; make it with NSNEW"},
    Refusal{"Invalid key, only update authorized", Code::Unsupported,
            "; the namespace counts its keys itself: NSSET it to mode user"},
    Refusal{"No space left", Code::Exhausted},
    Refusal{"OOM", Code::Exhausted},
    Refusal{"Namespace is temporarily", Code::Unavailable},
    Refusal{"Your active namespace", Code::Unavailable},
    Refusal{"Cannot write", Code::Unavailable},
    Refusal{"Internal", Code::Unavailable},
    Refusal{"FENCED", Code::Unavailable},
    Refusal{"LOADING", Code::Unavailable},
};

class KvStore final : public BlockStore {
 public:
  KvStore(const StoreUrl& url, const wire::Endpoint& endpoint, const StoreOptions& options, io::Interrupt interrupt)
      : url_(url),
        name_(url.without_secrets()),
        endpoint_(endpoint),
        interrupt_(std::move(interrupt)),
        connections_(options.connections_max) {}

  Result<Bytes> get(const Hash& id, uint64_t timeout_ms) override {
    RespReply reply = TRY(ask({"GET", id.view()}, timeout_ms));
    if (reply.kind == Kind::Null) return make_error(Code::NotFound, "the block is not there");
    if (reply.kind != Kind::Bulk) return unexpected();
    if (reply.text.size() > kStoredBytesMax) return make_error(Code::Corrupt, "the value is larger than any block");
    return std::move(reply.text);
  }

  // Null: the same bytes were there. Ours answers when they are durable; for a 0-db its --sync decides.
  Status put(const Hash& id, BytesView stored, uint64_t timeout_ms) override {
    RespReply reply = TRY(ask({"SET", id.view(), stored}, timeout_ms));
    bool is_done = reply.kind == Kind::Null || reply.kind == Kind::Bulk || reply.kind == Kind::Simple;
    return is_done ? Status() : unexpected();
  }

  Result<bool> has(const Hash& id, uint64_t timeout_ms) override {
    RespReply reply = TRY(ask({"EXISTS", id.view()}, timeout_ms));
    if (reply.kind != Kind::Integer) return unexpected();
    return reply.integer == 1;
  }

  void cancel() override {
    interrupt_.ring();
    connections_.close();
  }
  const std::string& name() const override { return name_; }

 private:
  using Connection = std::unique_ptr<wire::RespClient>;

  // All that is asked here may be asked twice. A kept connection may have been closed meanwhile.
  Result<RespReply> ask(const Words& words, uint64_t timeout_ms) {
    const uint64_t deadline_ms = wire::deadline_in(timeout_ms);
    Connection connection = TRY(connections_.take(deadline_ms));
    if (connection != nullptr && connection->is_stale()) connection.reset();
    const bool is_kept = connection != nullptr;
    Result<RespReply> reply = ask_on(connection, words, deadline_ms);
    if (!reply.has_value() && is_kept && reply.error().code == Code::Unavailable) {
      connection.reset();
      reply = ask_on(connection, words, deadline_ms);
    }
    if (reply.has_value())
      connections_.keep(std::move(connection));
    else
      connections_.drop();
    if (reply.has_value() && reply->kind == Kind::Error) return refusal(*reply);
    // No right answer in RESP is a store that does not work, not a wrong block.
    if (!reply.has_value() && reply.error().code == Code::Corrupt) {
      return make_error(Code::Unavailable, std::move(reply.error().message));
    }
    return reply;
  }

  Result<RespReply> ask_on(Connection& connection, const Words& words, uint64_t deadline_ms) {
    if (connection == nullptr) connection = TRY(connect(deadline_ms));
    return connection->ask(words, deadline_ms, kBounds);
  }

  Result<Connection> connect(uint64_t deadline_ms) {
    uint64_t connect_ms = std::min(deadline_ms, wire::deadline_in(kConnectTimeoutMs));
    Connection connection =
        TRY(wire::RespClient::connect(endpoint_, connect_ms, {.tls = nullptr, .interrupt_fd = interrupt_.fd()}));
    Words login;
    if (!url_.space.empty() && url_.space != "default") {
      login = {"SELECT", url_.space};
    } else if (!url_.password.empty()) {
      login = {"AUTH"};
    }
    if (login.empty()) return connection;
    if (!url_.password.empty()) login.push_back(url_.password);
    RespReply reply = TRY(connection->ask(login, deadline_ms, kBounds));
    if (reply.kind == Kind::Error) return refusal(reply).with_context(std::string(login[0]));
    return connection;
  }

  // Some servers repeat what they did not understand, a password too.
  Error refusal(const RespReply& reply) const {
    std::string text = reply.text.substr(0, reply.text.find('\n'));
    for (size_t at = 0; !url_.password.empty() && (at = text.find(url_.password, at)) != std::string::npos; ++at) {
      text.replace(at, url_.password.size(), "*");
    }
    text = text.substr(0, 200);
    std::string_view said = text;
    if (said.starts_with("ERR ")) said.remove_prefix(4);
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (const Refusal& known : kRefusals) {
      bool is_it = said.size() >= known.begins.size() &&
                   std::ranges::equal(said.substr(0, known.begins.size()), known.begins, {}, lower, lower);
      if (is_it) return make_error(known.code, "the server says: " + text + std::string(known.hint));
    }
    return make_error(Code::Invalid, "the server says: " + text);
  }

  static Error unexpected() { return make_error(Code::Unavailable, "the server's answer is of another kind"); }

  const StoreUrl url_;
  const std::string name_;
  const wire::Endpoint endpoint_;
  const io::Interrupt interrupt_;
  KeptConnections<wire::RespClient> connections_;
};

}  // namespace

Result<std::unique_ptr<BlockStore>> make_kv_store(const StoreUrl& url, const StoreOptions& options) {
  constexpr size_t socket_path_max = 107;  // sockaddr_un
  if (url.host.empty() && url.path.size() > socket_path_max) {
    return make_error(Code::Invalid, "store URL zdb://...: the path of a socket has at most 107 bytes");
  }
  wire::Endpoint endpoint;
  endpoint.host = url.host;
  endpoint.port = url.port;
  if (url.host.empty()) endpoint.unix_path = url.path;
  endpoint.text = url.without_secrets();
  io::Interrupt interrupt = TRY(io::Interrupt::make());
  return std::unique_ptr<BlockStore>(std::make_unique<KvStore>(url, endpoint, options, std::move(interrupt)));
}

}  // namespace mcloud::image
