#include "flist/flist_file.h"

#include "flist/limits.h"
#include "flist/test_flist.h"
#include "flist/utf8.h"
#include "io/file.h"
#include "testing/source_tree.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::flist;
using image::Node;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What the reader says of the example file after `sql`; "" = nothing.
std::string said(const std::string& sql) {
  static const Bytes good = format_flist(example_flist()).value();
  Result<Flist> read = parse_flist(edited(good, sql));
  if (read.has_value()) return "";
  CHECK_MESSAGE((read.error().code == Code::Corrupt || read.error().code == Code::Exhausted), read.error().message);
  return read.error().message;
}

std::string said_of_public(const std::string& sql) {
  Result<Flist> read = parse_flist(edited(public_file(), sql));
  return read.has_value() ? "" : read.error().message;
}

const Node& at(const image::Tree& tree, std::initializer_list<std::string> path) {
  image::NodeNumber number = 0;
  for (const std::string& name : path) {
    REQUIRE(tree.nodes[number].children.contains(name));
    number = tree.nodes[number].children.at(name);
  }
  return tree.nodes[number];
}

}  // namespace

TEST_CASE("a file read again is the same flist, and writes the same bytes") {
  Flist flist = example_flist();
  Bytes bytes = format_flist(flist).value();
  Result<Flist> read = parse_flist(bytes);
  REQUIRE_MESSAGE(read.has_value(), read.error().message);
  CHECK(image::write_index(read->image) == image::write_index(flist.image));
  CHECK(read->image.config == flist.image.config);
  CHECK(read->image.origin == flist.image.origin);
  CHECK(read->routes == flist.routes);
  CHECK(read->tags == flist.tags);
  CHECK(read->trace == flist.trace);
  CHECK(read->signatures == flist.signatures);
  CHECK(format_flist(*read).value() == bytes);
}

TEST_CASE("a file of version 1 stays readable: the golden one is the example") {
  Flist golden = read_flist(testing::source_tree() + "/src/flist/testdata/example.fl").value();
  CHECK(image::write_index(golden.image) == image::write_index(image::example_image()));
  golden.image = image::example_image();
  CHECK(golden == example_flist());
}

TEST_CASE("random images come back whole, whatever lay in memory and however nodes were numbered") {
  testing::SimulatedRandom random(3);
  for (int i = 0; i < 25; ++i) {
    Flist flist;
    flist.image = image::random_image(random, 1 + random.below(400));
    Bytes bytes = format_flist(flist).value();
    Result<Flist> read = parse_flist(bytes);
    REQUIRE_MESSAGE(read.has_value(), read.error().message);
    REQUIRE(image::write_index(read->image) == image::write_index(flist.image));
    Bytes dirt(3 << 20, static_cast<char>(random.below(256)));
    flist.image = image::Index::parse(image::write_index(flist.image)).value()->image();
    REQUIRE(format_flist(flist).value() == bytes);
  }
}

