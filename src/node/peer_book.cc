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

size_t PeerBook::Peer::count(Ping::Fate fate) const {
  return static_cast<size_t>(std::count_if(unanswered.begin(), unanswered.end(), [&](const Ping& ping) { return ping.fate == fate; }));
}

void PeerBook::Peer::decide_oldest(bool is_lost) {
  unanswered.pop_front();
  window.push_back(is_lost);
  if (window.size() > kWindow) window.pop_front();
}

void PeerBook::Peer::judge(Round round) {
  for (Ping& ping : unanswered) {
    if (ping.fate != Ping::Fate::Asked) continue;
    bool is_forgiven = round == Round::Late && count(Ping::Fate::Forgiven) < kForgivenMax;
    ping.fate = is_forgiven ? Ping::Fate::Forgiven : Ping::Fate::Missed;
  }
  while (unanswered.size() > misses_max() + kForgivenMax) decide_oldest(true);
}

std::vector<PeerBook::Echo> PeerBook::next() {
  std::vector<Echo> echoes;
  for (auto& [node, peer] : peers_) {
    if (peer.rests > 0) {
      --peer.rests;
      continue;
    }
    peer.unanswered.push_back({++sequence_});
    echoes.push_back({node, peer.reach, sequence_});
  }
  return echoes;
}

bool PeerBook::answered(const Reach& reach, uint16_t sequence, uint64_t rtt_us) {
  for (auto& [node, peer] : peers_) {
    auto ping = std::find_if(peer.unanswered.begin(), peer.unanswered.end(), [&](const Ping& one) { return one.sequence == sequence; });
    if (peer.reach != reach || ping == peer.unanswered.end()) continue;
    for (auto before = std::distance(peer.unanswered.begin(), ping); before > 0; --before) peer.decide_oldest(true);
    peer.decide_oldest(false);
    peer.has_answered = true;
    peer.rtt_us = std::max<uint64_t>(rtt_us, 1);
    return true;
  }
  return false;
}

void PeerBook::judge(Round round) {
  for (auto& [node, peer] : peers_) peer.judge(round);
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
