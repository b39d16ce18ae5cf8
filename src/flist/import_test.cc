#include "flist/import.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "flist/import_message.h"
#include "flist/limits.h"
#include "flist/test_flist.h"
#include "image/limits.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

// This test program is its own importer: import_flist() starts the program that calls it with this one word.
const bool g_is_importer = [] {
  Result<Bytes> words = io::read_file("/proc/self/cmdline");
  std::string wanted = std::string(1, '\0') + std::string(kImporterCommand) + std::string(1, '\0');
  if (words.has_value() && words->ends_with(wanted)) run_importer();
  return false;
}();

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Place {
  testing::TemporaryFolder folder;
  std::string put(const Bytes& bytes) {
    std::string path = folder / "x.fl";
    REQUIRE(io::write_file(path, bytes, io::Durability::None).has_value());
    return path;
  }
};

}  // namespace

TEST_CASE("the importer turns a file into its index and what lies beside") {
  Place place;
  Flist flist = example_flist();
  flist.signatures.push_back(flist.signatures[0]);
  flist.signatures[1].signature[7] ^= 1;  // does not verify
  Result<Imported> imported = import_flist(place.put(format_flist(flist).value()));
  REQUIRE_MESSAGE(imported.has_value(), imported.error().message);
  CHECK(imported->index == image::write_index(flist.image));
  CHECK(imported->digest == image::image_digest(imported->index));
  CHECK(imported->routes == flist.routes);
  CHECK(imported->tags == flist.tags);
  CHECK(imported->trace == flist.trace);
  CHECK_EQ(imported->signatures.size(), 1);
}

TEST_CASE("a public tool's file is imported") {
  Place place;
  Result<Imported> imported = import_flist(place.put(public_file()));
  REQUIRE_MESSAGE(imported.has_value(), imported.error().message);
  auto index = image::Index::parse(imported->index).value();
  CHECK_EQ(index->nodes(), 5);
  CHECK(index->find(0, "hello").has_value());
}

TEST_CASE("what is wrong with a file comes out of the sandbox in words") {
  Place place;
  Error error = import_flist(place.put(edited(public_file(), "UPDATE inode SET name = '..' WHERE ino = 2"))).error();
  CHECK_EQ(error.code, Code::Corrupt);
  CHECK(has(error.message, "x.fl: "));
  CHECK(has(error.message, "not . or .."));
  CHECK_EQ(import_flist(place.put("no database")).error().code, Code::Corrupt);
  CHECK_EQ(import_flist(place.put("")).error().code, Code::Corrupt);
  Bytes newer = edited(format_flist(example_flist()).value(), "UPDATE mcloud_format SET version = 2");
  CHECK_EQ(import_flist(place.put(newer)).error().code, Code::Unsupported);
  CHECK_EQ(import_flist(place.folder / "none").error().code, Code::NotFound);
  CHECK_EQ(import_flist(place.folder.path()).error().code, Code::Invalid);
}

TEST_CASE("a file larger than allowed is refused before anybody reads it") {
  Place place;
  std::string path = place.put(public_file());
  CHECK_EQ(import_flist(path, {.file_bytes_max = 1000}).error().code, Code::Exhausted);
  REQUIRE_EQ(::truncate(path.c_str(), static_cast<off_t>(kFileBytesMax) + 4096), 0);  // sparse
  CHECK_EQ(import_flist(path, {.file_bytes_max = ~0ull}).error().code, Code::Exhausted);
}

TEST_CASE("an importer that does not end is ended") {
  Place place;
  std::string path = place.put(public_file());
  std::string slow = place.folder / "slow";
  REQUIRE(io::write_file(slow, "#!/bin/sh\nwhile :; do :; done\n", io::Durability::None, 0755).has_value());
  CHECK_EQ(import_flist(path, {.program = slow, .timeout_ms = 300}).error().code, Code::TimedOut);
}

TEST_CASE("a file in which SQLite finds no end is cut off in time") {
  Place place;
  CHECK_EQ(parse_flist(endless_file()).error().code, Code::TimedOut);
  CHECK_EQ(import_flist(place.put(endless_file())).error().code, Code::TimedOut);
}

TEST_CASE("a small file does not make the importer's reader keep much") {
  Place place;
  std::string path = place.put(public_file()), program = place.folder / "program";
  REQUIRE(io::write_file(program, "#!/bin/sh\nexec head -c 100000000 /dev/zero\n", io::Durability::None, 0755).has_value());
  CHECK_EQ(import_flist(path, {.program = program}).error().code, Code::Exhausted);
}

TEST_CASE("what an importer says is believed only when it is whole") {
  Place place;
  std::string path = place.put(public_file());
  auto said = [&](const std::string& script) {
    std::string program = place.folder / "program";
    REQUIRE(io::write_file(program, "#!/bin/sh\n" + script, io::Durability::None, 0755).has_value());
    Result<Imported> imported = import_flist(path, {.program = program});
    REQUIRE_FALSE(imported.has_value());
    return imported.error();
  };
  CHECK_EQ(said("exit 0").code, Code::Corrupt);
  CHECK(has(said("kill -9 $$").message, "died of signal 9"));
  CHECK(has(said("exit 7").message, "exit status 7"));
  CHECK_EQ(said("printf 'mcimport\\001'").code, Code::Corrupt);
  // "not-found", so that somebody looks elsewhere.
  Error error = said("printf 'mcimport\\000\\011\\000\\000\\000not-found\\002\\000\\000\\000h\\033'");
  CHECK_EQ(error.code, Code::Corrupt);
  CHECK(error.message.ends_with("h?"));
  // A whole message with an index that is none.
  CHECK(has(said("printf 'mcimport\\001\\001\\000\\000\\000x\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000"
                 "\\000\\000\\000\\000'").message, "index: too short"));
}

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST_CASE("a file that needs too much memory is refused, in words") {
  Place place;
  Bytes large = edited(public_file(),
      "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
      "INSERT INTO inode SELECT i, 1, 'a name that is long enough to lie on the heap ' || i, 0, 0, 0, 33188, 0, 0, 0 FROM n");
  std::string path = place.put(large);
  CHECK(import_flist(path).has_value());
  Error error = import_flist(path, {.memory_bytes_max = 160 << 20}).error();
  CHECK_EQ(error.code, Code::Exhausted);
  CHECK(has(error.message, "memory"));
}
#endif

TEST_CASE("a message read again is the same; one cut off or changed is none") {
  ImportMessage message;
  message.beside = example_flist();
  message.beside.image = {};
  message.index = image::write_index(image::example_image());
  Bytes bytes = format_message(message);
  Result<ImportMessage> read = parse_message(bytes);
  REQUIRE(read.has_value());
  CHECK(read->index == message.index);
  CHECK(read->beside == message.beside);
  for (size_t size = 0; size < bytes.size(); size += 7) REQUIRE_FALSE(parse_message(bytes.substr(0, size)).has_value());
  CHECK_FALSE(parse_message(bytes + "x").has_value());
  Bytes failed = format_message(make_error(Code::Exhausted, "too \x1b[31mmuch"));
  Result<ImportMessage> none = parse_message(failed);
  CHECK_EQ(none.error().code, Code::Exhausted);
  CHECK_EQ(none.error().message, "too ?[31mmuch");
}
