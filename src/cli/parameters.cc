// mcloud parameters show | set
#include "cli/parameters.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "bot/nearest.h"
#include "bot/send.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "wallet/transactions.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TimeParameter {
  std::string_view name;
  uint64_t (pb::Parameters::*get)() const;
  void (pb::Parameters::*set)(uint64_t);
  std::string_view meaning;
};
constexpr TimeParameter kTimes[] = {
    {"fence_after", &pb::Parameters::fence_after_ms, &pb::Parameters::set_fence_after_ms,
     "silence after which a node is fenced"},
    {"mass_loss_window", &pb::Parameters::mass_loss_window_ms, &pb::Parameters::set_mass_loss_window_ms,
     "losses within it count as one"},
    {"exclusion", &pb::Parameters::exclusion_ms, &pb::Parameters::set_exclusion_ms,
     "how long a node that cannot run a workload is spared; doubles"},
};
constexpr std::string_view kTries = "tries_max";
constexpr std::string_view kGovernors = "governors";
constexpr std::string_view kNextVersion = "next_logic_version";
constexpr std::string_view kNextHeight = "next_logic_height";

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const TimeParameter& time : kTimes) all.emplace_back(time.name);
  for (std::string_view name : {kTries, kGovernors, kNextVersion, kNextHeight}) all.emplace_back(name);
  return all;
}

Result<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number <= UINT32_MAX) return number;
  return make_error(Code::Invalid, "a whole number is needed, not \"" + std::string(text.substr(0, 40)) + "\"");
}

Status set_governors(pb::Parameters& parameters, std::string_view list, const KeyOfName& key_of) {
  std::vector<Bytes> keys;
  for (size_t start = 0; start <= list.size();) {
    size_t end = std::min(list.find(',', start), list.size());
    PublicKey key = TRY(key_of(list.substr(start, end - start)));
    keys.push_back(key.bytes());
    start = end + 1;
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  parameters.clear_governors();
  for (Bytes& key : keys) parameters.add_governors(std::move(key));
  return {};
}

Json json_of(const pb::Parameters& parameters, const NameOfKey& name_of) {
  Json governors = Json::array();
  for (const std::string& key : parameters.governors())
    governors.push_back(name_of(PublicKey::from_bytes(key).value_or(PublicKey())));
  return {{"fence_after_ms", parameters.fence_after_ms()},
          {"mass_loss_window_ms", parameters.mass_loss_window_ms()},
          {"exclusion_ms", parameters.exclusion_ms()},
          {"tries_max", parameters.tries_max()},
          {"governors", governors},
          {"logic_version", parameters.logic_version()},
          {"next_logic_version", parameters.next_logic_version()},
          {"next_logic_height", parameters.next_logic_height()}};
}

Command show_command() {
  Command command("parameters show", "the ledger's parameters, and who may set them");
  command.example("mcloud parameters show").run([](Desk& desk) -> Status {
    bot::LedgerView* view = TRY(desk.ledger());
    pb::Parameters parameters = TRY(view->parameters());
    NameOfKey name_of = [&](const PublicKey& key) { return view->name_of(key); };
    desk.out().document({{"parameters", json_of(parameters, name_of)}});
    Table table{{"PARAMETER", "VALUE", "MEANING"}, {}};
    for (const ParameterWord& word : words_of(parameters, name_of))
      table.rows.push_back({{word.name, Tone::Strong}, word.value, word.meaning});
    desk.out().table(table);
    return {};
  });
  return command;
}

Status set(Desk& desk, const std::vector<std::string>& assignments) {
  bot::LedgerView* view = TRY(desk.ledger());
  pb::Parameters before = TRY(view->parameters());
  pb::Parameters after = before;
  for (const std::string& one : assignments)
    TRY(set_parameter(after, one, [&](std::string_view who) { return view->key_of(who); }));
  NameOfKey name_of = [&](const PublicKey& key) { return view->name_of(key); };
  std::vector<ParameterWord> old = words_of(before, name_of), now = words_of(after, name_of);
  if (json_of(before, name_of) == json_of(after, name_of)) {
    desk.out().document({{"parameters", json_of(after, name_of)}, {"height", 0}});
    desk.out().line("nothing changes");
    return {};
  }
  std::string name = TRY(desk.key_name());
  crypto::SigningKey key = TRY(desk.wallet().unlock(name));
  uint64_t height = TRY(bot::send(view->client(), key, wallet::set_parameters(after)));
  desk.out().document({{"parameters", json_of(after, name_of)}, {"height", height}});
  for (size_t i = 0; i < now.size(); i++) {
    if (old[i].value != now[i].value)
      desk.out().line(now[i].name + ": " + old[i].value + " -> " + now[i].value + ", block " + std::to_string(height));
  }
  return {};
}

Command set_command() {
  auto assignments = std::make_shared<std::vector<std::string>>();
  Command command("parameters set", "change the ledger's parameters, as one of its governors");
  command.example("mcloud parameters set fence_after=8s")
      .example("mcloud parameters set tries_max=5 exclusion=30s --key ida")
      .describe(
          "Holds from the next block on, for everybody. Times need a unit: 500ms, 8s, 10m. governors is a list of\n"
          "names: governors=ida,lena.")
      .arguments("NAME=VALUE", "as `mcloud parameters show` names them", *assignments, true)
      .run([assignments](Desk& desk) { return set(desk, *assignments); });
  return command;
}

}  // namespace

