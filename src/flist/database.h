// Inside this room only: SQLite, in memory and nowhere else. No file is ever opened by it: bytes go in and come
// out. A database that is read is a stranger's: only plain tables, no functions, no views, bounded in time.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mcloud::flist {

// One prepared statement; borrows its database. Parameters and columns count from 0.
class Statement {
 public:
  explicit Statement(sqlite3* database, sqlite3_stmt* statement);

  Statement& bind(int place, int64_t number);
  Statement& bind_text(int place, std::string_view text);  // borrowed until execute() or step() is done
  Statement& bind_blob(int place, BytesView blob);
  // Runs it to its end and makes it ready for the next parameters.
  Status execute();

  // True: there is a row, whose columns may be asked for until the next step.
  Result<bool> step();
  // Corrupt, naming the column, unless it is of that type. Views live until the next step.
  Result<int64_t> integer(int column) const;
  Result<std::string_view> text(int column) const;
  Result<BytesView> bytes(int column) const;  // a blob or a text

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // Empty, to be written and serialized.
  static Result<Database> create();
  // Over bytes that outlive it, to be read. Only `tables` may be read; a statement that takes more than
  // `steps_max` times 100,000 steps of SQLite's machine is TimedOut.
  static Result<Database> open(BytesView bytes, std::vector<std::string_view> tables, uint64_t steps_max);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  Status run(const std::string& sql);
  // Corrupt when the tables are not as the statement says.
  Result<Statement> prepare(std::string_view sql);
  // Whether there is a plain table of that name; Corrupt when the name is something else: a view, a virtual table,
  // a table with computed columns.
  Result<bool> has_table(std::string_view name);
  Result<Bytes> serialize() const;

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mcloud::flist
