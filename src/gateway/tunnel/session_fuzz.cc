// What a hostile peer may send, to both roles: no input ends us, pieces and the whole give the same, and what is unread
// stays within its bound. The first byte chooses the role, the second what the shell does.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "gateway/tunnel/session.h"

using namespace mcloud;
using namespace mcloud::gateway;

namespace {

// A shell that answers in ways that depend on `habits` alone.
class FuzzEnd final : public SessionEvents {
 public:
  FuzzEnd(Session::Role role, const SessionLimits& limits, uint8_t its_habits)
      : habits(its_habits), session(role, limits, *this, 1'000'000) {}
  void on_ready() override {}
  void on_announced(uint32_t target, BytesView name) override {
    if (name.empty() || name.size() > kTargetBytesMax) std::abort();
    static_cast<void>(session.open(target));
    if ((habits & 1) != 0) static_cast<void>(session.open(target));
  }
  void on_withdrawn(uint32_t target) override {
    if (session.open(target)) std::abort();
  }
  void on_open(uint32_t stream, uint32_t) override {
    if ((habits & 2) != 0 && stream % 3 == 0) return session.refuse(stream, Refusal::TimedOut);
    if ((habits & 4) != 0 && stream % 3 == 1) return session.reset(stream);
    session.opened(stream);
    session.set_readable(stream);
  }
  void on_opened(uint32_t stream) override { session.set_readable(stream); }
  void on_refused(uint32_t, Refusal) override {}
  void on_data(uint32_t stream, BytesView bytes) override {
    received += bytes.size();
    if ((habits & 8) != 0) session.consumed(stream, bytes.size());
    if ((habits & 16) != 0 && bytes.size() % 5 == 0) session.reset(stream);
  }
  void on_end(uint32_t stream) override {
    if ((habits & 32) != 0) session.end(stream);
  }
  void on_reset(uint32_t stream) override { session.consumed(stream, 0); }
  void on_goaway() override {
    if ((habits & 64) != 0) session.go_away("enough");
  }
  void send_some() {
    for (int i = 0; i < 50; ++i) {  // a peer may grant gigabytes
      auto turn = session.next_turn();
      if (!turn) return;
      session.finish_turn(*turn, std::min<size_t>(turn->size, 100), (habits & 128) != 0);
    }
  }
  const uint8_t habits;
  size_t received = 0;
  Session session;
};

struct Outcome {
  size_t received;
  std::string error;
  Bytes said;
  bool operator==(const Outcome&) const = default;
};

Outcome run(BytesView bytes, size_t step, Session::Role role, uint8_t habits) {
  SessionLimits limits;
  limits.streams_max = 8;
  limits.targets_max = 4;
  limits.window_first = 300;
  limits.window_max = 900;
  limits.unread_pressure = 500;
  limits.unread_max = 1000;
  FuzzEnd end(role, limits, habits);
  if (role == Session::Role::Node)
    for (int i = 0; i < 3; ++i) static_cast<void>(end.session.announce("t"));
  std::string error;
  Bytes said;
  for (size_t begin = 0; begin < bytes.size() && error.empty(); begin += step) {
    Status heard = end.session.receive(bytes.substr(begin, step), 1'000'000);
    if (!heard) error = heard.error().message;
    if (end.session.unread() > limits.unread_max) std::abort();
    if (end.session.streams() > 3 * limits.streams_max) std::abort();
  }
  said += end.session.outgoing();
  end.send_some();
  static_cast<void>(end.session.tick(1'700'000));
  if (!error.empty() && end.session.receive("x", 1)) std::abort();
  return {end.received, error, said};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  auto role = data[0] % 2 == 0 ? Session::Role::Gateway : Session::Role::Node;
  BytesView bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  Outcome whole = run(bytes, bytes.size() + 1, role, data[1]);
  if (whole != run(bytes, 1, role, data[1]) || whole != run(bytes, 7, role, data[1])) std::abort();
  return 0;
}
