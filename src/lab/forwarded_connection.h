// Inside this room only: one client of the forwarder, its race and its bytes.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "lab/forward.h"

namespace mcloud::lab {

class ForwardedConnection {
 public:
  ForwardedConnection(Forwarder& owner, uint64_t number, io::Fd client,
                      std::shared_ptr<Forwarder::Candidates> candidates);
  ~ForwardedConnection();
  ForwardedConnection(const ForwardedConnection&) = delete;
  ForwardedConnection& operator=(const ForwardedConnection&) = delete;

  // May destroy this.
  void start();

 private:
  struct Attempt {
    Target target;
    io::Fd fd;
  };
  struct Side {
    io::Fd fd;
    bool is_watched = false;
    uint32_t events = 0;  // watched for
    std::string backlog;  // read from the other side, not yet written here
    size_t backlog_done = 0;
    bool is_read_out = false;  // it sent its end
    bool is_shut = false;      // we sent it the other's end
    bool is_finished() const { return is_read_out && is_shut; }
  };

  void start_next();
  void on_attempt(int fd);
  void connected(Attempt winner);
  void on_side(size_t index, uint32_t events);
  bool read_from(size_t index);
  bool write_to(size_t index, std::string_view bytes);
  bool flush(size_t index);
  void watch_sides();
  Status watch(size_t index, uint32_t events);
  void end(bool is_clean);

  Forwarder& owner_;
  uint64_t number_;
  std::shared_ptr<Forwarder::Candidates> candidates_;
  std::vector<Target> waiting_;  // to be tried, the next one last
  std::vector<Attempt> attempts_;
  uint64_t stagger_timer_ = 0;
  uint64_t patient_until_ms_ = 0;
  uint64_t deadline_timer_ = 0;
  std::array<Side, 2> sides_;  // client, target
};

}  // namespace mcloud::lab
