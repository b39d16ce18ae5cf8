// mcloud network join | config | leave | devices
#include <algorithm>
#include <nlohmann/json.hpp>

#include "bot/device_config.h"
#include "bot/nearest.h"
#include "bot/send.h"
#include "cli/commands.h"
#include "cli/network_desk.h"
#include "cli/show.h"
#include "crypto/box.h"
#include "io/file.h"
#include "wallet/transactions.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kAccessWaitMs = 30'000;  // until a new network's access point has a place

struct JoinOptions {
  std::string network;
  std::string device;
  std::string via;
  std::string file;
};

const bot::NetworkDevice* find_device(const bot::NetworkView& view, const std::string& name) {
  auto found = std::ranges::find_if(view.devices, [&](const bot::NetworkDevice& device) { return device.name == name; });
  return found == view.devices.end() ? nullptr : &*found;
}

// "laptop.conf" -> "laptop-2.conf": what wg-quick calls the interface must stay short.
std::string numbered(const std::string& file, size_t number) {
  const size_t dot = file.ends_with(".conf") ? file.size() - 5 : file.size();
  return file.substr(0, dot) + "-" + std::to_string(number) + file.substr(dot);
}

Json json_of(const bot::DeviceConfig& config, const std::string& file) {
  return {{"contract", config.contract},       {"network", config.view->name},
          {"device", config.device->name},     {"address", config.device->address},
          {"address6", config.device->address6}, {"endpoint", config.access.endpoint},
          {"access_node", config.access.node}, {"file", file}};
}

// Several access points have a configuration each: plain WireGuard knows one endpoint, people choose.
Status write_configs(Desk& desk, const JoinOptions& options, std::vector<bot::DeviceConfig>& configs) {
  Json json = json_of(configs[0], options.file);
  json["others"] = Json::array();
  std::string names;
  for (size_t i = 0; i < configs.size(); ++i) {
    std::string text = bot::wireguard_config(configs[i]);
    crypto::wipe(configs[i].secret);
    const std::string file = options.file.empty() ? "" : i == 0 ? options.file : numbered(options.file, i + 1);
    if (!file.empty()) TRY(io::write_file(file, text, io::Durability::Fsync, 0600));
    Json one = i == 0 ? json : json_of(configs[i], file);
    if (file.empty()) (i == 0 ? json : one)["config"] = text;
    if (i > 0) json["others"].push_back(one);
    if (i > 0) names += (i == 1 ? "" : ", ") + configs[i].access.node + (file.empty() ? "" : ": " + file);
    if (file.empty() && i == 0) desk.out().line(text);
    crypto::wipe(text);
  }
  desk.out().document(json);
  if (!options.file.empty()) desk.out().note(options.file + " is written; bring the network up: wg-quick up " + options.file);
  if (!names.empty()) desk.out().note("when " + configs[0].access.node + " does not answer, other access points do (" + names + ")");
  return {};
}

// With the private key in it: to files of mode 0600, or to standard output.
Status print_config(Desk& desk, const JoinOptions& options, const OpenedNetwork& network, const wallet::DeviceKey& key) {
  const bot::NetworkDevice* device = find_device(network.view, options.device);
  if (device == nullptr) return make_error(Code::Internal, "the ledger does not show the device yet; run it again");
  const bot::AccessPoint chosen = TRY(bot::choose_access(network.view, options.via));
  std::vector<bot::AccessPoint> points = bot::other_access(network.view, chosen);
  if (!options.via.empty()) points.clear();
  points.insert(points.begin(), chosen);
  std::vector<bot::DeviceConfig> configs;
  for (const bot::AccessPoint& point : points) {
    bot::DeviceConfig& config = configs.emplace_back();
    config.contract = network.facts.record.name();
    config.view = &network.view;
    config.device = device;
    config.access = point;
    config.others = bot::other_access(network.view, point);
    config.server_key = to_base64(bot::find_network(network.facts, network.view.name)->access().public_key());
    config.secret = to_base64(key.secret);
  }
  return write_configs(desk, options, configs);
}

