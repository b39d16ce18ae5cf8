// mcloud kv verify, mcloud kv dump: a store's folder, while no server has it.
#include <nlohmann/json.hpp>

#include "cli/desk.h"
#include "cli/kv.h"
#include "io/disk.h"
#include "kv/offline.h"
#include "kv/settings_text.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

bool is_text(std::string_view bytes) {
  for (char c : bytes) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

// As in a C string: what is no plain letter is \xNN.
std::string in_quotes(std::string_view bytes) {
  std::string text = "\"";
  for (char c : bytes) {
    bool is_plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
    text += is_plain ? std::string(1, c) : "\\x" + to_hex(BytesView(&c, 1));
  }
  return text + "\"";
}

// A namespace's name, which may be any bytes.
std::string shown(const std::string& name) { return is_text(name) ? name : in_quotes(name); }

std::string percent(double part) { return std::to_string(static_cast<int>(part * 100)) + " %"; }

Status check_namespace(const kv::OfflineStore& store, const std::string& name) {
  for (const std::string& known : store.names()) {
    if (known == name) return {};
  }
  return make_error(Code::NotFound, "there is no namespace \"" + shown(name) + "\"");
}

Json json_of(const std::string& name, const kv::OfflineFindings& found) {
  Json faults = Json::array();
  for (const kv::Namespace::Fault& fault : found.faults)
    faults.push_back({{"position", fault.position}, {"reason", fault.reason}});
  return {{"name", shown(name)},      {"records", found.records},       {"begin", found.begin},
          {"end", found.end},             {"torn_bytes", found.torn_bytes}, {"damaged", found.damaged},
          {"faults", std::move(faults)}};
}

Status verify(Desk& desk, const std::string& folder) {
  io::SystemDisk disk;
  auto store = TRY(kv::OfflineStore::open(disk, folder));
  Table table{{"NAMESPACE", "RECORDS", "LOG BYTES", "TORN BYTES", "DAMAGED"}, {}};
  std::vector<std::string> details;
  Json spaces = Json::array();
  uint64_t damaged = 0;
  for (const std::string& name : store->names()) {
    auto found = store->verify(name, [&](double part) {
      desk.out().live("verify " + shown(name) + ": " + percent(part));
      return true;
    });
    desk.out().live("");
    if (!found) return std::move(found).with_context("namespace " + shown(name)).error();
    damaged += found->damaged;
    table.rows.push_back({shown(name), std::to_string(found->records), std::to_string(found->end - found->begin),
                          std::to_string(found->torn_bytes),
                          Cell(std::to_string(found->damaged), found->damaged > 0 ? Tone::Bad : Tone::Good)});
    for (const kv::Namespace::Fault& fault : found->faults)
      details.push_back(shown(name) + " at " + std::to_string(fault.position) + ": " + fault.reason);
    spaces.push_back(json_of(name, *found));
  }
  desk.out().table(table);
  for (const std::string& detail : details) desk.out().line(detail);
  desk.out().document({{"namespaces", std::move(spaces)}, {"damaged", damaged}});
  if (damaged > 0) return make_error(Code::Corrupt, std::to_string(damaged) + " places are damaged; nothing was changed");
  return {};
}

void add_bytes(Json& json, const std::string& name, std::string_view bytes) {
  if (is_text(bytes))
    json[name] = std::string(bytes);
  else
    json[name + "_base64"] = to_base64(bytes);
}

void print_version(Desk& desk, const std::string& space, const kv::OfflineStore::Version& version) {
  const kv::Header& header = *version.header;
  if (!desk.out().is_json()) {
    desk.out().line(in_quotes(space) + "\t" + std::to_string(header.sequence) + "\t" + std::to_string(header.time_ms) + "\t" +
                    (header.is_deletion ? "del" : "set") + "\t" + in_quotes(version.key) +
                    (header.is_deletion ? "" : "\t" + in_quotes(version.value)) +
                    (header.expiry_ms ? "\t" + std::to_string(*header.expiry_ms) : ""));
    return;
  }
  Json json;
  add_bytes(json, "namespace", space);
  json["sequence"] = header.sequence;
  json["time_ms"] = header.time_ms;
  json["epoch"] = header.epoch;
  json["deleted"] = header.is_deletion;
  add_bytes(json, "key", version.key);
  if (!header.is_deletion) add_bytes(json, "value", version.value);
  json["expiry_ms"] = header.expiry_ms ? Json(*header.expiry_ms) : Json();
  desk.out().document_line(json);
}

struct DumpOptions {
  std::string folder, space;
  bool has_history = false;
};

Status dump(Desk& desk, const DumpOptions& options) {
  io::SystemDisk disk;
  auto store = TRY(kv::OfflineStore::open(disk, options.folder));
  if (!options.space.empty()) TRY(check_namespace(*store, options.space));
  uint64_t damaged = 0, now_ms = desk.clock().wall_ms();
  for (const std::string& name : store->names()) {
    if (!options.space.empty() && name != options.space) continue;
    kv::OfflineFindings found = TRY(store->verify(name, {}));
    damaged += found.damaged;
    TRY(store->dump(name, found, options.has_history, [&](const kv::OfflineStore::Version& version) -> Status {
      if (options.has_history || !version.header->is_expired(now_ms)) print_version(desk, name, version);
      return {};
    }));
  }
  if (damaged > 0)
    return make_error(Code::Corrupt, std::to_string(damaged) + " places are damaged and were left out: mcloud kv verify says where");
  return {};
}

}  // namespace

Command kv_verify_command() {
  auto folder = std::make_shared<std::string>();
  Command command("kv verify", "read every record of a stopped store and check it");
  command.example("mcloud kv verify /var/lib/mcloud/kv")
      .describe(
          "Changes nothing. Torn bytes at the end were never acknowledged as durable: the next start cuts them off.\n"
          "Damaged places were on the disk once: the exit status is 8 then. A store that a server has open is refused.")
      .argument("DIR", "folder of the store", *folder)
      .run([folder](Desk& desk) { return verify(desk, *folder); });
  return command;
}

Command kv_dump_command() {
  auto options = std::make_shared<DumpOptions>();
  Command command("kv dump", "print the keys and values of a stopped store");
  command.example("mcloud kv dump /var/lib/mcloud/kv --namespace default --history --json")
      .describe(
          "A line per version: namespace, sequence, milliseconds, set or del, key, value, and when it expires if it\n"
          "does; what is no plain letter is written \\xNN. With --json a document per line. Needs little memory, however large the store is.")
      .argument("DIR", "folder of the store", options->folder)
      .option("--namespace", "NAME", "only this one", options->space)
      .flag("--history", "all versions and deletions, not only the newest", options->has_history)
      .run([options](Desk& desk) { return dump(desk, *options); });
  return command;
}

}  // namespace mcloud::cli
