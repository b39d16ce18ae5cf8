// The WireGuard keys of devices that joined networks from this machine: made here, told to nobody, kept so that a
// device's configuration can be printed again when the network's access point has moved.
//
// One file per device, 0600, in a folder of mode 0700; named after what is unique, so the same device is stored once:
//   {"format":1,"chain_id":"...","contract":HEX,"network":"team","name":"laptop","private_key":BASE64}
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace mcloud::wallet {

struct DeviceName {
  std::string chain_id;
  ContractId contract;
  std::string network;
  std::string name;
};
struct DeviceKey {
  Bytes secret;  // 32 bytes; wipe it after use
  Bytes key;     // its public half
};

// Beside the folder of the keys: $MCLOUD_HOME/devices and so on.
std::string default_device_folder();

class DeviceBook {
 public:
  explicit DeviceBook(std::string folder) : folder_(std::move(folder)) {}

  // nullopt: this machine has none for that device. Denied when others may read the file, Corrupt when it is damaged.
  Result<std::optional<DeviceKey>> find(const DeviceName& device) const;
  // The one that is there, else a new one, durable when it returns.
  Result<DeviceKey> get_or_make(const DeviceName& device) const;
  Status forget(const DeviceName& device) const;

 private:
  std::string path_of(const DeviceName& device) const;
  std::string folder_;
};

}  // namespace mcloud::wallet
