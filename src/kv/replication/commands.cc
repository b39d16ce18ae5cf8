// The commands of replication, ours in both dialects; docs/reference/kv-replication.md describes them.
#include <charconv>

#include "kv/commands.h"
#include "kv/replication/stream.h"
#include "kv/session.h"

namespace mcloud::kv {
namespace {

constexpr size_t kHostBytesMax = 253, kPasswordBytesMax = 128;

Bytes answer(const Status& done) {
  if (done.has_value()) return "+OK\r\n";
  Bytes bytes;
  wire::RespWriter(bytes, wire::RespVersion::Two).error(error_text(Dialect::Redis, done.error()));
  return bytes;
}

std::optional<uint64_t> to_number(std::string_view text) {
  uint64_t number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

bool is_admin(Call& call) {
  if (call.session.is_admin()) return true;
  call.session.tallies().unauthorized.add();
  call.reply.error("Permission denied");
  return false;
}

// Orders wait for writers and disks: off the loop.
void order(Call& call, std::function<Status(Group&)> work) {
  call.round.settle();
  call.session.reply_later(
      [&group = call.state().replication().group(), work = std::move(work)] { return answer(work(group)); });
}

std::string_view role_word(const Group::State& state) {
  return state.is_deposed ? "deposed" : word_of(state.role);
}

std::string master_of(const Group::State& state) {
  return state.upstream.host.empty() ? "" : state.upstream.host + ":" + std::to_string(state.upstream.port);
}

Bytes describe(const Group::State& state) {
  Bytes bytes;
  wire::RespWriter reply(bytes, wire::RespVersion::Two);
  const std::pair<std::string_view, std::string> lines[] = {
      {"role", std::string(role_word(state))},
      {"term", std::to_string(state.term)},
      {"rank_term", std::to_string(state.rank.term)},
      {"rank_generation", std::to_string(state.rank.generation)},
      {"rank_position", std::to_string(state.rank.position)},
      {"complete", state.is_complete ? "yes" : "no"},
      {"voters_revision", std::to_string(state.revision)},
      {"proposal", state.proposal.empty() ? "" : text_of(state.proposal)},
      {"master", master_of(state)},
      {"reason", state.reason},
  };
  reply.array(std::size(lines) * 2);
  for (const auto& [name, value] : lines) {
    reply.bulk(name);
    reply.bulk(value);
  }
  return bytes;
}

void order_of_agent(Call& call, std::function<Status(Group&)> work) {
  call.round.settle();
  call.session.reply_later([&group = call.state().replication().group(), work = std::move(work)] {
    Status done = work(group);
    return done.has_value() ? describe(group.status()) : answer(done);
  });
}

std::optional<Upstream> upstream_of(Call& call, std::string_view host, std::string_view port,
                                    std::string_view password) {
  auto number = to_number(port);
  bool is_right = number && (*number > 0 || host.starts_with('/')) && *number <= 65535 && !host.empty() &&
                  host.size() <= kHostBytesMax && password.size() <= kPasswordBytesMax;
  if (is_right) return Upstream{std::string(host), static_cast<uint16_t>(*number), std::string(password)};
  call.reply.error("ERR a host and a port from 1 to 65535 belong there");
  return {};
}

// What the agent started this server with goes for the namespace that is there, from the moment that it leads.
Status apply_defaults(ServerState& state) {
  SpacePtr space = state.find(kDefaultNamespace);
  const Settings& wanted = state.options().defaults;
  if (!space) return {};
  Settings now = space->store->settings();
  bool is_same = now.durability == wanted.durability && now.interval_ms == wanted.interval_ms &&
                 now.history.keep == wanted.history.keep && now.history.amount == wanted.history.amount &&
                 now.bytes_max == wanted.bytes_max;
  if (is_same) return {};
  return state.change(*space, [&wanted](Settings& settings) {
    settings.durability = wanted.durability;
    settings.interval_ms = wanted.interval_ms;
    settings.history = wanted.history;
    settings.bytes_max = wanted.bytes_max;
  });
}

// GROUP LEAD term member copies voters-revision voters candidates
void group_lead(Call& call) {
  auto term = to_number(call[2]), copies = to_number(call[4]), revision = to_number(call[5]);
  auto voters = parse_members(call[6]), candidates = parse_members(call[7]);
  bool is_right = term && copies && revision && *copies > 0 && *copies <= kMembersMax && is_member_name(call[3]) &&
                  voters.has_value() && candidates.has_value() && voters->size() >= *copies;
  if (!is_right)
    return call.reply.error("ERR GROUP LEAD term member copies voters-revision voters candidates: "
                            "numbers, members with commas between, at least as many voters as copies");
  Group::LeadOrder wanted{*term, std::string(call[3]), *copies, *revision, std::move(*voters), std::move(*candidates)};
  order_of_agent(call, [wanted, &state = call.state()](Group& group) -> Status {
    TRY(group.lead(wanted));
    return group.may_write() ? apply_defaults(state) : Status();
  });
}

void group_follow(Call& call) {
  auto term = to_number(call[2]);
  if (!term || !is_member_name(call[3])) return call.reply.error("ERR GROUP FOLLOW term member host port");
  const std::string& password = call.state().options().upstream_password;
  auto upstream = upstream_of(call, call[4], call[5], password);
  if (!upstream) return;
  order_of_agent(call, [term = *term, member = std::string(call[3]), upstream = *upstream](Group& group) {
    return group.follow(term, member, upstream);
  });
}

void reply_followers(Call& call) {
  auto followers = call.space()->feed->followers();
  call.reply.array(3);
  call.reply.bulk("master");
  call.reply.integer(static_cast<int64_t>(call.store().figures().end));
  call.reply.array(followers.size());
  for (const Feed::Follower& follower : followers) {
    size_t colon = follower.address.rfind(':');
    bool has_port = colon != std::string::npos;
    call.reply.array(3);
    call.reply.bulk(has_port ? std::string_view(follower.address).substr(0, colon) : follower.address);
    call.reply.bulk(has_port ? std::string_view(follower.address).substr(colon + 1) : "0");
    call.reply.bulk(std::to_string(follower.ack.durable));
  }
}

}  // namespace

// REPLICATE protocol namespace member promised-term log-id end lineage: a follower begins.
void run_replicate(Call& call) {
  if (!is_admin(call)) return;
  auto request = parse_stream_request(call.arguments);
  if (!request.has_value()) return call.reply.error("ERR " + request.error().message);
  SpacePtr space = call.state().find(request->name);
  if (space == nullptr) return call.reply.error("ERR no such namespace");
  Group& group = call.state().replication().group();
  if (!group.may_write() && group.refusal().code == Code::Denied)
    return call.reply.error("FENCED " + group.refusal().message);
  if (!group.may_write() && group.refusal().message.empty())
    return call.reply.error("ERR this server neither leads nor follows: there is nothing to be had");
  call.round.settle();
  auto stream = Stream::begin(call.state(), space, *request, call.session.mailbox(), call.session.identity().id,
                              call.session.identity().address, call.reply.bytes());
  if (stream) call.session.become_stream(std::move(stream));
}

// FOLLOW host port [password] | FOLLOW NO ONE
void run_follow(Call& call) {
  if (!is_admin(call)) return;
  if (call.count() != 3 && call.count() != 4)
    return call.reply.error("ERR FOLLOW host port [password], or FOLLOW NO ONE");
  if (call.count() == 3 && equals_ignoring_case(call[1], "NO") && equals_ignoring_case(call[2], "ONE"))
    return order(call, [](Group& group) { return group.follow_nobody(); });
  std::string_view password = call.count() == 4 ? call[3] : std::string_view(call.state().options().upstream_password);
  auto upstream = upstream_of(call, call[1], call[2], password);
  if (upstream) order(call, [upstream = *upstream](Group& group) { return group.follow(upstream); });
}

// REPLICAOF host port | REPLICAOF NO ONE, which makes a master, as Redis users expect.
void run_replicaof(Call& call) {
  if (!is_admin(call)) return;
  if (equals_ignoring_case(call[1], "NO") && equals_ignoring_case(call[2], "ONE"))
    return order(call, [](Group& group) -> Status {
      if (group.may_write()) return {};
      return group.promote({});
    });
  run_follow(call);
}

// PROMOTE [term]
void run_promote(Call& call) {
  if (!is_admin(call)) return;
  std::optional<uint64_t> term;
  if (call.count() == 2) term = to_number(call[1]);
  if (call.count() > 2 || (call.count() == 2 && !term)) return call.reply.error("ERR PROMOTE takes a term or nothing");
  order(call, [term](Group& group) { return group.promote(term); });
}

// MIN-REPLICAS n: so many followers have a write on their disks before it is acknowledged.
void run_min_replicas(Call& call) {
  if (!is_admin(call)) return;
  auto count = to_number(call[1]);
  if (!count || *count >= kMembersMax) return call.reply.error("ERR MIN-REPLICAS takes a number from 0 to 63");
  order(call, [count = *count](Group& group) { return group.set_copies(count + 1); });
}

// SNAPSHOT: what is here of this namespace is kept aside and copied anew.
void run_snapshot(Call& call) {
  if (!is_admin(call)) return;
  Status begun = call.state().replication().begin_anew(call.store().name());
  if (begun.has_value()) return call.reply.simple("OK");
  call.reply.error(error_text(Dialect::Redis, begun.error()));
}

// ROLE, as Redis answers it.
void run_role(Call& call) {
  call.round.settle();
  if (call.state().replication().group().may_write()) return reply_followers(call);
  std::string host;
  int64_t port = 0;
  std::string refusal = call.state().replication().group().refusal().message;
  if (size_t colon = refusal.rfind(':'); colon != std::string::npos) {
    host = refusal.substr(0, colon);
    port = parse_integer(refusal.substr(colon + 1)).value_or(0);
  }
  std::string_view state = "connect";
  for (const auto& one : call.state().replication().following()) {
    if (one.name != call.store().name() || !one.state.is_connected) continue;
    state = one.state.figures.is_complete ? "connected" : "sync";
  }
  call.reply.array(5);
  call.reply.bulk("slave");
  call.reply.bulk(host);
  call.reply.integer(port);
  call.reply.bulk(state);
  call.reply.integer(static_cast<int64_t>(call.store().figures().end));
}

// GROUP PROMISE term | LEAD ... | FOLLOW term member host port | STATUS: the orders of a node's agent.
void run_group(Call& call) {
  if (!is_admin(call)) return;
  auto is = [&](std::string_view word, size_t count) {
    return call.count() == count && equals_ignoring_case(call[1], word);
  };
  if (is("STATUS", 2)) return order_of_agent(call, [](Group&) { return Status(); });
  if (!call.state().options().is_managed)
    return call.reply.error("ERR this server is not managed: FOLLOW and PROMOTE are for people");
  if (call.state().options().has_agent_socket && !call.session.is_agent())
    return call.reply.error("NOPERM the orders of the node's agent come by the unix socket");
  if (is("LEAD", 8)) return group_lead(call);
  if (is("FOLLOW", 6)) return group_follow(call);
  auto term = is("PROMISE", 3) ? to_number(call[2]) : std::nullopt;
  if (!term) return call.reply.error("ERR GROUP PROMISE term | LEAD ... | FOLLOW term member host port | STATUS");
  order_of_agent(call, [term = *term](Group& group) { return group.promise(term); });
}

// --- for other commands

bool refuse_unless_leading(Call& call) {
  const Group& group = call.state().replication().group();
  if (group.may_write()) return false;
  Error refusal = group.refusal();
  if (refusal.code == Code::Denied) {
    call.reply.error("FENCED " + refusal.message);
  } else if (call.session.dialect() == Dialect::Zdb) {
    call.reply.error("Namespace is in read-only mode");
  } else {
    std::string text = "READONLY You can't write against a read only replica.";
    if (!refusal.message.empty()) text += " The master is " + refusal.message;
    call.reply.error(text);
  }
  return true;
}

bool refuse_while_loading(const Command& command, Call& call) {
  if (!call.space()->is_loading || (command.flags & (kRead | kWrite)) == 0) return false;
  for (std::string_view other : {"COMMAND", "CONFIG", "ECHO", "INFO", "NSINFO", "NSLIST", "PING", "TIME"}) {
    if (command.name == other) return false;
  }
  call.reply.error(std::string(kLoading));
  return true;
}

}  // namespace mcloud::kv
