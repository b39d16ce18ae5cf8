#include "flist/database.h"

#include <sqlite3.h>
#include <strings.h>

#include <algorithm>
#include <string>

#include "flist/limits.h"
#include "image/limits.h"

namespace mcloud::flist {
namespace {

Error error_of(sqlite3* database, int code) {
  std::string message = std::string("SQLite: ") + sqlite3_errmsg(database);
  switch (code & 0xff) {
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
    case SQLITE_FULL: return make_error(Code::Exhausted, message);
    case SQLITE_INTERRUPT: return make_error(Code::TimedOut, message);
    case SQLITE_MISUSE:
    case SQLITE_RANGE: return make_error(Code::Internal, message);
    default: return make_error(Code::Corrupt, message);
  }
}

}  // namespace

Statement::Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(int place, int64_t number) {
  sqlite3_bind_int64(statement_.get(), place + 1, number);
  return *this;
}

// A null pointer would be NULL, not "".
Statement& Statement::bind_text(int place, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), place + 1, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int place, BytesView blob) {
  sqlite3_bind_blob64(statement_.get(), place + 1, blob.data() == nullptr ? "" : blob.data(), blob.size(), SQLITE_STATIC);
  return *this;
}

Status Statement::execute() {
  int code = sqlite3_step(statement_.get());
  if (code != SQLITE_DONE) return error_of(database_, code);
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  return {};
}

Result<bool> Statement::step() {
  int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) return error_of(database_, code);
  return code == SQLITE_ROW;
}

Result<int64_t> Statement::integer(int column) const {
  if (sqlite3_column_type(statement_.get(), column) != SQLITE_INTEGER) {
    return make_error(Code::Corrupt, std::string(sqlite3_column_name(statement_.get(), column)) + " is no integer");
  }
  return sqlite3_column_int64(statement_.get(), column);
}

Result<std::string_view> Statement::text(int column) const {
  if (sqlite3_column_type(statement_.get(), column) != SQLITE_TEXT) {
    return make_error(Code::Corrupt, std::string(sqlite3_column_name(statement_.get(), column)) + " is no text");
  }
  return TRY(bytes(column));
}

Result<BytesView> Statement::bytes(int column) const {
  int type = sqlite3_column_type(statement_.get(), column);
  if (type != SQLITE_TEXT && type != SQLITE_BLOB) {
    return make_error(Code::Corrupt, std::string(sqlite3_column_name(statement_.get(), column)) + " is no text or blob");
  }
  // A text may be stored as UTF-16 and is asked for as what we speak.
  const void* found = type == SQLITE_TEXT ? sqlite3_column_text(statement_.get(), column)
                                          : sqlite3_column_blob(statement_.get(), column);
  const auto* data = static_cast<const char*>(found);
  auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  if (data == nullptr && size > 0) return make_error(Code::Exhausted, "SQLite: out of memory");
  return data == nullptr ? BytesView("", 0) : BytesView(data, size);
}

struct Database::State {
  sqlite3* database = nullptr;
  std::vector<std::string_view> tables;
  uint64_t steps_left = 0;  // each kStepsAtOnce

  ~State() { sqlite3_close(database); }

  bool may_read(const char* table) const {
    if (table == nullptr) return false;
    return std::ranges::any_of(tables, [&](std::string_view name) {
      return strncasecmp(name.data(), table, name.size()) == 0 && table[name.size()] == '\0';
    });
  }
};

