// mcloud doctor
#include <nlohmann/json.hpp>

#include "bot/host_checks.h"
#include "cli/commands.h"
#include "cli/desk.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string data = "/var/lib/mcloud";
  bool gateway = false;
};

std::string word_of(bot::HostCheck::Verdict verdict) {
  switch (verdict) {
    case bot::HostCheck::Verdict::Good: return "good";
    case bot::HostCheck::Verdict::Warning: return "warning";
    case bot::HostCheck::Verdict::Bad: return "bad";
  }
  return "";
}

Tone tone_of(bot::HostCheck::Verdict verdict) {
  if (verdict == bot::HostCheck::Verdict::Good) return Tone::Good;
  return verdict == bot::HostCheck::Verdict::Warning ? Tone::Warning : Tone::Bad;
}

Status doctor(Desk& desk, const Options& options) {
  std::vector<bot::HostCheck> checks = bot::check_host(bot::read_host_facts(options.data), options.gateway);
  Json list = Json::array();
  Table table{{"", "WHAT", "FOUND", "REMEDY"}, {}};
  size_t bad = 0;
  for (const bot::HostCheck& check : checks) {
    bad += check.verdict == bot::HostCheck::Verdict::Bad;
    list.push_back({{"what", check.what}, {"verdict", word_of(check.verdict)}, {"found", check.found}, {"remedy", check.remedy}});
    table.rows.push_back({{word_of(check.verdict), tone_of(check.verdict)}, {check.what, Tone::Strong}, check.found, check.remedy});
  }
  desk.out().document({{"ready", bad == 0}, {"checks", std::move(list)}});
  desk.out().table(table);
  desk.out().line(bad == 0 ? "This machine can be a node." : std::to_string(bad) + (bad == 1 ? " thing keeps" : " things keep") + " this machine from being a node.");
  if (bad != 0) desk.set_exit_status(1);
  return {};
}

Command doctor_command() {
  auto options = std::make_shared<Options>();
  Command command("doctor", "can this machine be a node, and what to do when it cannot");
  command.example("mcloud doctor --gateway")
      .describe("Looks at kernel, control groups, devices, programs, disk, clock and ports, and changes nothing. The exit status is 1 when something is missing.")
      .option("--data", "DIR", "where the node would keep its data (/var/lib/mcloud)", options->data)
      .flag("--gateway", "also what a gateway needs", options->gateway)
      .run([options](Desk& desk) { return doctor(desk, *options); });
  return command;
}

}  // namespace

Commands doctor_commands() { return {doctor_command()}; }

}  // namespace mcloud::cli
