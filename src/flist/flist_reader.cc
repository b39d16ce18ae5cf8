#include <algorithm>

#include "flist/database.h"
#include "flist/flist_file.h"
#include "flist/flist_schema.h"
#include "flist/limits.h"
#include "flist/row_tree.h"
#include "image/limits.h"

namespace mcloud::flist {
namespace {

// In pieces of 100,000 steps of SQLite's machine: a row has ten bytes and takes up to forty steps. What damaged pages
// make of a table has no end.
uint64_t steps_max(BytesView file) { return std::min<uint64_t>(3'000, 5 + file.size() / 12'500); }

std::vector<std::string_view> all_tables() {
  return {"inode", "extra", "block", "tag", "route", "mcloud_format", "mcloud_name", "mcloud_link", "mcloud_time",
          "mcloud_sha256", "mcloud_attribute", "mcloud_config", "mcloud_origin", "mcloud_signature", "mcloud_trace"};
}

class Reader {
 public:
  static Result<Reader> open(BytesView bytes) { return Reader(TRY(Database::open(bytes, all_tables(), steps_max(bytes)))); }

  Result<Flist> run() {
    Flist out;
    TRY(read_public_tree());
    TRY(read_tags_and_routes(out));
    if (TRY(is_ours())) {
      TRY(read_own_tree());
      TRY(read_own_rest(out));
    }
    out.image.tree = TRY(tree_.finish());
    Status checked = check_flist(out);
    if (!checked.has_value() && checked.error().code == Code::Exhausted) return checked.error();
    if (!checked.has_value()) return make_error(Code::Corrupt, checked.error().message);
    return out;
  }

 private:
  explicit Reader(Database database) : database_(std::move(database)) {}

  // Calls `each` with the statement standing on every row; errors name the table. A table of ours may be absent.
  template <typename Each>
  Status rows(const std::string& table, std::string_view sql, Each each) {
    if (!TRY(database_.has_table(table).with_context("table " + table))) {
      if (table.starts_with("mcloud_") || table == "route" || table == "tag") return {};
      return make_error(Code::Corrupt, "no table " + table);
    }
    Statement statement = TRY(database_.prepare(sql).with_context("table " + table));
    uint64_t count = 0;
    while (TRY(statement.step().with_context("table " + table))) {
      TRY(within(++count, table == "block" ? image::kBlocksMax : image::kNamesMax + 1).with_context("table " + table));
      TRY(Status(each(statement)).with_context("table " + table));
    }
    return {};
  }

  // Version 0 is a public tool's file.
  Result<bool> is_ours() {
    int64_t version = 0, count = 0;
    TRY(rows("mcloud_format", "SELECT version FROM mcloud_format", [&](Statement& row) -> Status {
      version = TRY(row.integer(0));
      if (++count > 1) return make_error(Code::Corrupt, "more than one row");
      return {};
    }));
    if (count == 0) return false;
    if (version != kFormatVersion) {
      return make_error(Code::Unsupported, "the file has version " + std::to_string(version) +
                                               " of MagicCloud's tables, this program reads version 1: use a newer one");
    }
    return true;
  }

  Status read_public_tree() {
    TRY(rows("inode", "SELECT ino, parent, name, size, uid, gid, mode, rdev, mtime FROM inode ORDER BY ino",
             [&](Statement& row) -> Status {
               InodeRow inode{.ino = TRY(row.integer(0)), .parent = TRY(row.integer(1)), .name = Bytes(TRY(row.text(2)))};
               inode.size = TRY(row.integer(3));
               inode.user = TRY(row.integer(4));
               inode.group = TRY(row.integer(5));
               inode.mode = TRY(row.integer(6));
               inode.device = TRY(row.integer(7));
               inode.modified_s = TRY(row.integer(8));
               return tree_.add_inode(std::move(inode));
             }));
    TRY(rows("extra", "SELECT ino, data FROM extra ORDER BY ino",
             [&](Statement& row) -> Status { return tree_.add_target(TRY(row.integer(0)), TRY(row.bytes(1))); }));
    return rows("block", "SELECT ino, id, key FROM block ORDER BY rowid", [&](Statement& row) -> Status {
      return tree_.add_block(TRY(row.integer(0)), TRY(row.bytes(1)), TRY(row.bytes(2)));
    });
  }

