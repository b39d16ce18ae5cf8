#include "wallet/device_book.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "crypto/box.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "io/file.h"
#include "wallet/wallet.h"
#include "wire/json.h"

namespace mcloud::wallet {
namespace {

constexpr size_t kFileBytesMax = 4096;

std::string to_text(const DeviceName& device, const Bytes& secret) {
  nlohmann::ordered_json json = {{"format", 1},
                                 {"chain_id", device.chain_id},
                                 {"contract", device.contract.hex()},
                                 {"network", device.network},
                                 {"name", device.name},
                                 {"private_key", to_base64(secret)}};
  return json.dump(2) + "\n";
}

Result<DeviceKey> parse(std::string_view text) {
  nlohmann::json json = TRY(wire::parse_json(text, kFileBytesMax));
  if (!json.is_object() || TRY(wire::json_u64(json, "format")) != 1) return make_error(Code::Corrupt, "format is not 1");
  std::string secret = TRY(wire::json_string(json, "private_key"));
  DeviceKey key;
  key.secret = TRY(from_base64(secret));
  key.key = TRY(crypto::x25519_public(key.secret));
  crypto::wipe(secret);
  return key;
}

Status check_mode(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & 077) == 0) return {};
  return make_error(Code::Denied, path + ": others may read this private key; run: chmod 600 " + path);
}

}  // namespace

std::string default_device_folder() {
  std::string keys = default_key_folder();
  return keys.substr(0, keys.rfind('/')) + "/devices";
}

std::string DeviceBook::path_of(const DeviceName& device) const {
  const Bytes all = device.chain_id + '\n' + device.contract.hex() + '\n' + device.network + '\n' + device.name;
  return folder_ + "/" + crypto::blake2b(all).hex().substr(0, 32) + ".json";
}

Result<std::optional<DeviceKey>> DeviceBook::find(const DeviceName& device) const {
  const std::string path = path_of(device);
  Result<std::string> text = io::read_file(path, kFileBytesMax);
  if (!text && text.error().code == Code::NotFound) return std::optional<DeviceKey>();
  if (!text) return text.error();
  TRY(check_mode(path));
  Result<DeviceKey> key = parse(*text);
  crypto::wipe(*text);
  if (!key) return make_error(Code::Corrupt, path + ": " + key.error().message + "; remove the file and join anew");
  return std::optional(std::move(*key));
}

Result<DeviceKey> DeviceBook::get_or_make(const DeviceName& device) const {
  std::optional<DeviceKey> there = TRY(find(device));
  if (there) return *std::move(there);
  DeviceKey made;
  made.secret = crypto::make_x25519_secret();
  made.key = TRY(crypto::x25519_public(made.secret));
  TRY(io::make_folders(folder_, 0700));
  TRY(io::write_file(path_of(device), to_text(device, made.secret), io::Durability::Fsync, 0600));
  return made;
}

Status DeviceBook::forget(const DeviceName& device) const {
  const std::string path = path_of(device);
  return io::exists(path) ? io::remove_tree(path) : Status();
}

}  // namespace mcloud::wallet
