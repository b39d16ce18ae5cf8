// mcloud contract format
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/contract_language.h"
#include "contract/format/format.h"
#include "io/file.h"

namespace mcloud::cli {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

struct FormatOptions {
  std::string file;
  bool check = false;
};

// Under its own name and with its own mode; a link stays one.
Status replace(const std::string& path, const std::string& text) {
  std::error_code failed;
  const std::filesystem::path file = std::filesystem::canonical(path, failed);
  if (failed) return make_error(Code::Internal, path + ": " + failed.message());
  const auto mode = static_cast<unsigned>(std::filesystem::status(file, failed).permissions()) & 07777;
  return io::write_file(file.string(), text, io::Durability::Fsync, failed ? 0644 : mode);
}

Status format(Desk& desk, const FormatOptions& options) {
  const std::string before = TRY(io::read_file(options.file, kFileBytesMax));
  Result<std::string> after = contract::format_contract(before);
  if (!after) return make_error(after.error().code, options.file + ":" + after.error().message);
  const bool is_changed = *after != before;
  if (is_changed && !options.check) TRY(replace(options.file, *after));
  desk.out().document({{"file", options.file}, {"changed", is_changed}, {"written", is_changed && !options.check}});
  if (is_changed && options.check) {
    desk.set_exit_status(1);
    desk.out().line(options.file + ": not in its canonical form; mcloud contract format " + options.file + " brings it there");
  } else {
    desk.out().line(options.file + (is_changed ? ": formatted" : ": as it should be"));
  }
  return {};
}

}  // namespace

Command contract_format() {
  auto options = std::make_shared<FormatOptions>();
  Command command("contract format", "bring a contract file into its canonical form");
  command.example("mcloud contract format contract.yaml")
      .describe(
          "Keys in the order of the language, amounts in their usual units, two blanks per level. Comments stay. What is signed\n"
          "does not change; a file of which something would be lost is left as it is. Needs no cluster.")
      .argument("FILE", "a contract file or a fragment", options->file)
      .flag("--check", "change nothing; exit with 1 when the file would change", options->check)
      .run([options](Desk& desk) { return format(desk, *options); });
  return command;
}

}  // namespace mcloud::cli
