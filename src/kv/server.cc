#include "kv/server.h"

#include <unistd.h>

#include <mutex>   // TLS files are read again while connections come
#include <thread>  // the loops' threads

#include "kv/metrics.h"
#include "kv/server_loop.h"
#include "wire/http_server.h"

namespace mcloud::kv {
namespace {

constexpr size_t kWorkers = 2;
constexpr size_t kJobsMax = 1024;

class LoopServer final : public Server {
 public:
  LoopServer(Store& store, Disk& disk, Clock& clock, Random& random, const ServerOptions& options)
      : state_(store, disk, clock, random, options.service), options_(options) {}
  ~LoopServer() override { stop(); }

  Status open() {
    TRY(state_.replication().open(options_.replication));
    for (size_t i = 0; i < std::max<size_t>(options_.threads, 1); i++)
      loops_.push_back(TRY(ServerLoop::make(state_, *workers_, options_)));
    if (!options_.host.empty()) {
      Listening listening = TRY(listen_tcp(options_.host, options_.port));
      port_ = listening.port;
      TRY(loops_[0]->listen(std::move(listening), [this](Accepted accepted) { give(std::move(accepted)); }));
    }
    if (!options_.socket_path.empty()) {
      Listening listening = TRY(listen_unix(options_.socket_path));
      TRY(loops_[0]->listen(std::move(listening), [this](Accepted accepted) { give(std::move(accepted)); }));
      has_socket_ = true;
    }
    if (!options_.tls.certificate.empty()) TRY(open_tls());
    if (options_.has_metrics) TRY(open_metrics());
    for (auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
    return {};
  }

  void stop() override {
    state_.stop();
    metrics_.reset();
    state_.replication().stop();
    for (auto& loop : loops_) loop->stop();
    threads_.clear();  // joins
    workers_.reset();  // waits for what runs
    loops_.clear();
    if (std::exchange(has_socket_, false)) unlink(options_.socket_path.c_str());
  }

  uint16_t port() const override { return port_; }
  uint16_t tls_port() const override { return tls_port_; }
  uint16_t metrics_port() const override { return metrics_ == nullptr ? 0 : metrics_->port(); }
  Status reload_tls() override {
    if (options_.tls.certificate.empty()) return {};
    auto fresh = TRY(io::TlsContext::for_server(options_.tls));
    std::lock_guard lock(tls_mutex_);
    tls_ = std::move(fresh);
    return {};
  }
  ServerState& state() override { return state_; }

 private:
  Status open_tls() {
    TRY(reload_tls());
    Listening listening = TRY(listen_tcp(options_.tls_host, options_.tls_port));
    listening.is_tls = true;
    tls_port_ = listening.port;
    return loops_[0]->listen(std::move(listening), [this](Accepted accepted) {
      {
        std::lock_guard lock(tls_mutex_);
        accepted.tls = tls_;
      }
      give(std::move(accepted));
    });
  }

  Status open_metrics() {
    wire::HttpServer::Options http{.host = options_.metrics_host, .port = options_.metrics_port, .workers = 1,
                                   .connections_max = 32, .body_bytes_max = 1024, .idle_timeout_ms = 300'000};
    metrics_ = TRY(wire::HttpServer::start(http, [this](const wire::HttpRequest& request) -> wire::HttpAnswer {
      bool is_ours = request.path() == "/metrics" && request.method == "GET";
      if (!is_ours) return wire::error_response(make_error(Code::NotFound, "GET /metrics is all that there is"));
      return wire::HttpResponse{.content_type = "text/plain; version=0.0.4", .headers = {}, .body = metrics_text(state_)};
    }));
    return {};
  }

  // On the first loop's thread.
  void give(Accepted accepted) { loops_[turn_++ % loops_.size()]->adopt(std::move(accepted)); }

  ServerState state_;
  const ServerOptions options_;
  std::unique_ptr<io::Pool> workers_ = std::make_unique<io::Pool>(kWorkers, kJobsMax);
  std::vector<std::unique_ptr<ServerLoop>> loops_;
  std::vector<std::jthread> threads_;
  std::mutex tls_mutex_;
  std::shared_ptr<const io::TlsContext> tls_;
  std::unique_ptr<wire::HttpServer> metrics_;
  size_t turn_ = 0;
  uint16_t port_ = 0, tls_port_ = 0;
  bool has_socket_ = false;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Store& store, Disk& disk, Clock& clock, Random& random,
                                              const ServerOptions& options) {
  auto server = std::make_unique<LoopServer>(store, disk, clock, random, options);
  TRY(server->open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace mcloud::kv