  Status read_own_tree() {
    TRY(rows("mcloud_name", "SELECT ino, name FROM mcloud_name ORDER BY ino",
             [&](Statement& row) -> Status { return tree_.set_name(TRY(row.integer(0)), TRY(row.bytes(1))); }));
    TRY(rows("mcloud_link", "SELECT ino, first FROM mcloud_link ORDER BY ino",
             [&](Statement& row) -> Status { return tree_.add_second_name(TRY(row.integer(0)), TRY(row.integer(1))); }));
    TRY(rows("mcloud_time", "SELECT ino, mtime_ns FROM mcloud_time ORDER BY ino",
             [&](Statement& row) -> Status { return tree_.set_nanoseconds(TRY(row.integer(0)), TRY(row.integer(1))); }));
    TRY(rows("mcloud_sha256", "SELECT ino, sha256 FROM mcloud_sha256 ORDER BY ino",
             [&](Statement& row) -> Status { return tree_.set_sha256(TRY(row.integer(0)), TRY(row.bytes(1))); }));
    return rows("mcloud_attribute", "SELECT ino, name, value FROM mcloud_attribute ORDER BY rowid",
                [&](Statement& row) -> Status {
                  return tree_.add_attribute(TRY(row.integer(0)), TRY(row.bytes(1)), TRY(row.bytes(2)));
                });
  }

  Status read_tags_and_routes(Flist& out) {
    TRY(rows("tag", "SELECT key, value FROM tag", [&](Statement& row) -> Status {
      out.tags[Bytes(TRY(row.text(0)))] = TRY(row.text(1));
      return within(out.tags.size(), kTagsMax);
    }));
    return rows("route", "SELECT start, end, url FROM route ORDER BY rowid", [&](Statement& row) -> Status {
      int64_t first = TRY(row.integer(0)), last = TRY(row.integer(1));
      if (first < 0 || last > 255 || first > last) return make_error(Code::Corrupt, "a range is in 0 to 255");
      out.routes.push_back({static_cast<uint8_t>(first), static_cast<uint8_t>(last), Bytes(TRY(row.text(2)))});
      return within(out.routes.size(), kRoutesMax);
    });
  }

  Status read_own_rest(Flist& out) {
    uint64_t configs = 0;
    TRY(rows("mcloud_config", "SELECT document FROM mcloud_config", [&](Statement& row) -> Status {
      out.image.config = TRY(row.bytes(0));
      return within(++configs, 1);
    }));
    TRY(rows("mcloud_origin", "SELECT digest FROM mcloud_origin ORDER BY position", [&](Statement& row) -> Status {
      out.image.origin.emplace_back(TRY(row.text(0)));
      return within(out.image.origin.size(), image::kOriginsMax);
    }));
    TRY(rows("mcloud_signature", "SELECT signer, signature FROM mcloud_signature ORDER BY position",
             [&](Statement& row) -> Status {
               Result<PublicKey> signer = PublicKey::from_bytes(TRY(row.bytes(0)));
               if (!signer.has_value()) return make_error(Code::Corrupt, signer.error().message);
               out.signatures.push_back({*signer, Bytes(TRY(row.bytes(1)))});
               return within(out.signatures.size(), kSignaturesMax);
             }));
    return rows("mcloud_trace", "SELECT line FROM mcloud_trace ORDER BY position", [&](Statement& row) -> Status {
      out.trace.emplace_back(TRY(row.bytes(0)));
      return within(out.trace.size(), kTraceLinesMax);
    });
  }

  static Status within(uint64_t count, uint64_t allowed) {
    if (count <= allowed) return {};
    return make_error(Code::Exhausted, "more than the allowed " + std::to_string(allowed) + " rows");
  }

  Database database_;
  RowTree tree_;
};

}  // namespace

Result<Flist> parse_flist(BytesView bytes) {
  Reader reader = TRY(Reader::open(bytes));
  return reader.run();
}

}  // namespace mcloud::flist
