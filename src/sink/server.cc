#include "sink/server.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/loop.h"
#include "ledger/guarded.h"
#include "sink/client.h"
#include "wire/canonical.h"
#include "wire/http_server.h"
#include "wire/json.h"

namespace mcloud::sink {
namespace {

constexpr size_t kPageBytesMax = 4 << 20;
constexpr size_t kFollowersMax = 256;
constexpr size_t kFollowersPerContractMax = 16;

Result<uint64_t> number_of(const wire::HttpRequest& request, std::string_view name, uint64_t otherwise) {
  std::optional<std::string> text = request.parameter(name);
  if (!text) return otherwise;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (text->empty() || error != std::errc() || end != text->data() + text->size()) {
    return make_error(Code::Invalid, std::string(name) + ": must be a number");
  }
  return value;
}

std::string event_text(const pb::StoredBatch& batch) {
  return "event: batch\nid: " + std::to_string(batch.number()) + "\ndata: " + to_base64(wire::encode(batch)) + "\n\n";
}

wire::HttpResponse json_response(const nlohmann::json& value) { return {.body = wire::json_text(value)}; }

// Someone who reads on.
struct Follower {
  Shelf::Filter filter;
  std::shared_ptr<wire::HttpStream> stream;
};

// What HTTP workers share. Under one lock, so that no batch falls between a follower's backlog and its live part.
struct Shared {
  Shelf shelf;
  std::vector<Follower> followers;
};

class RealServer final : public Server {
 public:
  RealServer(const Options& options, std::unique_ptr<Directory> directory, const Clock& clock, Shelf shelf)
      : options_(options), directory_(std::move(directory)), clock_(clock), shared_(Shared{std::move(shelf), {}}), thread_(1, 1) {}

  ~RealServer() override {
    loop_.stop();
    http_.reset();  // no handler runs after this
  }

  Status open() {
    wire::HttpServer::Options http;
    http.host = options_.host;
    http.port = options_.port;
    http.body_bytes_max = kPushBytesMax;
    http.stream_backlog_bytes_max = 2 * kPageBytesMax;
    http_ = TRY(wire::HttpServer::start(http, [this](const wire::HttpRequest& request) { return answer(request); }));
    loop_.post([this] { keep_alive(); });
    thread_.submit([this] { loop_.run(); });
    return {};
  }
  uint16_t port() const override { return http_->port(); }

 private:
  wire::HttpAnswer answer(const wire::HttpRequest& request) {
    Result<wire::HttpAnswer> answer = route(request);
    if (answer.has_value()) return std::move(*answer);
    return wire::error_response(answer.error());
  }

  Result<wire::HttpAnswer> route(const wire::HttpRequest& request) {
    std::string_view path = request.path();
    if (path == "/v1/push" && request.method == "POST") return push(request);
    if (path == "/v1/logs" && request.method == "GET") return logs(request);
    if (path == "/metrics" && request.method == "GET") {
      Families families = shared_.with([&](Shared& shared) { return shared.shelf.metrics(clock_.monotonic_ms()); });
      return wire::HttpAnswer(wire::HttpResponse{.content_type = "text/plain; version=0.0.4", .body = format_exposition(families)});
    }
    if (path == "/health" && request.method == "GET") return wire::HttpAnswer(json_response({{"ok", true}}));
    return make_error(Code::NotFound, "there is no " + request.method + " " + std::string(path));
  }

  // ---- nodes push ----------------------------------------------------------------------------------

