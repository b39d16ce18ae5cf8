// The ledger's metrics in Prometheus' text format (version 0.0.4), prefix `ledger_`.
#pragma once

#include "ledger/engine/blobs.h"
#include "ledger/engine/solo.h"

namespace mcloud::ledger {

std::string metrics_text(const Solo::Figures& figures, const ChainTip& tip, const Blobs& blobs);

}  // namespace mcloud::ledger