// A network that was applied a moment ago has its access point soon.
Result<OpenedNetwork> wait_for_access(Desk& desk, const JoinOptions& options) {
  NetworkName name = TRY(parse_network_name(options.network));
  bot::LedgerView* view = TRY(desk.ledger());
  const uint64_t deadline = desk.clock().monotonic_ms() + kAccessWaitMs;
  while (true) {
    OpenedNetwork network = TRY(open_network(desk, name));
    Result<bot::AccessPoint> access = bot::choose_access(network.view, options.via);
    const uint64_t now = desk.clock().monotonic_ms();
    if (access || access.error().code != Code::Unavailable || now >= deadline) {
      if (!access) return access.error();
      return network;
    }
    static_cast<void>(view->client().wait_for_head(view->client().head().height, deadline - now));
  }
}

Status join(Desk& desk, const JoinOptions& options) {
  TRY(wallet::check_name(options.device).with_context("--as"));
  OpenedNetwork network = TRY(wait_for_access(desk, options));
  bot::LedgerView* view = TRY(desk.ledger());
  std::string signer_name = TRY(desk.key_name());
  crypto::SigningKey signer = TRY(desk.wallet().unlock(signer_name));
  wallet::DeviceBook book(wallet::default_device_folder());
  const wallet::DeviceName name = device_name(network, options.device);
  // The key is on this disk before the ledger hears of it: joining again after an interruption goes on with the same.
  wallet::DeviceKey key = TRY(book.get_or_make(name));
  const wallet::DevicePlace place{network.contract, network.view.name, options.device};
  const pb::SpaceGrant* grant = bot::find_grant(network.facts, network.view.name);
  bool is_joined = std::ranges::any_of(grant->devices(), [&](const pb::Device& device) {
    return device.name() == options.device && device.key() == key.key;
  });
  if (!is_joined) {
    const uint64_t height = TRY(bot::send(view->client(), signer, wallet::join_network(place, key.key)));
    while (view->client().head().height < height) {
      if (!TRY(view->client().wait_for_head(height - 1, kAccessWaitMs))) break;
    }
  }
  network = TRY(wait_for_access(desk, options));
  Status printed = print_config(desk, options, network, key);
  crypto::wipe(key.secret);
  return printed;
}

Status print_again(Desk& desk, const JoinOptions& options) {
  OpenedNetwork network = TRY(wait_for_access(desk, options));
  wallet::DeviceBook book(wallet::default_device_folder());
  std::optional<wallet::DeviceKey> key = TRY(book.find(device_name(network, options.device)));
  if (!key) {
    return make_error(Code::NotFound, "the key of device " + options.device + " is not on this machine; only where it joined");
  }
  if (find_device(network.view, options.device) == nullptr) {
    return make_error(Code::NotFound, "device " + options.device + " is in network " + network.view.name +
                                          " no more; join again: mcloud network join " + options.network + " --as " +
                                          options.device);
  }
  Status printed = print_config(desk, options, network, *key);
  crypto::wipe(key->secret);
  return printed;
}

Command& take_device(Command& command, const std::shared_ptr<JoinOptions>& options) {
  return command.argument("NETWORK", "CONTRACT/NETWORK; CONTRACT alone when it has one network", options->network)
      .required_option("--as", "NAME", "the device's name in the network", options->device);
}

Command join_command() {
  auto options = std::make_shared<JoinOptions>();
  Command command("network join", "bring a device into a private network, with plain WireGuard");
  command.example("mcloud network join team/office --as laptop -o laptop.conf")
      .describe(
          "Makes a key pair here, tells the ledger its public half and prints what wg-quick and the WireGuard apps read.\n"
          "For the contract's owner and the network's members. The private key stays in the folder of your keys. A network\n"
          "with several access points has a file for each (FILE-2, ...): when one does not answer, bring up another.");
  take_device(command, options)
      .option("--via", "NODE", "the access point on this node", options->via)
      .option("-o,--output", "FILE", "write it to a file that only you can read", options->file)
      .run([options](Desk& desk) { return join(desk, *options); });
  return command;
}

Command config_command() {
  auto options = std::make_shared<JoinOptions>();
  Command command("network config", "print a joined device's WireGuard configuration again");
  command.example("mcloud network config team/office --as laptop")
      .describe("The access point may have moved to another node since it joined.");
  take_device(command, options)
      .option("--via", "NODE", "the access point on this node", options->via)
      .option("-o,--output", "FILE", "write it to a file that only you can read", options->file)
      .run([options](Desk& desk) { return print_again(desk, *options); });
  return command;
}

