#include "cli/farm_key.h"

#include <algorithm>

#include "bot/nearest.h"

namespace mcloud::cli {

Result<crypto::SigningKey> farm_key(Desk& desk, bot::LedgerView& view, const std::string& farm_name) {
  std::vector<pb::Farm> farms = TRY(view.farms());
  auto farm = std::ranges::find(farms, farm_name, &pb::Farm::name);
  if (farm == farms.end()) {
    std::vector<std::string> names;
    for (const pb::Farm& one : farms) names.push_back(one.name());
    return make_error(Code::NotFound, bot::not_found("farm", farm_name, names));
  }
  PublicKey owner = TRY(PublicKey::from_bytes(farm->owner()));
  std::string named = desk.named_key();
  if (!named.empty() && TRY(desk.wallet().find(named)).public_key != owner) {
    return make_error(Code::Denied, "farm " + farm_name + " is " + view.name_of(owner) + "'s, and " + named +
                                        " would sign; if you have that key: --key " + view.name_of(owner));
  }
  Result<wallet::KeyInfo> here = desk.wallet().find(owner.hex());
  if (here) return desk.wallet().unlock(here->name);
  return make_error(Code::Denied,
                    "farm " + farm_name + " is " + view.name_of(owner) + "'s, and that key is not on this machine");
}

}  // namespace mcloud::cli
