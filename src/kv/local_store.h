// The namespaces of one folder:
//
//   FOLDER/lock                held by the process that has it open
//   FOLDER/term, role          its place among others (replication/role.h)
//   FOLDER/aside/NAME.POSITION.TERM.log, .meta   what was cut off a log that followed another one, kept for people
//   FOLDER/spaces/NAME/        one namespace each; bytes of the name that are no [A-Za-z0-9_-] are written %XX
//   FOLDER/spaces/.NAME.new    one that is being made     .N.gone: one that is being removed
#pragma once

#include <map>
#include <mutex>  // guards the map of namespaces

#include "kv/local_namespace.h"

namespace mcloud::kv {

class LocalStore final : public Store, public ReplicaStore {
 public:
  // Threads::None, for tests: nothing happens by itself; syncer().run_due() does what is due.
  enum class Threads { Own, None };
  static Result<std::unique_ptr<LocalStore>> open(Disk& disk, Clock& clock, const Options& options, Threads threads);
  ~LocalStore() override;

  Result<NamespacePtr> create(std::string_view name, const Settings& settings) override;
  NamespacePtr find(std::string_view name) const override;
  std::vector<std::string> names() const override;
  Status remove(std::string_view name) override;
  Status clear(std::string_view name) override;
  Status close() override;
  const std::string& folder() const override { return options_.folder; }
  ReplicaStore& replica() override { return *this; }

  uint64_t promised_term() const override { return promised_; }
  Status promise(uint64_t term) override;
  void lead() override;
  void stop_leading() override;
  bool leads() const override { return leadership_.reign != 0; }
  Result<NamespacePtr> make_copy(const LogCopy& copy, std::optional<Position> keep_from) override;
  Result<NamespacePtr> cut(std::string_view name, Position end) override;
  Status put_aside(std::string_view name) override;
  Aside aside() const override;

  Syncer& syncer() { return syncer_; }

 private:
  LocalStore(Disk& disk, Clock& clock, const Options& options, Threads threads);
  Status open_all();
  Result<std::shared_ptr<LocalNamespace>> open_one(const std::string& name);
  std::string spaces() const { return options_.folder + "/spaces"; }
  std::shared_ptr<LocalNamespace> local(std::string_view name) const;
  std::vector<std::shared_ptr<LocalNamespace>> all() const;
  Result<std::string> move_away(const LocalNamespace& space);
  void sweep(const std::string& gone);
  Status remove_one(std::string_view name);  // with changing_
  Status make_folder_of(const std::string& folder, const Meta& meta);
  Result<std::shared_ptr<LocalNamespace>> open_again(const std::string& name);
  Status keep_aside(const LocalNamespace& space, Position from);
  Status cut_files(const std::string& folder, Position end);

  Disk& disk_;
  Options options_;
  std::unique_ptr<FileLock> lock_;
  Leadership leadership_;
  std::atomic<uint64_t> promised_{0};
  uint64_t reigns_ = 0;
  std::mutex leading_;  // one change of what is promised and led at a time
  Syncer syncer_;
  WallTime time_;
  std::unique_ptr<io::Pool> workers_;
  LocalNamespace::Parts parts_;
  std::mutex changing_;  // one namespace is made or removed at a time
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<LocalNamespace>, std::less<>> by_name_;
  bool is_closed_ = false;
  uint64_t removed_ = 0;
};

// The folder of a namespace, and back; nullopt: no name becomes that.
std::string folder_name(std::string_view name);
std::optional<std::string> name_of_folder(std::string_view folder);

}  // namespace mcloud::kv