Status leave(Desk& desk, const JoinOptions& options) {
  const NetworkName name = TRY(parse_network_name(options.network));
  OpenedNetwork network = TRY(open_network(desk, name));
  if (find_device(network.view, options.device) == nullptr) {
    std::vector<std::string> known;
    for (const bot::NetworkDevice& device : network.view.devices) known.push_back(device.name);
    return make_error(Code::NotFound, bot::not_found("device", options.device, known));
  }
  bot::LedgerView* view = TRY(desk.ledger());
  std::string signer_name = TRY(desk.key_name());
  crypto::SigningKey signer = TRY(desk.wallet().unlock(signer_name));
  uint64_t height = TRY(bot::send(view->client(), signer,
                                  wallet::leave_network({network.contract, network.view.name, options.device})));
  TRY(wallet::DeviceBook(wallet::default_device_folder()).forget(device_name(network, options.device)));
  desk.out().document({{"contract", network.facts.record.name()},
                       {"network", network.view.name},
                       {"device", options.device},
                       {"height", height}});
  desk.out().line("device " + options.device + " is in network " + network.view.name + " no more, block " +
                  std::to_string(height));
  return {};
}

Command leave_command() {
  auto options = std::make_shared<JoinOptions>();
  Command command("network leave", "take a device out of a network");
  command.example("mcloud network leave team/office --as laptop")
      .describe("Your own devices; the contract's owner takes out anybody's, a lost one for example.");
  take_device(command, options).run([options](Desk& desk) { return leave(desk, *options); });
  return command;
}

Command devices_command() {
  auto name = std::make_shared<std::string>();
  Command command("network devices", "the devices in a network, and whose they are");
  command.example("mcloud network devices team/office")
      .argument("NETWORK", "CONTRACT/NETWORK; CONTRACT alone when it has one network", *name)
      .run([name](Desk& desk) -> Status {
        const NetworkName wanted = TRY(parse_network_name(*name));
        OpenedNetwork network = TRY(open_network(desk, wanted));
        Json list = Json::array();
        Table table{{"DEVICE", "OWNER", "ADDRESS", "IPV6", "SINCE (UTC)"}, {}};
        for (const bot::NetworkDevice& device : network.view.devices) {
          list.push_back({{"name", device.name},
                          {"owner_name", device.owner},
                          {"address", device.address},
                          {"address6", device.address6},
                          {"since_ms", device.since_ms}});
          table.rows.push_back({{device.name, Tone::Strong},
                                device.owner,
                                device.address,
                                device.address6,
                                format_time(device.since_ms)});
        }
        desk.out().document({{"devices", list}});
        if (list.empty())
          desk.out().line("no devices; join one: mcloud network join " + *name + " --as NAME");
        else
          desk.out().table(table);
        return {};
      });
  return command;
}

}  // namespace

Result<NetworkName> parse_network_name(const std::string& text) {
  size_t slash = text.find('/');
  NetworkName name{text.substr(0, slash), slash == std::string::npos ? "" : text.substr(slash + 1)};
  bool is_good = !name.contract.empty() && (slash == std::string::npos || !name.network.empty()) &&
                 name.network.find('/') == std::string::npos;
  if (is_good) return name;
  return make_error(Code::Invalid, "\"" + text.substr(0, 80) + "\": it is CONTRACT/NETWORK, or CONTRACT when it has one network");
}

Result<OpenedNetwork> open_network(Desk& desk, const NetworkName& name) {
  pb::Contract record = TRY(desk.get_contract(name.contract));
  bot::LedgerView* ledger = TRY(desk.ledger());
  OpenedNetwork opened;
  opened.facts = TRY(bot::load_network_facts(*ledger, record));
  std::vector<std::string> all = bot::networks_of(opened.facts);
  std::string network = name.network;
  if (network.empty() && all.size() == 1) network = all[0];
  if (network.empty() && all.empty()) return make_error(Code::NotFound, "contract " + record.name() + " has no network");
  if (network.empty()) {
    return make_error(Code::Invalid, "contract " + record.name() + " has several networks: say " + record.name() + "/" +
                                         all[0] + " or another");
  }
  opened.view = TRY(bot::view_network(opened.facts, network));
  opened.contract = TRY(ContractId::from_bytes(record.id()));
  return opened;
}

wallet::DeviceName device_name(const OpenedNetwork& network, const std::string& device) {
  return {network.facts.chain_id, network.contract, network.view.name, device};
}

Commands network_commands() {
  return {network_show_command(), network_why_command(), join_command(), config_command(), leave_command(), devices_command()};
}

}  // namespace mcloud::cli
