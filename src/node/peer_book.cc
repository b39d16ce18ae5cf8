#include "node/peer_book.h"

#include <algorithm>

namespace mcloud::node {

void PeerBook::set_targets(const std::map<NodeId, Reach>& targets, const NodeId& self) {
  std::erase_if(peers_, [&](const auto& entry) {
    auto target = targets.find(entry.first);
    return target == targets.end() || target->second != entry.second.reach;
  });
  for (const auto& [node, reach] : targets) {
    auto [peer, is_new] = peers_.try_emplace(node);
    if (!is_new) continue;
    peer->second.reach = reach;
    if (self > node) peer->second.rests = kRestRounds;
  }
}

void PeerBook::decide(Peer& peer, bool is_lost) {
  peer.waiting.reset();
  peer.misses = is_lost ? peer.misses + 1 : 0;
  peer.has_answered = peer.has_answered || !is_lost;
  peer.window.push_back(is_lost);
  if (peer.window.size() > kWindow) peer.window.pop_front();
}

std::vector<PeerBook::Echo> PeerBook::next() {
  judge();
  std::vector<Echo> echoes;
  for (auto& [node, peer] : peers_) {
    if (peer.rests > 0) {
      --peer.rests;
      continue;
    }
    peer.waiting = ++sequence_;
    echoes.push_back({node, peer.reach, sequence_});
  }
  return echoes;
}

bool PeerBook::answered(const Reach& reach, uint16_t sequence, uint64_t rtt_us) {
  for (auto& [node, peer] : peers_) {
    if (peer.reach != reach || peer.waiting != sequence) continue;
    peer.rtt_us = std::max<uint64_t>(rtt_us, 1);
    decide(peer, false);
    return true;
  }
  return false;
}

void PeerBook::judge() {
  for (auto& [node, peer] : peers_) {
    if (peer.waiting) decide(peer, true);
  }
}

std::set<NodeId> PeerBook::silent() const {
  std::set<NodeId> silent;
  for (const auto& [node, peer] : peers_) {
    if (peer.is_silent()) silent.insert(node);
  }
  return silent;
}

std::map<NodeId, PeerFigures> PeerBook::figures() const {
  std::map<NodeId, PeerFigures> figures;
  for (const auto& [node, peer] : peers_) {
    figures[node] = {.rtt_us = peer.rtt_us, .sent = peer.window.size(),
                     .lost = static_cast<size_t>(std::count(peer.window.begin(), peer.window.end(), true)),
                     .is_silent = peer.is_silent()};
  }
  return figures;
}

}  // namespace mcloud::node
