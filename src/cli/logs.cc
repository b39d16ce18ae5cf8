// mcloud logs
#include <unistd.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "bot/nearest.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "contract/header.h"
#include "sink/client.h"

namespace mcloud::cli {
namespace {

constexpr size_t kLineBytesMax = 1 << 20;  // a line put together from parts

struct Options {
  std::string what;
  bool follow = false;
  bool times = false;
  uint64_t tail = 0;
};

struct Wanted {
  std::string contract;
  std::string workload;
  std::optional<uint32_t> index;
};

// CONTRACT[/WORKLOAD[/INDEX]], or CONTRACT/web-0 as replicas are shown.
Result<Wanted> parse_wanted(const std::string& text) {
  Wanted wanted;
  size_t first = text.find('/');
  wanted.contract = text.substr(0, first);
  if (first == std::string::npos) return wanted;
  std::string rest = text.substr(first + 1);
  size_t second = rest.find('/');
  wanted.workload = rest.substr(0, second);
  if (second == std::string::npos) return wanted;
  uint32_t index = 0;
  const char* begin = rest.data() + second + 1;
  const char* end = rest.data() + rest.size();
  auto [stopped, error] = std::from_chars(begin, end, index);
  if (begin == end || error != std::errc() || stopped != end) {
    return make_error(Code::Invalid,
                      "\"" + text.substr(0, 80) +
                          "\": it is CONTRACT, CONTRACT/WORKLOAD or CONTRACT/WORKLOAD/INDEX, like hello/web/0");
  }
  wanted.index = index;
  return wanted;
}

// "web-0", as replicas are shown, is web/0 when the contract has a workload web and none with the whole name.
void read_replica_name(const pb::ContractHeader& header, Wanted& wanted) {
  size_t dash = wanted.workload.rfind('-');
  if (dash == std::string::npos || wanted.index || contract::find_facets(header, wanted.workload) != nullptr) return;
  std::string workload = wanted.workload.substr(0, dash);
  Result<Wanted> other = parse_wanted(wanted.contract + "/" + workload + "/" + wanted.workload.substr(dash + 1));
  if (other && contract::find_facets(header, workload) != nullptr) wanted = *other;
}

// A workload of an earlier version may have lines too, so this is only asked when there are none.
Status check_wanted(const pb::ContractHeader& header, const Wanted& wanted) {
  const pb::Facets* facets = contract::find_facets(header, wanted.workload);
  if (wanted.workload.empty()) return {};
  if (facets == nullptr) {
    std::vector<std::string> names;
    for (const pb::Facets& one : header.workloads()) {
      if (one.replicas() > 0) names.push_back(one.name());
    }
    return make_error(Code::NotFound, bot::not_found("workload", wanted.workload, names));
  }
  if (!wanted.index || *wanted.index < facets->replicas()) return {};
  return make_error(Code::NotFound, "workload " + wanted.workload + " has " + std::to_string(facets->replicas()) +
                                        (facets->replicas() == 1 ? " replica" : " replicas") + ", counted from 0");
}

// Opens batches and prints lines; with a tail it keeps the last ones until it is told to print.
class Printer {
 public:
  Printer(Desk& desk, const crypto::SigningKey& owner, const Options& options)
      : out_(desk.out()), owner_(owner), options_(options) {}

  Status batch(const pb::StoredBatch& stored) {
    const pb::LogBatch& batch = stored.batch();
    std::string replica = batch.workload() + "-" + std::to_string(batch.index());
    last_ = std::max(last_, stored.number());
    if (batch.dropped() > 0)
      add({replica, batch.first_ns(), true,
           "(" + std::to_string(batch.dropped()) + " lines were lost here: the node's buffer was full)"});
    pb::LogLines lines = TRY(sink::open_lines(owner_, batch).with_context("logs of " + replica));
    for (const pb::LogLine& line : lines.lines()) {
      std::string& whole = parts_[{replica, line.is_error()}];
      whole += line.text();
      if (line.is_part() && whole.size() < kLineBytesMax) continue;
      add({replica, line.time_ns(), line.is_error(), std::move(whole)});
      whole.clear();
    }
    return {};
  }

  void flush() {
    // Batches of several replicas come one after the other; people read in time's order.
    std::ranges::sort(kept_, {}, [](const Line& line) { return std::pair(line.time_ns, line.arrival); });
    size_t skipped = options_.tail != 0 && kept_.size() > options_.tail ? kept_.size() - options_.tail : 0;
    for (size_t i = skipped; i < kept_.size(); i++) print(kept_[i]);
    kept_.clear();
    keeps_ = false;
  }
  uint64_t last() const { return last_; }
  bool has_lines() const { return arrivals_ > 0; }

 private:
  struct Line {
    std::string replica;
    uint64_t time_ns = 0;
    bool is_error = false;
    std::string text;
    uint64_t arrival = 0;  // of several with one time the order stays
  };

