// For tests: `.fl` files made and changed by SQL, as others and attackers do.
#pragma once

#include <doctest/doctest.h>
#include <sqlite3.h>

#include "flist/flist_file.h"
#include "flist/flist_schema.h"
#include "image/tree/test_tree.h"

namespace mcloud::flist {

// `bytes` ("" = an empty database) after `sql`.
inline Bytes edited(const Bytes& bytes, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE_EQ(sqlite3_open(":memory:", &database), SQLITE_OK);
  if (!bytes.empty()) {
    auto* copy = static_cast<unsigned char*>(sqlite3_malloc64(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), copy);
    auto size = static_cast<sqlite3_int64>(bytes.size());
    REQUIRE_EQ(sqlite3_deserialize(database, "main", copy, size, size,
                                   SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE), SQLITE_OK);
  }
  char* message = nullptr;
  sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message);
  REQUIRE_MESSAGE(message == nullptr, sql << ": " << message);
  sqlite3_int64 size = 0;
  unsigned char* data = sqlite3_serialize(database, "main", &size, 0);
  Bytes out(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  sqlite3_free(data);
  sqlite3_close(database);
  return out;
}

// As a public tool writes it.
inline Bytes public_file() {
  return edited("", std::string(kPublicTables) + kIndexes + R"(
    INSERT INTO route VALUES (0, 255, 'dir:///srv/blocks');
    INSERT INTO tag VALUES ('description', 'a public file');
    INSERT INTO inode VALUES (1, 0, '/', 4096, 0, 0, 16877, 0, 1600000000, 1600000001);
    INSERT INTO inode VALUES (2, 1, 'hello', 524289, 1000, 1001, 33188, 0, 1600000000, 1600000002);
    INSERT INTO inode VALUES (3, 1, 'link', 5, 0, 0, 41471, 0, 1600000000, 1600000003);
    INSERT INTO inode VALUES (4, 1, 'dev', 4096, 0, 0, 16877, 0, 1600000000, 1600000004);
    INSERT INTO inode VALUES (5, 4, 'null', 0, 0, 0, 8630, 259, 1600000000, 1600000005);
    INSERT INTO extra VALUES (3, CAST('hello' AS BLOB));
    INSERT INTO block VALUES (2, zeroblob(32), x'0101010101010101010101010101010101010101010101010101010101010101');
    INSERT INTO block VALUES (2, x'0202020202020202020202020202020202020202020202020202020202020202', zeroblob(32));
  )");
}

// A database whose schema is a tree of pages that names one leaf 57 * 71^4 times: SQLite reads it for an hour.
inline Bytes endless_file() {
  constexpr size_t kPage = 512;
  Bytes one = edited("", "PRAGMA page_size=512; CREATE TABLE tag (key PRIMARY KEY, value)");
  auto put16 = [](Bytes& page, size_t at, size_t value) {
    page[at] = static_cast<char>(value >> 8);
    page[at + 1] = static_cast<char>(value);
  };
  // The schema's two rows, table and index, as a leaf of their own; and a leaf with the index's row alone.
  Bytes both = one.substr(0, kPage);
  std::copy_n(one.begin() + 100, 12, both.begin());
  Bytes index_only = both;
  put16(index_only, 3, 1);
  std::copy_n(both.begin() + 10, 2, index_only.begin() + 8);
  auto interior = [&](size_t header, size_t first, size_t child, size_t count) {
    Bytes page = header > 0 ? one.substr(0, header) + Bytes(kPage - header, '\0') : Bytes(kPage, '\0');
    page[header] = 5;
    put16(page, header + 3, count);
    put16(page, header + 5, kPage - 5 * count);
    put16(page, header + 10, child);
    for (size_t i = 0; i < count; ++i) {
      size_t cell = kPage - 5 * (i + 1);
      put16(page, header + 12 + 2 * i, cell);
      put16(page, cell + 2, i == 0 ? first : child);
      page[cell + 4] = static_cast<char>(i + 1);
    }
    return page;
  };
  // Page 1 is the schema's root, 2 the index, 3 and 4 the leaves, 5 to 8 name each other.
  Bytes out = interior(100, 3, 5, 57) + one.substr(kPage, kPage) + both + index_only;
  for (size_t page = 5; page <= 8; ++page) out += interior(0, page < 8 ? page + 1 : 4, page < 8 ? page + 1 : 4, 71);
  put16(out, 30, 8);
  return out;
}

// One with all that we write.
inline Flist example_flist() {
  Flist flist;
  flist.image = image::example_image();
  flist.routes = {{0, 127, "dir:///srv/blocks"}, {128, 255, "zdb://host:9900/images"}};
  flist.tags = {{"version", "1"}, {"description", "caf\xc3\xa9"}};
  crypto::SigningKey key = crypto::SigningKey::from_seed(Bytes(32, 's')).value();
  flist.signatures = {sign_image(key, image::image_digest(image::write_index(flist.image)))};
  flist.trace = {"bin/app 0", "bin/app 1"};
  return flist;
}

}  // namespace mcloud::flist
