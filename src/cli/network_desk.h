// What the `network` commands share.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bot/network_why.h"
#include "cli/desk.h"
#include "wallet/device_book.h"

namespace mcloud::cli {

// CONTRACT/NETWORK; without a network the contract's only one, else "default".
struct NetworkName {
  std::string contract;
  std::string network;  // "" = not said
};
Result<NetworkName> parse_network_name(const std::string& text);

struct OpenedNetwork {
  bot::NetworkFacts facts;
  bot::NetworkView view;
  ContractId contract;
};
// Invalid: the contract has several and none was named.
Result<OpenedNetwork> open_network(Desk& desk, const NetworkName& name);

wallet::DeviceName device_name(const OpenedNetwork& network, const std::string& device);

// network_show.cc, network_why.cc
class Command;
Command network_show_command();
Command network_why_command();

}  // namespace mcloud::cli