  void add(Line line) {
    line.arrival = ++arrivals_;
    if (!keeps_) return print(line);
    kept_.push_back(std::move(line));
    if (kept_.size() > 2 * options_.tail + 1000)
      kept_.erase(kept_.begin(), kept_.end() - static_cast<ptrdiff_t>(options_.tail));
  }

  void print(const Line& line) {
    out_.document_line({{"time_ns", line.time_ns},
                        {"replica", line.replica},
                        {"stream", line.is_error ? "stderr" : "stdout"},
                        {"text", line.text}});
    std::string time = options_.times && line.time_ns != 0 ? format_time(line.time_ns / 1'000'000) + " " : "";
    std::string text = line.text;
    // A terminal obeys what it is shown; a file or another program gets the bytes as they are.
    if (isatty(STDOUT_FILENO) == 1) {
      std::ranges::replace(text, '\t', ' ');
      text = printable(text);
    }
    out_.line(time + paint(line.replica, line.is_error ? Tone::Warning : Tone::Faint, out_.colour()) + "  " + text);
  }

  Output& out_;
  const crypto::SigningKey& owner_;
  const Options& options_;
  bool keeps_ = options_.tail != 0;
  std::vector<Line> kept_;
  std::map<std::pair<std::string, bool>, std::string> parts_;
  uint64_t last_ = 0;
  uint64_t arrivals_ = 0;
};

Result<crypto::SigningKey> owner_key(Desk& desk, bot::LedgerView& view, const pb::Contract& contract) {
  PublicKey owner = TRY(PublicKey::from_bytes(contract.owner()));
  Result<wallet::KeyInfo> here = desk.wallet().find(owner.hex());
  if (here) return desk.wallet().unlock(here->name);
  return make_error(Code::Denied, "the logs of " + contract.name() + " can only be opened by its owner " +
                                      view.name_of(owner) + ", whose key is not on this machine");
}

// The owner of many lines wants the last few: newer batches are asked for until they hold enough.
Status read_stored(sink::Reader& reader, sink::LogQuery query, Printer& printer) {
  for (;;) {
    sink::Reader::Page page = TRY(reader.read(query));
    for (const pb::StoredBatch& stored : page.batches) TRY(printer.batch(stored));
    if (page.batches.empty() || !page.has_more) return {};
    query.after = page.batches.back().number();
    query.newest.reset();
  }
}

Status logs(Desk& desk, const Options& options) {
  Wanted wanted = TRY(parse_wanted(options.what));
  bot::LedgerView* view = TRY(desk.ledger());
  const Context* context = TRY(desk.context());
  if (context->sink.empty())
    return make_error(Code::Unavailable, "no sink is known for this ledger, so there are no logs to read");
  pb::Contract contract = TRY(desk.get_contract(wanted.contract));
  pb::ContractHeader header = TRY(contract::decode_header(bot::main_version(contract).header()));
  read_replica_name(header, wanted);
  crypto::SigningKey owner = TRY(owner_key(desk, *view, contract));
  std::unique_ptr<sink::Reader> reader =
      TRY(sink::Reader::open({context->sink, view->chain_id()}, owner, desk.clock()));
  sink::LogQuery query;
  query.contract = TRY(ContractId::from_bytes(contract.id()));
  query.workload = wanted.workload;
  query.index = wanted.index;
  if (options.tail != 0) query.newest = options.tail;  // each batch has a line at least
  Printer printer(desk, owner, options);
  TRY(read_stored(*reader, query, printer));
  printer.flush();
  if (!printer.has_lines()) TRY(check_wanted(header, wanted));
  if (!printer.has_lines()) desk.out().note(options.follow ? "no lines yet; waiting" : "no lines yet");
  if (!options.follow) return {};
  query.newest.reset();
  query.after = printer.last();
  Status shown;
  Status ended = reader->follow(
      query, [&](const pb::StoredBatch& stored) { return (shown = printer.batch(stored)).has_value(); },
      [] { return true; });
  return shown ? ended : shown;
}

Command logs_command() {
  auto options = std::make_shared<Options>();
  Command command("logs", "what a contract's containers print");
  command.example("mcloud logs -f hello/web")
      .describe("Lines come through the sink, encrypted for the contract's owner; only that key opens them.")
      .argument("CONTRACT", "whose lines; /WORKLOAD and /INDEX narrow it, as in hello/web/0 or hello/web-0",
                options->what)
      .flag("-f,--follow", "go on with what comes, until Ctrl-C", options->follow)
      .option("-n,--tail", "N", "begin with the last N lines only", options->tail)
      .flag("-t,--times", "show when (UTC)", options->times)
      .run([options](Desk& desk) { return logs(desk, *options); });
  return command;
}

}  // namespace

Commands logs_commands() { return {logs_command()}; }

}  // namespace mcloud::cli
