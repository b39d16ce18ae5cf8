// Several stores on simulated disks, streams between them that are delayed and cut, kills and power cuts at any step, a
// referee that elects as the design page says, writers who count what was acknowledged. By seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "kv/log/crc32c.h"
#include "kv/log/record.h"
#include "kv/replication/test_nodes.h"

using namespace mcloud;
using namespace mcloud::kv;
using namespace mcloud::kv::sim;

namespace {

class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    size_t count = 3 + random_.below(3);
    ledger_.copies = 1 + random_.below(3);
    History history;
    if (random_.chance(40)) history = {History::Keep::LastVersions, 1 + random_.below(2)};
    for (size_t i = 0; i < count; ++i) {
      nodes_.push_back(std::make_unique<Node>(i, seed * 101 + i, clock_));
      nodes_[i]->history = history;
      nodes_[i]->start();
      if (i < 3) ledger_.voters.insert(member_of(i));
    }
    ledger_.candidates = ledger_.voters;
    links_.resize(count);
    agent_up_.assign(count, true);
    compacts_ = history.keep != History::Keep::Forever;
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      clock_.advance(random_.below(12));
      disturb();
      step();
      if (i % 40 == 0) check_all();
    }
    heal();
  }

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t elections() const { return elections_; }
  uint64_t proposals() const { return proposals_; }

 private:
  Node& some_node() { return *nodes_[random_.below(nodes_.size())]; }
  uint64_t now() const { return clock_.monotonic_ms(); }

  // --- what goes wrong

  void disturb() {
    if (random_.chance(1)) isolated_.clear();
    if (random_.chance(1)) isolated_.insert(random_.below(nodes_.size()));
    if (random_.chance(2)) agent_up_[random_.below(nodes_.size())] = random_.chance(60);
    if (random_.chance(1)) crash(some_node(), random_.chance(60));
    if (Node& node = some_node(); random_.chance(1) && node.is_up()) node.disk.cut_power_after(1 + random_.below(60));
    if (random_.chance(2)) cut(random_.below(nodes_.size()));
    for (auto& node : nodes_) {
      if (node->group && !node->disk.has_power()) crash(*node, true);
      if (!node->group && now() >= node->back_at_ms) bring_back(*node);
    }
    while (!planned_.empty() && planned_.begin()->first <= now()) {
      auto event = std::move(planned_.begin()->second);
      planned_.erase(planned_.begin());
      event();
    }
    if (random_.chance(2)) have_bad_luck();
    if (random_.chance(1) && ledger_.primary) fence();
    if (random_.chance(1)) place_anew();
  }

  // The master and one follower are alone for a while, so that these two have what is acknowledged; then strike().
  void have_bad_luck() {
    if (!ledger_.primary || !planned_.empty()) return;
    const size_t primary = *ledger_.primary, unlucky = random_.below(nodes_.size());
    if (unlucky == primary) return crash_now(primary);  // and leads on in its term
    isolated_.clear();
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (i != primary && i != unlucky) isolated_.insert(i);
    }
    planned_.emplace(now() + 50 + random_.below(300), [=, this] { strike(primary, unlucky); });
  }

  // The follower loses power, the master is not heard of any more and writes on, another one is elected. Then the
  // follower loses power again, and hears only what its agent had been told before all this.
  void strike(size_t primary, size_t unlucky) {
    if (ledger_.primary != primary) return;
    const Ledger before = ledger_;
    agent_up_[primary] = false;
    agent_up_[unlucky] = true;
    crash_now(unlucky);
    fence();
    planned_.emplace(now() + 50 + random_.below(200), [=, this] {
      crash_now(unlucky);
      agent_up_[unlucky] = random_.chance(20);
      orders_.emplace(now() + 10 + random_.below(50), Order{unlucky, before});
    });
  }

  void crash_now(size_t node) {
    crash(*nodes_[node], true);
    nodes_[node]->back_at_ms = now();
  }

  void crash(Node& node, bool is_power_cut) {
    if (!node.group) return;
    for (size_t i = 0; i < links_.size(); ++i) {
      if (i == node.index || (links_[i] && links_[i]->master == node.index)) cut(i);
    }
    if (is_power_cut) {
      node.disk.cut_power();
    } else {
      node.disk.keep_power();
      node.disk.kill_process();
    }
    node.stop();
    node.back_at_ms = now() + random_.below(400);
  }

  void bring_back(Node& node) {
    if (!node.disk.has_power()) node.disk.restore_power();
    if (random_.chance(15)) node.disk.cut_power_after(1 + random_.below(80));
    if (!node.start()) node.back_at_ms = now() + random_.below(100);
  }

  bool is_cut_off(size_t one, size_t other) const {
    return one != other && isolated_.contains(one) != isolated_.contains(other);
  }

  // The connection of follower `i` ends; a part of what was underway may still arrive.
  void cut(size_t i) {
    if (!links_[i]) return;
    Link& link = *links_[i];
    bool may_arrive = nodes_[i]->is_up() && nodes_[i]->follows == link.follows;
    if (!link.down.empty() && may_arrive && random_.chance(50)) {
      Bytes& bytes = link.down.front().bytes;
      static_cast<void>(link.follower->feed(BytesView(bytes).substr(0, random_.below(bytes.size() + 1))));
    }
    if (Node& master = *nodes_[link.master]; master.feed && master.life == link.master_life)
      master.feed->remove(link.stream);
    links_[i].reset();
  }

  // --- the referee

  void fence() {
    ++ledger_.term;
    ledger_.primary.reset();
    ledger_.reports.clear();
    ledger_.heard.clear();
  }

  void place_anew() {
    std::string member = member_of(random_.below(nodes_.size()));
    Members candidates = ledger_.voters;
    if (!candidates.erase(member)) candidates.insert(member);
    if (candidates.size() >= ledger_.copies) ledger_.candidates = candidates;
  }

  // One look of a node's agent at the ledger.
  void visit(Node& node) {
    if (!node.is_up() || !agent_up_[node.index]) return;
    if (random_.chance(15)) {
      be_late(node.index);
    } else {
      carry_out(node, ledger_);
    }
  }

  void be_late(size_t node) { orders_.emplace(now() + random_.below(800), Order{node, ledger_}); }

  void carry_out_late_orders() {
    while (!orders_.empty() && orders_.begin()->first <= now()) {
      Order order = std::move(orders_.begin()->second);
      orders_.erase(orders_.begin());
      if (nodes_[order.node]->is_up()) carry_out(*nodes_[order.node], order.seen);
    }
  }

  void carry_out(Node& node, const Ledger& seen) {
    Status done;
    if (!seen.primary) {
      done = node.group->promise(seen.term);
      if (done.has_value()) report(node);
    } else if (*seen.primary == node.index) {
      bool led = node.leads();
      done = node.group->lead(
          {seen.term, member_of(node.index), seen.copies, seen.revision, seen.voters, seen.candidates});
      if (done.has_value() && node.leads() && !led) check_leader(node);
      collect_proposal(node);
    } else {
      Upstream upstream{"n", static_cast<uint16_t>(*seen.primary), ""};
      done = node.group->follow(seen.term, member_of(node.index), upstream);
    }
    if (!done.has_value() && node.disk.has_power() && done.error().code != Code::Denied)
      wrong("an order failed: " + done.error().message);
  }

  void report(Node& node) {
    if (ledger_.primary) return;
    Group::State state = node.group->status();
    if (!node.is_up() || state.term != ledger_.term) return;
    if (!ledger_.voters.contains(member_of(node.index))) return;
    ledger_.heard.insert(node.index);
    if (state.is_complete) ledger_.reports[node.index] = state.rank;
    size_t needed = ledger_.voters.size() - ledger_.copies + 1;
    bool is_enough = ledger_.reports.size() >= needed || ledger_.heard.size() == ledger_.voters.size();
    if (!is_enough || ledger_.reports.empty()) return;
    auto best = std::ranges::max_element(ledger_.reports, {}, [](const auto& one) { return one.second; });
    ledger_.primary = best->first;
    ++elections_;
  }

  void collect_proposal(Node& node) {
    if (!node.is_up()) return;
    Group::State state = node.group->status();
    if (!state.proposal.empty() && node.is_up())
      ledger_.underway.push_back({now() + random_.below(500), state.term, state.revision, state.proposal});
  }

  void take_proposals() {
    while (!ledger_.underway.empty() && ledger_.underway.front().due_ms <= now()) {
      Ledger::Proposal proposal = ledger_.underway.front();
      ledger_.underway.pop_front();
      if (proposal.revision != ledger_.revision || proposal.term != ledger_.term) continue;
      ledger_.voters = proposal.members;
      ++ledger_.revision;
      ++proposals_;
      ledger_.reports.clear();  // of voters that are none any more
      ledger_.heard.clear();
    }
  }

  // --- what everybody does

  void step() {
    take_proposals();
    carry_out_late_orders();
    for (int i = 0; i < 3; ++i) write(some_node());
    for (auto& node : nodes_) {
      if (node->is_up() && random_.chance(50)) node->store->syncer().run_due();
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (random_.chance(70)) carry(i);
    }
    if (random_.chance(30)) visit(some_node());
    if (compacts_ && random_.chance(2)) compact(some_node());
  }

  void compact(Node& node) {
    if (!node.leads()) return;
    if (random_.chance(15)) {
      // Everything that was written is meant to go.
      forgotten_ = written_;
      static_cast<void>(node.store->clear("default"));
      return;
    }
    static_cast<void>(node.space()->compact({}));
  }

  void write(Node& node) {
    if (!node.leads()) return;
    NamespacePtr space = node.space();
    Op op{.key = "key" + std::to_string(random_.below(12)), .value = std::to_string(++written_), .number = written_};
    if (random_.chance(10)) op.value += Bytes(random_.below(3000), 'x');
    op.copies = node.feed->copies();
    Result<Position> end = Position{0};
    {
      auto writer = space->writer();
      if (!writer.has_value()) return;
      bool is_transaction = random_.chance(20);
      if (is_transaction) {
        (*writer)->begin();
        static_cast<void>((*writer)->put("other", op.value));
      }
      end = (*writer)->put(op.key, op.value);
      if (is_transaction) static_cast<void>((*writer)->commit());
      if (!end.has_value() || !(*writer)->flush().has_value()) return;
    }
    auto entry = space->find(op.key);
    if (!entry.has_value() || !*entry) return;
    op.position = (*entry)->position;
    op.sequence = (*entry)->sequence;
    op.term = node.log().lineage.back().term;
    Feed* feed = node.feed.get();
    space->when_durable(*end, [this, feed, end = *end, op](Status status) {
      if (!status.has_value()) return;
      feed->wait(end, [this, op](Status enough) {
        if (enough.has_value()) acknowledge(op);
      });
    });
  }

  void acknowledge(const Op& op) {
    ++acknowledged_;
    if (op.copies < 2) return;
    acked_.push_back(op);
    for (auto& node : nodes_) {
      if (node->leads() && node->store->promised_term() > op.term) check_op(*node, op);
    }
  }

  void connect(size_t i) {
    Node& node = *nodes_[i];
    Node& master = *nodes_[*node.wanted];
    if (!master.leads() || is_cut_off(i, master.index) || i == master.index || random_.chance(50)) return;
    auto link = std::make_unique<Link>();
    link->master = master.index;
    link->master_life = master.life;
    link->master_streams = master.streams;
    link->follows = node.follows;
    Follower::Options options{.name = "default", .member = member_of(i), .begins_anew = anew_.contains(i)};
    link->follower = std::make_unique<Follower>(*node.store, clock_, options);
    anew_.erase(i);
    Bytes hello;
    auto sender = Sender::begin(master.space(), link->follower->request(), master.store->promised_term(), hello);
    if (!sender.has_value()) return;
    link->sender = std::make_unique<Sender>(std::move(*sender));
    link->stream = master.feed->add(nullptr, 0, {.member = member_of(i)});
    link->down.push_back({now(), hello});
    links_[i] = std::move(link);
  }

  // Moves bytes between a follower and its master.
  void carry(size_t i) {
    Node& node = *nodes_[i];
    if (links_[i]) {
      Link& link = *links_[i];
      Node& master = *nodes_[link.master];
      bool is_over = !node.is_up() || !master.is_up() || master.life != link.master_life ||
                     master.streams != link.master_streams || node.follows != link.follows;
      if (is_over) return cut(i);
      if (is_cut_off(i, link.master)) return random_.chance(10) ? cut(i) : void();
      if (!exchange(node, master, link)) cut(i);
      return;
    }
    if (node.is_up() && node.wanted) connect(i);
  }

  bool exchange(Node& node, Node& master, Link& link) {
    Bytes out;
    bool is_awaited = master.feed->is_awaited();
    if (!link.sender->pump(out, 64 << 10, {now(), clock_.wall_ms(), is_awaited}).has_value()) return false;
    if (!out.empty()) link.down.push_back({now() + random_.below(40), std::move(out)});
    while (!link.down.empty() && link.down.front().due_ms <= now()) {
      Bytes bytes = std::move(link.down.front().bytes);
      link.down.pop_front();
      size_t half = random_.below(bytes.size() + 1);
      Status done = link.follower->feed(BytesView(bytes).substr(0, half));
      if (done.has_value()) done = link.follower->feed(BytesView(bytes).substr(half));
      if (!done.has_value()) {
        if (link.follower->should_begin_anew()) anew_.insert(node.index);
        bool is_expected = !node.disk.has_power() || done.error().code == Code::Denied ||
                           link.follower->should_begin_anew();
        if (!is_expected) wrong("node " + std::to_string(node.index) + " cannot follow: " + done.error().message);
        return false;
      }
      check_follower(node, master, link);
    }
    if (!link.follower->tick().has_value()) return false;
    if (Bytes acks = link.follower->take_output(); !acks.empty())
      link.up.push_back({now() + random_.below(40), std::move(acks)});
    while (!link.up.empty() && link.up.front().due_ms <= now()) {
      auto ack = link.sender->feed(link.up.front().bytes);
      link.up.pop_front();
      if (!ack.has_value()) wrong("the master does not understand an ack: " + ack.error().message);
      if (*ack) master.feed->set_ack(link.stream, **ack, now());
    }
    return true;
  }

  // --- what must hold

  void check_op(Node& node, const Op& op) {
    // Who leads a term that is over already knows nothing of later ones.
    if (op.number <= forgotten_ || op.term > node.store->promised_term()) return;
    auto complain = [&](const std::string& what) {
      if (!node.is_up()) return;
      wrong("node " + std::to_string(node.index) + " leads term " + std::to_string(node.store->promised_term()) +
                  " and an acknowledged write of term " + std::to_string(op.term) + " at " +
                  std::to_string(op.position) + " " + what);
    };
    NamespacePtr space = node.space();
    if (op.position >= node.log().first) {
      auto entry = space->at(op.position);
      if (!entry.has_value()) return complain("is not there: " + entry.error().message);
      if (entry->key != op.key || entry->value != op.value) complain("has become another one");
      return;
    }
    auto entry = space->find(op.key);
    if (!entry.has_value()) return complain("cannot be read: " + entry.error().message);
    if (!*entry || (*entry)->sequence < op.sequence) complain("is not there after compaction");
  }

  void check_leader(Node& node) {
    for (const Op& op : acked_) check_op(node, op);
  }

  // A follower's log is a part of its master's, and what it shows never goes back.
  void check_follower(Node& node, Node& master, Link& link) {
    if (!link.follower->is_greeted() || !node.is_up() || !master.is_up()) return;
    LogState ours = node.log(), theirs = master.log();
    if (ours.end < link.shown) wrong("a follower's log went back");
    link.shown = ours.end;
    if (ours.end > 0 && common_end(ours.lineage, ours.end, theirs.lineage, theirs.end) < ours.end)
      wrong("a follower has what its master has not");
  }

  // One content per (term, generation, position), wherever it stands.
  void check_all() {
    for (auto& node : nodes_) {
      if (node->is_up()) check_content(*node);
    }
  }

  void check_content(Node& node) {
    LogState state = node.log();
    for (Position at = state.first; at < state.end;) {
      auto chunk = node.space()->replica().read_log(at, 1 << 20);
      if (!chunk.has_value() || chunk->bytes.empty()) return;
      if (chunk->is_damaged) wrong("node " + std::to_string(node.index) + " has a damaged log");
      while (at < chunk->end()) {
        auto header = parse_header(BytesView(chunk->bytes).substr(at - chunk->position), at);
        auto writer = std::ranges::find_if(state.lineage.rbegin(), state.lineage.rend(),
                                           [&](const Generation& one) { return one.from <= at; });
        if (!header || writer == state.lineage.rend()) wrong("a record that nobody has written");
        BytesView record = BytesView(chunk->bytes).substr(at - chunk->position, header->record_bytes());
        auto [known, is_new] = content_.try_emplace({state.id, writer->term, writer->number, at}, crc32c(record));
        if (known->second != crc32c(record))
          wrong("two contents of term " + std::to_string(writer->term) + " generation " +
                      std::to_string(writer->number) + " position " + std::to_string(at));
        at = header->end();
      }
    }
  }

  // Everything works again: all become one.
  void heal() {
    isolated_.clear();
    orders_.clear();
    planned_.clear();
    for (auto& node : nodes_) {
      node->disk.keep_power();
      if (node->group && !node->disk.has_power()) crash(*node, true);
      if (node->group) continue;
      if (!node->disk.has_power()) node->disk.restore_power();
      if (!node->start()) wrong("a node does not come back");
    }
    agent_up_.assign(nodes_.size(), true);
    for (int round = 0; round < 3000; ++round) {
      clock_.advance(5);
      take_proposals();
      for (size_t i = 0; i < nodes_.size(); ++i) {
        nodes_[i]->store->syncer().run_due();
        carry(i);
        if (round % 10 == 0) visit(*nodes_[i]);
      }
      if (round % 20 == 0 && is_one()) break;
    }
    if (!is_one()) wrong("the nodes do not become one: " + describe());
    check_all();
    check_leader(*nodes_[*ledger_.primary]);
  }

  std::string describe() const {
    std::string text = ledger_.primary ? "primary " + std::to_string(*ledger_.primary) : "electing";
    for (const auto& node : nodes_) {
      LogState state = node->log();
      text += "; " + std::to_string(node->index) + ": " + std::to_string(state.first) + "-" +
              std::to_string(state.end) + " lineage " + text_of(state.lineage);
    }
    return text;
  }

  bool is_one() const {
    if (!ledger_.primary || !nodes_[*ledger_.primary]->leads()) return false;
    LogState theirs = nodes_[*ledger_.primary]->log();
    Figures wanted = nodes_[*ledger_.primary]->space()->figures();
    return std::ranges::all_of(nodes_, [&](const auto& node) {
      LogState ours = node->log();
      Figures figures = node->space()->figures();
      return ours.id == theirs.id && ours.end == theirs.end && ours.lineage == theirs.lineage &&
             node->space()->replica().is_complete() && figures.keys == wanted.keys &&
             figures.live_bytes == wanted.live_bytes;
    });
  }

  testing::SimulatedRandom random_;
  testing::SimulatedClock clock_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Link>> links_;  // by follower
  std::set<size_t> isolated_, anew_;
  std::vector<bool> agent_up_;
  Ledger ledger_;
  std::multimap<uint64_t, Order> orders_;  // by the time at which they arrive
  std::multimap<uint64_t, std::function<void()>> planned_;
  bool compacts_ = false;
  std::vector<Op> acked_;
  std::map<std::tuple<Bytes, uint64_t, uint64_t, Position>, uint32_t> content_;
  uint64_t written_ = 0, forgotten_ = 0, acknowledged_ = 0, elections_ = 0, proposals_ = 0;
};

}  // namespace

TEST_CASE("whatever falls away, nothing acknowledged by several is lost, and all become one again") {
  const char* only = std::getenv("KV_SEED");
  const char* many = std::getenv("KV_SEEDS");
  uint64_t first = only != nullptr ? std::stoull(only) : 1;
  uint64_t count = only != nullptr ? 1 : many != nullptr ? std::stoull(many) : 300;
  uint64_t acknowledged = 0, elections = 0, proposals = 0;
  log::set_level(log::Level::Error);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    INFO("repeat it with KV_SEED=", seed);
    World world(seed);
    world.run(400);
    acknowledged += world.acknowledged();
    elections += world.elections();
    proposals += world.proposals();
  }
  log::set_level(log::Level::Info);
  if (only != nullptr) return;
  // Else nothing was tried.
  CHECK_GT(acknowledged, count * 20);
  CHECK_GT(elections, count * 2);
  CHECK_GT(proposals, count / 4);
}