TEST_CASE("a public tool's file is read, without what it does not know") {
  Result<Flist> read = parse_flist(public_file());
  REQUIRE_MESSAGE(read.has_value(), read.error().message);
  const image::Tree& tree = read->image.tree;
  const Node& hello = at(tree, {"hello"});
  CHECK_EQ(hello.bytes, 524'289);
  CHECK_EQ(hello.mode, 0644);
  CHECK_EQ(hello.user, 1000);
  CHECK_EQ(hello.group, 1001);
  CHECK_EQ(hello.modified_s, 1'600'000'002);
  CHECK_EQ(hello.modified_ns, 0);
  CHECK_EQ(hello.sha256, "");
  REQUIRE_EQ(hello.blocks.size(), 2);
  CHECK_EQ(hello.blocks[1].id.hex(), to_hex(Bytes(32, '\2')));
  CHECK_EQ(at(tree, {"link"}).target, "hello");
  CHECK_EQ(at(tree, {"dev", "null"}).device_major, 1);
  CHECK_EQ(at(tree, {"dev", "null"}).device_minor, 3);
  CHECK_EQ(read->routes, std::vector<image::Route>{{0, 255, "dir:///srv/blocks"}});
  CHECK_EQ(read->tags.at("description"), "a public file");
  CHECK_EQ(read->image.config, "");
}

TEST_CASE("what public readers look at is as they expect it") {
  Bytes bytes = format_flist(example_flist()).value();
  // Raises an error ("abs of the smallest number") unless the query gives what it must.
  auto expect = [&](const std::string& query, const std::string& value) {
    edited(bytes, "SELECT CASE WHEN (" + query + ") IS " + value + " THEN 1 ELSE abs(-9223372036854775808) END");
  };
  expect("SELECT count(*) FROM inode", "15");
  expect("SELECT ino || ' ' || parent || name FROM inode WHERE ino = 1", "'1 0/'");
  expect("SELECT count(*) FROM inode WHERE ino > 1 AND parent NOT IN (SELECT ino FROM inode)", "0");
  expect("SELECT group_concat(mode) FROM inode WHERE name = 'app'", "'35309,35309'");
  expect("SELECT count(*) FROM block", "6");  // each name of a file has its own rows
  expect("SELECT size FROM inode WHERE name = 'sh'", "10");
  expect("SELECT CAST(data AS TEXT) || typeof(data) FROM extra", "'../usr/appblob'");
  expect("SELECT rdev FROM inode WHERE name = 'null'", "259");
  expect("SELECT count(*) FROM inode WHERE typeof(name) <> 'text' OR ctime <> mtime", "0");
  expect("SELECT count(*) FROM inode WHERE name = char(65533) || char(65533)", "1");  // no UTF-8: kept beside
  expect("SELECT seq FROM sqlite_sequence WHERE name = 'inode'", "15");
  CHECK_EQ(bytes[18], 1);  // journal_mode=delete
  CHECK_EQ(bytes[19], 1);
}

TEST_CASE("tags, routes, signatures and traces change without changing the image") {
  testing::TemporaryFolder folder;
  std::string path = folder / "a.fl";
  REQUIRE(write_flist(path, example_flist()).has_value());
  Flist flist = read_flist(path).value();
  Bytes index = image::write_index(flist.image);
  flist.tags["author"] = "somebody";
  flist.routes.pop_back();
  flist.trace.clear();
  flist.signatures.clear();
  REQUIRE(write_flist(path, flist).has_value());
  Flist again = read_flist(path).value();
  CHECK(again.tags == flist.tags);
  CHECK(again.routes == flist.routes);
  CHECK(image::write_index(again.image) == index);
  CHECK_EQ(read_flist(folder / "none").error().code, Code::NotFound);
}

TEST_CASE("a public tool may edit tags and routes of our file") {
  CHECK_EQ(said("INSERT OR REPLACE INTO tag VALUES ('custom', 'x'); DELETE FROM route; "
                "INSERT INTO route VALUES (0, 255, 'server://host:4000')"), "");
}

TEST_CASE("a signature is of one image and one signer") {
  crypto::SigningKey key = crypto::SigningKey::generate();
  image::Digest digest = image::Digest::of("an index"), other = image::Digest::of("another");
  ImageSignature signature = sign_image(key, digest);
  CHECK(verify_signature(signature, digest));
  CHECK_FALSE(verify_signature(signature, other));
  signature.signer = crypto::SigningKey::generate().public_key();
  CHECK_FALSE(verify_signature(signature, digest));
}

TEST_CASE("trees that are none are refused, naming the row") {
  CHECK(has(said("UPDATE inode SET name = '..' WHERE name = 'app'"), "\"..\": 1 to 255 bytes"));
  CHECK(has(said("UPDATE inode SET name = 'a/b' WHERE name = 'sh'"), "\"a/b\""));
  CHECK(has(said("UPDATE inode SET name = CAST(x'610062' AS TEXT) WHERE name = 'sh'"), "1 to 255 bytes"));
  CHECK(has(said("UPDATE inode SET name = '' WHERE name = 'sh'"), "1 to 255 bytes"));
  CHECK(has(said("UPDATE inode SET name = 'log' WHERE name = 'none'"), "\"log\" is there twice"));
  CHECK(has(said("UPDATE inode SET parent = 77 WHERE name = 'sh'"), "parent 77 is no folder"));
  CHECK(has(said("UPDATE inode SET parent = (SELECT ino FROM inode WHERE name = 'null') WHERE name = 'sh'"), "no folder"));
  CHECK(has(said("UPDATE inode SET parent = ino WHERE name = 'empty'"), "no name"));
  CHECK(has(said("UPDATE inode SET parent = 0 WHERE name = 'empty'"), "no folder"));
  CHECK(has(said("UPDATE inode SET parent = 1 WHERE ino = 1"), "the root is ino 1"));
  CHECK(has(said("DELETE FROM inode WHERE ino = 1"), "the root is ino 1"));
  CHECK(has(said("INSERT INTO inode SELECT 0, 1, 'zero', 0, 0, 0, 33188, 0, 0, 0"), "no ino is smaller"));
  CHECK(has(said("DELETE FROM inode; DELETE FROM extra; DELETE FROM block"), ""));
  CHECK(has(said("UPDATE inode SET mode = 493 WHERE name = 'empty'"), "no file type"));
  CHECK(has(said("UPDATE inode SET mode = 'text' WHERE name = 'empty'"), "mode is no integer"));
  CHECK(has(said("UPDATE inode SET uid = -1 WHERE name = 'empty'"), "uid or gid"));
  CHECK(has(said("UPDATE inode SET gid = 65536 WHERE name = 'empty'"), "0 to 65535"));
}

TEST_CASE("two folders that hold each other are refused") {
  std::string message = said_of_public(
      "INSERT INTO inode VALUES (6, 7, 'a', 0, 0, 0, 16877, 0, 0, 0); INSERT INTO inode VALUES (7, 6, 'b', 0, 0, 0, 16877, 0, 0, 0)");
  CHECK(has(message, "2 nodes have no name"));
}

TEST_CASE("content that is none is refused, naming the row") {
  CHECK(has(said_of_public("UPDATE inode SET size = 524288 WHERE ino = 2"), "ino 2: 524288 bytes are 1 blocks"));
  CHECK(has(said_of_public("UPDATE inode SET size = 1048577 WHERE ino = 2"), "has 2 blocks"));
  CHECK(has(said_of_public("UPDATE inode SET size = -1 WHERE ino = 2"), "ino 2: size -1"));
  CHECK(has(said_of_public("UPDATE inode SET size = 9223372036854775807 WHERE ino = 2"), "more than the allowed"));
  CHECK(has(said_of_public("UPDATE block SET id = x'00' WHERE ino = 2"), "32 bytes"));
  CHECK(has(said_of_public("UPDATE block SET key = NULL"), "table block: key is no text or blob"));
  CHECK(has(said_of_public("UPDATE block SET ino = 4"), "no file"));
  CHECK(has(said_of_public("UPDATE block SET ino = 99"), "ino 99: has no row"));
  CHECK(has(said_of_public("DELETE FROM extra"), "target"));
  CHECK(has(said_of_public("UPDATE inode SET rdev = 1099511627776 * 300 WHERE ino = 5"), "device"));
}

TEST_CASE("our own tables are held against the public ones") {
  CHECK(has(said("UPDATE inode SET uid = 13 WHERE ino = (SELECT ino FROM mcloud_link LIMIT 1)"), "says other things"));
  CHECK(has(said("UPDATE block SET key = zeroblob(32) WHERE ino = (SELECT max(ino) FROM mcloud_link)"), "says other things"));
  CHECK(has(said("UPDATE mcloud_link SET first = 1"), "a folder has one name"));
  CHECK(has(said("UPDATE mcloud_link SET first = ino"), "comes after"));
  CHECK(has(said("INSERT INTO mcloud_sha256 SELECT ino, zeroblob(32) FROM mcloud_link"), "second name"));
  CHECK(has(said("INSERT INTO mcloud_attribute VALUES (1, 'trusted.overlay.opaque', 'y')"), "may carry"));
  CHECK(has(said("INSERT INTO mcloud_attribute SELECT * FROM mcloud_attribute"), "there twice"));
  CHECK(has(said("UPDATE mcloud_time SET mtime_ns = 1000000000"), "nanoseconds"));
  CHECK(has(said("INSERT INTO mcloud_config VALUES ('x'), ('y')"), "more than the allowed 1 rows"));
  CHECK(has(said("INSERT INTO mcloud_config SELECT zeroblob(4194305)"), "config"));
  CHECK(has(said("UPDATE mcloud_signature SET signer = 'x'"), "public key"));
  CHECK(has(said("UPDATE mcloud_signature SET signature = 'x'"), "64 bytes"));
  CHECK(has(said("UPDATE mcloud_origin SET digest = char(10)"), "origin"));
  CHECK(has(said("INSERT INTO mcloud_name VALUES (2, '..')"), "\"..\""));
}

TEST_CASE("a later version of our tables is said, not guessed") {
  Bytes bytes = edited(format_flist(example_flist()).value(), "UPDATE mcloud_format SET version = 2");
  Error error = parse_flist(bytes).error();
  CHECK_EQ(error.code, Code::Unsupported);
  CHECK(has(error.message, "version 2"));
}

TEST_CASE("a file whose journal lies elsewhere is refused with what helps") {
  Bytes bytes = public_file();
  bytes[18] = bytes[19] = 2;
  Error error = parse_flist(bytes).error();
  CHECK_EQ(error.code, Code::Unsupported);
  CHECK(has(error.message, "journal_mode=delete"));
}

TEST_CASE("views, virtual tables, expressions and odd schemas are refused") {
  auto replaced = [](const std::string& with) { return said_of_public("DROP TABLE tag; " + with); };
  CHECK(has(replaced("CREATE VIEW tag AS SELECT 1 AS key, 2 AS value"), "no plain table"));
  CHECK(has(replaced("CREATE VIEW TAG AS SELECT 1 AS key, 2 AS value"), "no plain table"));
  CHECK(has(replaced("CREATE VIRTUAL TABLE tag USING fts4(key, value)"), "no plain table"));
  CHECK(has(replaced("CREATE TABLE tag (key, value AS (hex(key))); INSERT INTO tag VALUES ('a')"), "computed columns"));
  CHECK(has(replaced("CREATE TABLE tag (key)"), "no such column"));
  CHECK(has(said_of_public("DROP TABLE block; CREATE TABLE block (ino PRIMARY KEY, id, key) WITHOUT ROWID"), "table block"));
  CHECK(has(said_of_public("DROP TABLE inode"), "no table inode"));
  CHECK_EQ(replaced("SELECT 1"), "");  // none at all
}

TEST_CASE("bounds of routes, tags and traces hold for reading and writing") {
  CHECK(has(said_of_public("UPDATE route SET end = 256"), "0 to 255"));
  CHECK(has(said_of_public("UPDATE route SET url = 'with space'"), "printable"));
  CHECK(has(said_of_public("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
                           "INSERT INTO route SELECT 0, 255, 'dir:///' || i FROM n"), "more than the allowed 256"));
  CHECK(has(said_of_public("INSERT INTO tag SELECT 'long', hex(zeroblob(2049))"), "tag \"long\""));
  Flist flist = example_flist();
  flist.tags[""] = "x";
  CHECK_EQ(format_flist(flist).error().code, Code::Invalid);
  flist = example_flist();
  flist.trace = {std::string(5000, 'x')};
  CHECK_EQ(format_flist(flist).error().code, Code::Invalid);
  flist = example_flist();
  flist.routes = {{9, 8, "dir:///x"}};
  CHECK_EQ(format_flist(flist).error().code, Code::Invalid);
}

TEST_CASE("bytes that are no database, or a damaged one, are an error and nothing else") {
  Bytes good = format_flist(example_flist()).value();
  CHECK_EQ(parse_flist("").error().code, Code::Corrupt);
  CHECK_EQ(parse_flist("SQLite").error().code, Code::Corrupt);
  for (size_t size = 0; size < good.size(); size += 511) CHECK_FALSE(parse_flist(good.substr(0, size)).has_value());
  testing::SimulatedRandom random(4);
  for (int i = 0; i < 400; ++i) {
    Bytes bytes = good;
    for (uint64_t n = 1 + random.below(8); n > 0; --n) bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    Result<Flist> read = parse_flist(bytes);
    if (read.has_value()) REQUIRE(check_flist(*read).has_value());
  }
}

TEST_CASE("UTF-8 is told from other bytes, which become U+FFFD") {
  CHECK(is_utf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
  for (const char* wrong : {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5", "\xe2\x82"}) {
    CHECK_FALSE(is_utf8(wrong));
    CHECK(is_utf8(to_utf8(wrong)));
  }
  CHECK_EQ(to_utf8("a\xff" "b"), "a\xef\xbf\xbd" "b");
}