  Result<wire::HttpAnswer> push(const wire::HttpRequest& request) {
    auto signed_push = TRY(wire::decode<pb::SignedPush>(request.body, "push", kPushBytesMax));
    auto push = TRY(wire::decode<pb::Push>(signed_push.push(), "push", kPushBytesMax));
    NodeId node = TRY(NodeId::from_bytes(push.node()));
    if (push.chain_id() != options_.chain_id) return make_error(Code::Denied, "the push is for chain " + push.chain_id());
    if (!crypto::verify(node, kDomain, signed_push.push(), signed_push.signature())) {
      return make_error(Code::Denied, "the push is not signed by the node it names");
    }
    Directory::NodeEntry entry = TRY(directory_->node(node, false));
    if (!has_all(entry, push)) entry = TRY(directory_->node(node, true));
    std::optional<Families> metrics;
    if (!push.metrics().empty()) metrics = TRY(parse_exposition(push.metrics(), {"node", entry.name}));
    if (!shared_.with([&](Shared& shared) { return shared.shelf.is_new(node, push.counter()); })) {
      return make_error(Code::Conflict, "a push with this counter, or a later one, was taken already");
    }
    uint64_t taken = 0;
    for (const pb::LogBatch& batch : push.logs()) taken += take(node, entry, batch);
    if (metrics) {
      shared_.with([&](Shared& shared) { shared.shelf.set_metrics(node, std::move(*metrics), clock_.monotonic_ms()); });
    }
    uint64_t all = static_cast<uint64_t>(push.logs_size());
    return wire::HttpAnswer(json_response({{"taken", taken}, {"refused", all - taken}}));
  }

  static bool may_push(const Directory::NodeEntry& entry, const pb::LogBatch& batch) {
    auto contract = ContractId::from_bytes(batch.contract());
    return contract.has_value() && entry.contracts.contains(*contract);
  }
  static bool has_all(const Directory::NodeEntry& entry, const pb::Push& push) {
    return std::all_of(push.logs().begin(), push.logs().end(), [&](const pb::LogBatch& batch) { return may_push(entry, batch); });
  }

  bool take(const NodeId& node, const Directory::NodeEntry& entry, const pb::LogBatch& batch) {
    if (!may_push(entry, batch)) return false;
    return shared_.with([&](Shared& shared) {
      Result<pb::StoredBatch> stored = shared.shelf.append(node, batch, clock_.wall_ms());
      if (!stored.has_value()) {
        log::warning("sink", "a batch is refused", {{"contract", to_hex(batch.contract())}, {"reason", stored.error().message}});
        return false;
      }
      for (const Follower& follower : shared.followers) {
        if (follower.filter.fits(*stored)) follower.stream->write(event_text(*stored));
      }
      return true;
    });
  }

  // ---- owners read -----------------------------------------------------------------------------------

  Status check_reader(const wire::HttpRequest& request, const ContractId& contract) {
    auto header = [&](const char* name) -> std::string {
      auto found = request.headers.find(name);
      return found == request.headers.end() ? "" : found->second;
    };
    PublicKey key = TRY(PublicKey::from_hex(header("x-mcloud-key")).with_context("x-mcloud-key"));
    Bytes signature = TRY(from_base64(header("x-mcloud-signature")).with_context("x-mcloud-signature"));
    std::string time = header("x-mcloud-time");
    if (!crypto::verify(key, kDomain, read_statement({options_.chain_id, request.target, time}), signature)) {
      return make_error(Code::Denied, "the request is not signed by the key it names");
    }
    uint64_t sent_ms = 0;
    std::from_chars(time.data(), time.data() + time.size(), sent_ms);
    uint64_t now = clock_.wall_ms();
    if (std::max(now, sent_ms) - std::min(now, sent_ms) > options_.replay_window_ms) {
      return make_error(Code::Denied, "the request was signed too long ago, or your clock is off: it differs by " +
                                          std::to_string((std::max(now, sent_ms) - std::min(now, sent_ms)) / 1000) + " s");
    }
    // The same answer for what is not there and what is somebody else's.
    Result<PublicKey> owner = directory_->owner(contract);
    if (!owner.has_value() && owner.error().code != Code::NotFound) return owner.error();
    if (!owner.has_value() || *owner != key) return make_error(Code::Denied, "logs are read by the contract's owner only");
    return {};
  }

  Result<wire::HttpAnswer> logs(const wire::HttpRequest& request) {
    Shelf::Filter filter;
    filter.contract = TRY(ContractId::from_hex(request.parameter("contract").value_or("")));
    TRY(check_reader(request, filter.contract));
    filter.workload = request.parameter("workload").value_or("");
    if (request.parameter("index")) filter.index = static_cast<uint32_t>(TRY(number_of(request, "index", 0)));
    uint64_t after = TRY(number_of(request, "after", 0));
    if (request.parameter("newest")) {
      uint64_t newest = TRY(number_of(request, "newest", 0));
      after = std::max(after, TRY(shared_.with([&](Shared& shared) { return before_newest(shared.shelf, filter, newest); })));
    }
    if (request.parameter("follow").value_or("") == "1") return follow(filter, after);
    return page(filter, after);
  }

