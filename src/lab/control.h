// The control socket of a running cluster, DIR/control.sock: one line of JSON in, one line out, any number of
// times per connection. The socket's folder may have a path of any length.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "lab/poller.h"

namespace mcloud::lab {

class ControlServer {
 public:
  static constexpr size_t kClientsMax = 64;
  static constexpr size_t kLineBytesMax = 256 << 10;
  // Called once with the answer's line, now or later, from the poller's thread.
  using Answer = std::function<void(const std::string& line)>;
  using Handler = std::function<void(const std::string& line, Answer answer)>;

  // Replaces what is left at `path`; mode 0600.
  static Result<std::unique_ptr<ControlServer>> listen(Poller& poller, const std::string& path, Handler handler);
  ~ControlServer();  // removes the socket

 private:
  struct Client {
    io::Fd fd;
    std::string input;
    bool is_waiting = false;  // for its answer; reads no further meanwhile
  };
  ControlServer(Poller& poller, std::string path, Handler handler, io::Fd fd)
      : poller_(poller), path_(std::move(path)), handler_(std::move(handler)), fd_(std::move(fd)) {}
  void on_accept();
  void on_input(uint64_t number);
  void next_line(uint64_t number);
  void answer(uint64_t number, const std::string& line);
  void drop(uint64_t number);

  Poller& poller_;
  std::string path_;
  Handler handler_;
  io::Fd fd_;
  uint64_t last_number_ = 0;
  std::map<uint64_t, Client> clients_;
  std::shared_ptr<ControlServer*> alive_ = std::make_shared<ControlServer*>(this);  // answers may outlive us
};

// One exchange from another process. NotFound when no cluster listens there, TimedOut after `timeout_ms`.
Result<std::string> ask_control(const std::string& path, const std::string& line, uint64_t timeout_ms);

}  // namespace mcloud::lab
