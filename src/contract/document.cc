#include "contract/document.h"

namespace mcloud::contract {

const Workload* Contract::find(std::string_view workload_name) const {
  for (const Workload& workload : workloads) {
    if (workload.name.value == workload_name) return &workload;
  }
  return nullptr;
}

}  // namespace mcloud::contract
