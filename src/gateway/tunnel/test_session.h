// For tests: a session whose events are kept as words, and two of them that hear each other.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gateway/tunnel/session.h"

namespace mcloud::gateway {

class SessionEnd final : public SessionEvents {
 public:
  SessionEnd(Session::Role role, const SessionLimits& limits = {}) : session(role, limits, *this, 1'000'000) {}
  std::vector<std::string> take() { return std::exchange(said, {}); }
  bool has_said(const std::string& word) const { return std::find(said.begin(), said.end(), word) != said.end(); }
  // All of `bytes`, as far as the windows allow; how much.
  size_t write(uint32_t stream, BytesView bytes) {
    size_t written = 0;
    session.set_readable(stream);
    while (written < bytes.size()) {
      auto turn = session.next_turn();
      if (!turn) break;
      size_t size = std::min(turn->size, bytes.size() - written);
      std::memcpy(turn->space, bytes.data() + written, size);
      written += size;
      session.finish_turn(*turn, size, written < bytes.size());
    }
    return written;
  }

  void on_ready() override { said.push_back("ready"); }
  void on_announced(uint32_t target, BytesView name) override { say("announced", target, std::string(name)); }
  void on_withdrawn(uint32_t target) override { say("withdrawn", target); }
  void on_open(uint32_t stream, uint32_t target) override {
    say("open", stream, std::to_string(target));
    if (opens_at_once) session.opened(stream);
  }
  void on_opened(uint32_t stream) override { say("opened", stream); }
  void on_refused(uint32_t stream, Refusal refusal) override {
    say("refused", stream, std::to_string(static_cast<int>(refusal)));
  }
  void on_data(uint32_t stream, BytesView bytes) override {
    got[stream] += bytes;
    if (consumes) session.consumed(stream, bytes.size());
  }
  void on_end(uint32_t stream) override { say("end", stream); }
  void on_reset(uint32_t stream) override { say("reset", stream); }
  void on_goaway() override { said.push_back("goaway"); }

  std::vector<std::string> said;
  std::map<uint32_t, Bytes> got;
  bool consumes = true, opens_at_once = true;
  Session session;

 private:
  void say(const std::string& what, uint32_t number, const std::string& more = "") {
    said.push_back(what + " " + std::to_string(number) + (more.empty() ? "" : " " + more));
  }
};

struct SessionPair {
  explicit SessionPair(const SessionLimits& limits = {})
      : gateway(Session::Role::Gateway, limits), node(Session::Role::Node, limits) {}
  // Until neither has more to say; the first error of the two.
  Status settle() {
    while (!gateway.session.outgoing().empty() || !node.session.outgoing().empty()) {
      Status heard = pass(gateway, node);
      if (!heard) return heard;
      heard = pass(node, gateway);
      if (!heard) return heard;
    }
    return {};
  }
  Status pass(SessionEnd& from, SessionEnd& to) const {
    Bytes bytes(from.session.outgoing());
    from.session.sent_all();
    return to.session.receive(bytes, now_us);
  }
  uint32_t open() {
    if (!node.has_said("ready")) static_cast<void>(settle());
    if (target == 0) target = node.session.announce("web").value();
    static_cast<void>(settle());
    uint32_t stream = gateway.session.open(target).value();
    static_cast<void>(settle());
    return stream;
  }
  SessionEnd gateway, node;
  uint32_t target = 0;
  uint64_t now_us = 1'000'000;
};

}  // namespace mcloud::gateway
