#include "kv/server.h"

#include <unistd.h>

#include <thread>  // the loops' threads

#include "kv/server_loop.h"

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
    for (auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
    return {};
  }

  void stop() override {
    state_.stop();
    for (auto& loop : loops_) loop->stop();
    threads_.clear();  // joins
    workers_.reset();  // waits for what runs
    loops_.clear();
    if (std::exchange(has_socket_, false)) unlink(options_.socket_path.c_str());
  }

  uint16_t port() const override { return port_; }
  ServerState& state() override { return state_; }

 private:
  // On the first loop's thread.
  void give(Accepted accepted) { loops_[turn_++ % loops_.size()]->adopt(std::move(accepted)); }

  ServerState state_;
  const ServerOptions options_;
  std::unique_ptr<io::Pool> workers_ = std::make_unique<io::Pool>(kWorkers, kJobsMax);
  std::vector<std::unique_ptr<ServerLoop>> loops_;
  std::vector<std::jthread> threads_;
  size_t turn_ = 0;
  uint16_t port_ = 0;
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
