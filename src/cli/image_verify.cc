// mcloud image verify
#include <map>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "cli/image_path.h"
#include "crypto/hash.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
using image::Index;
using image::NodeNumber;

struct VerifyWords {
  std::string file;
  bool has_blocks = false;
  std::vector<std::string> stores, signers;
};

struct Findings {
  uint64_t blocks = 0, bytes = 0;
  std::vector<std::pair<std::string, std::string>> faults;  // path, reason
};

// Nobody to ask: the other blocks would wait as long, and say nothing about the image.
bool is_away(const Error& error) { return error.code == Code::Unavailable || error.code == Code::TimedOut; }

// Every block that something names, once; and the digest of each whole file where the image has one.
Status check_file(const Index& index, NodeNumber number, const std::string& path, image::Routes& routes,
                std::map<Hash, bool>& seen, Findings& findings) {
  image::IndexNode node = index.node(number);
  crypto::Sha256 sha256;
  bool is_whole = true;
  bool has_digest = !index.sha256(number).empty();
  for (uint32_t position = 0; position < node.count; ++position) {
    auto known = seen.find(index.block(number, position).id);
    if (known != seen.end() && !known->second) is_whole = false;
    if (known != seen.end() && !has_digest) continue;
    Result<Bytes> plain = read_block(routes, index, number, position);
    if (known == seen.end()) ++findings.blocks, seen[index.block(number, position).id] = plain.has_value();
    if (!plain.has_value() && is_away(plain.error())) return plain.error();
    if (!plain.has_value()) {
      if (is_whole) findings.faults.emplace_back(path, plain.error().message);
      is_whole = false;
      break;
    }
    findings.bytes += plain->size();
    sha256.update(*plain);
  }
  bool is_other = is_whole && has_digest && sha256.finish() != index.sha256(number);
  if (is_other) findings.faults.emplace_back(path, "its blocks are whole, but not the file whose digest the image names");
  return {};
}

Result<Findings> check_blocks(Desk& desk, const Index& index, image::Routes& routes) {
  Findings findings;
  std::map<Hash, bool> seen;
  std::vector<bool> is_done(index.nodes());
  Status reached;
  walk(index, 0, "", [&](const std::string& path, NodeNumber number) {
    if (!reached.has_value() || index.node(number).type != image::Node::Type::File || is_done[number]) return;
    is_done[number] = true;
    reached = check_file(index, number, "/" + path, routes, seen, findings);
    desk.out().live("verify: " + std::to_string(findings.blocks) + " blocks, " + format_size(findings.bytes));
  });
  desk.out().live("");
  if (!reached.has_value()) return reached.error();
  return findings;
}

// A key's name here, or 64 hex digits.
Result<PublicKey> key_of(Desk& desk, const std::string& who) {
  if (Result<PublicKey> key = PublicKey::from_hex(who)) return key;
  return TRY(desk.wallet().find(who)).public_key;
}

Status check_signers(Desk& desk, const VerifyWords& words, const flist::Imported& imported) {
  for (const std::string& who : words.signers) {
    PublicKey key = TRY(key_of(desk, who));
    bool has_signed = std::any_of(imported.signatures.begin(), imported.signatures.end(),
                                  [&](const flist::ImageSignature& one) { return one.signer == key; });
    if (!has_signed) return make_error(Code::Denied, who + " has not signed " + imported.digest.text());
  }
  return {};
}

Status verify(Desk& desk, const VerifyWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  TRY(check_signers(desk, words, file.imported));
  Findings findings;
  if (words.has_blocks) {
    auto routes = TRY(file.open_routes(words.stores));
    findings = TRY(check_blocks(desk, *file.index, *routes));
  }
  Json faults = Json::array(), signers = Json::array();
  for (const auto& [path, reason] : findings.faults) {
    desk.out().line(printable(path) + ": " + printable(reason));
    faults.push_back({{"path", path}, {"reason", reason}});
  }
  for (const flist::ImageSignature& one : file.imported.signatures) signers.push_back(one.signer.hex());
  desk.out().document({{"digest", file.imported.digest.text()}, {"signers", std::move(signers)},
                       {"blocks", findings.blocks}, {"bytes", findings.bytes}, {"faults", std::move(faults)}});
  if (!findings.faults.empty())
    return make_error(Code::Corrupt, std::to_string(findings.faults.size()) + " files cannot be read whole");
  desk.out().line(file.imported.digest.text() + "  is well formed, " + std::to_string(file.imported.signatures.size()) +
                  " signatures" + (words.has_blocks ? ", all " + std::to_string(findings.blocks) + " blocks are there and right" : ""));
  return {};
}

}  // namespace

Command image_verify_command() {
  auto words = std::make_shared<VerifyWords>();
  Command command("image verify", "check a .fl file, its signatures and its content");
  command.example("mcloud image verify hello.fl --blocks --signed-by ida")
      .describe("With --blocks every block is fetched and checked, and each file against its digest. Exit status 8 when\n"
                "something cannot be read whole, 4 when a wanted signature is missing.")
      .argument("FILE", "a .fl file, or its web address", words->file)
      .flag("--blocks", "fetch and check all content", words->has_blocks)
      .option("--signed-by", "KEY", "must have signed: a key's name or its public half in hex; repeatable", words->signers)
      .option("--store", "URL", "look there too; repeatable", words->stores)
      .run([words](Desk& desk) { return verify(desk, *words); });
  return command;
}

}  // namespace mcloud::cli