  // The number after which only `newest` fitting batches are left.
  static Result<uint64_t> before_newest(Shelf& shelf, const Shelf::Filter& filter, uint64_t newest) {
    std::vector<uint64_t> numbers;
    TRY(shelf.each(filter, 0, [&](const pb::StoredBatch& batch) {
      numbers.push_back(batch.number());
      return true;
    }));
    if (numbers.size() <= newest) return 0;
    return numbers[numbers.size() - newest - 1];
  }

  Result<wire::HttpAnswer> page(const Shelf::Filter& filter, uint64_t after) {
    nlohmann::json batches = nlohmann::json::array();
    bool has_more = false;
    size_t bytes = 0;
    uint64_t first = TRY(shared_.with([&](Shared& shared) -> Result<uint64_t> {
      TRY(shared.shelf.each(filter, after, [&](const pb::StoredBatch& batch) {
        std::string text = to_base64(wire::encode(batch));
        has_more = bytes > 0 && bytes + text.size() > kPageBytesMax;
        if (has_more) return false;
        bytes += text.size();
        batches.push_back(std::move(text));
        return true;
      }));
      return shared.shelf.first_number(filter.contract);
    }));
    return wire::HttpAnswer(json_response({{"batches", std::move(batches)}, {"first", first}, {"more", has_more}}));
  }

  Result<wire::HttpAnswer> follow(const Shelf::Filter& filter, uint64_t after) {
    bool has_room = shared_.with([&](Shared& shared) {
      auto is_same = [&](const Follower& follower) { return follower.filter.contract == filter.contract; };
      size_t own = static_cast<size_t>(std::count_if(shared.followers.begin(), shared.followers.end(), is_same));
      return shared.followers.size() < kFollowersMax && own < kFollowersPerContractMax;
    });
    if (!has_room) return make_error(Code::Exhausted, "too many are following logs already");
    wire::HttpStreaming streaming;
    streaming.started = [this, filter, after](std::shared_ptr<wire::HttpStream> stream) {
      shared_.with([&](Shared& shared) {
        Status told = shared.shelf.each(filter, after, [&](const pb::StoredBatch& batch) { return stream->write(event_text(batch)); });
        if (told.has_value()) shared.followers.push_back({filter, stream});
        if (!told.has_value()) stream->close();
      });
    };
    return wire::HttpAnswer(std::move(streaming));
  }

  void keep_alive() {
    shared_.with([&](Shared& shared) {
      std::erase_if(shared.followers, [](const Follower& follower) { return !follower.stream->write(": still here\n\n"); });
    });
    timer_ = loop_.after(options_.keep_alive_ms, [this] { keep_alive(); });
  }

  const Options options_;
  const std::unique_ptr<Directory> directory_;
  const Clock& clock_;
  ledger::Guarded<Shared> shared_;
  std::unique_ptr<wire::HttpServer> http_;
  io::Loop loop_;
  io::Timer timer_;
  io::Pool thread_;  // the loop's; ends first
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Options& options, std::unique_ptr<Directory> directory, const Clock& clock) {
  Shelf shelf = TRY(Shelf::open(options.folder, options.limits));
  auto server = std::make_unique<RealServer>(options, std::move(directory), clock, std::move(shelf));
  TRY(server->open());
  return server;
}

Status run_sink(const ProcessOptions& options) {
  io::SystemClock clock;
  TRY(io::make_folders(options.server.folder, 0700));
  ledger::Client::Options ledger{.endpoints = options.ledger, .trust = options.trust,
                                 .state_file = options.server.folder + "/ledger-height"};
  auto client = TRY(ledger::Client::open(ledger, clock));
  Server::Options server_options = options.server;
  server_options.chain_id = options.trust.chain_id;
  auto server = TRY(Server::start(server_options, std::make_unique<LedgerDirectory>(std::move(client), clock), clock));
  log::info("sink", "sink listens", {{"port", std::to_string(server->port())}});
  io::Loop loop;
  loop.stop_on_signals();
  loop.run();
  return {};
}

}  // namespace mcloud::sink