std::vector<ParameterWord> words_of(const pb::Parameters& parameters, const NameOfKey& name_of) {
  std::vector<ParameterWord> words;
  for (const TimeParameter& time : kTimes) {
    words.push_back({std::string(time.name), format_duration_ms((parameters.*time.get)()), std::string(time.meaning)});
  }
  words.push_back({std::string(kTries), std::to_string(parameters.tries_max()),
                   "nodes that may fail a workload until it is stuck"});
  std::string governors;
  for (const std::string& key : parameters.governors())
    governors += (governors.empty() ? "" : ",") + name_of(PublicKey::from_bytes(key).value_or(PublicKey()));
  words.push_back({std::string(kGovernors), governors, "who may set these"});
  words.push_back({"logic_version", std::to_string(parameters.logic_version()), "the rules in force; not to be set"});
  words.push_back(
      {std::string(kNextVersion), std::to_string(parameters.next_logic_version()), "the rules to come; 0: none"});
  words.push_back({std::string(kNextHeight), std::to_string(parameters.next_logic_height()), "from which block on"});
  return words;
}

Status set_parameter(pb::Parameters& parameters, std::string_view assignment, const KeyOfName& key_of) {
  size_t equals = assignment.find('=');
  std::string name(assignment.substr(0, equals));
  if (equals == std::string_view::npos)
    return make_error(Code::Invalid, "\"" + name.substr(0, 40) + "\": write NAME=VALUE, like fence_after=8s");
  std::string_view value = assignment.substr(equals + 1);
  for (const TimeParameter& time : kTimes) {
    if (name != time.name) continue;
    (parameters.*time.set)(TRY(parse_duration_ms(value).with_context(name)));
    return {};
  }
  if (name == kGovernors) return set_governors(parameters, value, key_of).with_context(name);
  if (name == "logic_version")
    return make_error(Code::Invalid, "logic_version changes by next_logic_version and next_logic_height");
  std::vector<std::string> known = names();
  if (std::ranges::find(known, name) == known.end())
    return make_error(Code::Invalid, bot::not_found("parameter", name, known));
  uint64_t number = TRY(parse_number(value).with_context(name));
  if (name == kTries) parameters.set_tries_max(static_cast<uint32_t>(number));
  if (name == kNextVersion) parameters.set_next_logic_version(number);
  if (name == kNextHeight) parameters.set_next_logic_height(number);
  return {};
}

Commands parameter_commands() { return {show_command(), set_command()}; }

}  // namespace mcloud::cli