namespace {

constexpr int kStepsAtOnce = 100'000;

// A stranger's schema may hide expressions in tables and indexes: nothing but reading columns is allowed.
template <typename State>
int authorize(void* context, int action, const char* table, const char*, const char*, const char*) {
  if (action == SQLITE_SELECT) return SQLITE_OK;
  if (action == SQLITE_PRAGMA) return std::string_view(table) == "table_xinfo" ? SQLITE_OK : SQLITE_DENY;
  return action == SQLITE_READ && static_cast<const State*>(context)->may_read(table) ? SQLITE_OK : SQLITE_DENY;
}

template <typename State>
int count_steps(void* context) {
  auto* state = static_cast<State*>(context);
  if (state->steps_left == 0) return 1;
  --state->steps_left;
  return 0;
}

void set_limits(sqlite3* database) {
  constexpr std::pair<int, int> kLimits[] = {
      {SQLITE_LIMIT_LENGTH, static_cast<int>(image::kDocumentBytesMax + (64 << 10))},
      {SQLITE_LIMIT_SQL_LENGTH, 16 << 10},
      {SQLITE_LIMIT_COLUMN, 64},
      {SQLITE_LIMIT_EXPR_DEPTH, 20},
      {SQLITE_LIMIT_COMPOUND_SELECT, 2},
      {SQLITE_LIMIT_VDBE_OP, 10'000},
      {SQLITE_LIMIT_FUNCTION_ARG, 8},
      {SQLITE_LIMIT_ATTACHED, 0},
      {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
      {SQLITE_LIMIT_VARIABLE_NUMBER, 16},
      {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
      {SQLITE_LIMIT_WORKER_THREADS, 0},
  };
  for (auto [what, value] : kLimits) sqlite3_limit(database, what, value);
}

void set_switches(sqlite3* database) {
  constexpr std::pair<int, int> kSwitches[] = {
      {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
      {SQLITE_DBCONFIG_ENABLE_FKEY, 0},    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
      {SQLITE_DBCONFIG_DQS_DDL, 0},        {SQLITE_DBCONFIG_DQS_DML, 0},
  };
  for (auto [what, value] : kSwitches) sqlite3_db_config(database, what, value, nullptr);
}

}  // namespace

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::create() {
  auto state = std::make_unique<State>();
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;  // one thread's
  int code = sqlite3_open_v2(":memory:", &state->database, kFlags, nullptr);
  if (code != SQLITE_OK) return error_of(state->database, code);
  return Database(std::move(state));
}

Result<Database> Database::open(BytesView bytes, std::vector<std::string_view> tables, uint64_t steps_max) {
  if (bytes.size() > kFileBytesMax) return make_error(Code::Exhausted, "SQLite: the file is larger than allowed");
  if (bytes.size() < 512 || !bytes.starts_with(BytesView("SQLite format 3\0", 16))) {
    return make_error(Code::Corrupt, "no SQLite database");
  }
  // Of a part of a page at the end SQLite takes no notice.
  size_t page_bytes = static_cast<uint8_t>(bytes[16]) << 8 | static_cast<uint8_t>(bytes[17]);
  if (page_bytes == 1) page_bytes = 64 << 10;
  if (page_bytes == 0 || bytes.size() % page_bytes != 0) return make_error(Code::Corrupt, "SQLite: the file is cut off");
  if (bytes[18] != 1 || bytes[19] != 1) {
    return make_error(Code::Unsupported, "the file's journal mode is WAL: PRAGMA journal_mode=delete makes it readable");
  }
  Database out = TRY(create());
  State& state = *out.state_;
  set_limits(state.database);
  set_switches(state.database);
  TRY(out.run("PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA cache_spill=OFF"));
  auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));  // READONLY: it is not written
  auto size = static_cast<sqlite3_int64>(bytes.size());
  int code = sqlite3_deserialize(state.database, "main", data, size, size, SQLITE_DESERIALIZE_READONLY);
  if (code != SQLITE_OK) return error_of(state.database, code);
  state.tables = std::move(tables);
  state.tables.push_back("sqlite_master");
  state.steps_left = steps_max;
  sqlite3_progress_handler(state.database, kStepsAtOnce, &count_steps<State>, &state);
  sqlite3_set_authorizer(state.database, &authorize<State>, &state);
  return out;
}

Status Database::run(const std::string& sql) {
  int code = sqlite3_exec(state_->database, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(state_->database, code);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(state_->database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return error_of(state_->database, code);
  return Statement(state_->database, statement);
}

Result<bool> Database::has_table(std::string_view name) {
  Statement statement = TRY(prepare("SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE"));
  statement.bind_text(0, name);
  bool is_there = false;
  while (TRY(statement.step())) {
    // A virtual table has no page of its own.
    bool is_table = TRY(statement.text(0)) == "table" && TRY(statement.integer(1)) > 0;
    if (!is_table) return make_error(Code::Corrupt, std::string(name) + " is no plain table");
    is_there = true;
  }
  if (!is_there) return false;
  constexpr int kHidden = 6;  // column of the answer: not 0 for what is computed
  Statement columns = TRY(prepare("PRAGMA table_xinfo(" + std::string(name) + ")"));
  while (TRY(columns.step())) {
    if (TRY(columns.integer(kHidden)) != 0) return make_error(Code::Corrupt, std::string(name) + " has computed columns");
  }
  return true;
}

Result<Bytes> Database::serialize() const {
  sqlite3_int64 size = 0;
  std::unique_ptr<unsigned char, decltype(&sqlite3_free)> data(
      sqlite3_serialize(state_->database, "main", &size, 0), &sqlite3_free);
  if (data == nullptr) return make_error(Code::Exhausted, "SQLite: out of memory");
  return Bytes(reinterpret_cast<const char*>(data.get()), static_cast<size_t>(size));
}

}  // namespace mcloud::flist
