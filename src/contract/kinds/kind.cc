#include "contract/kinds/kind.h"

#include <array>

#include "contract/kinds/container.h"
#include "contract/kinds/kv.h"
#include "contract/kinds/network.h"
#include "contract/kinds/publish.h"
#include "contract/kinds/volume.h"

namespace mcloud::contract {

std::span<const Kind> kinds() {
  static const std::array<Kind, 5> kKinds = {kContainerKind, kKvKind, kNetworkKind, kPublishKind, kVolumeKind};
  return kKinds;
}

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

const Kind* find_kind(pb::WorkloadBody::KindCase body_case) {
  for (const Kind& kind : kinds()) {
    if (kind.body_case == body_case) return &kind;
  }
  return nullptr;
}

}  // namespace mcloud::contract
