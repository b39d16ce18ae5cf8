// The namespaces of one folder:
//
//   FOLDER/lock                held by the process that has it open
//   FOLDER/spaces/NAME/        one namespace each; bytes of the name that are no [A-Za-z0-9_-] are written %XX
//   FOLDER/spaces/.NAME.new    one that is being made     .N.gone: one that is being removed
#pragma once

#include <map>
#include <mutex>  // guards the map of namespaces

#include "kv/local_namespace.h"

namespace mcloud::kv {

class LocalStore final : public Store {
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

  Syncer& syncer() { return syncer_; }

 private:
  LocalStore(Disk& disk, Clock& clock, const Options& options, Threads threads);
  Status open_all();
  Result<std::shared_ptr<LocalNamespace>> open_one(const std::string& name);
  std::string spaces() const { return options_.folder + "/spaces"; }
  std::shared_ptr<LocalNamespace> local(std::string_view name) const;

  Disk& disk_;
  Options options_;
  std::unique_ptr<FileLock> lock_;
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
