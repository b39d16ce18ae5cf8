// A disk in memory that loses power by seed: what was not synced is dropped, torn at 512 bytes and reordered; a full or
// failing disk by plan.
#pragma once

#include <functional>
#include <map>
#include <mutex>  // stores under test have threads
#include <optional>

#include "base/disk.h"
#include "testing/simulated_random.h"

namespace mcloud::testing {

// Thread-safe. Paths are split at '/'; rename() stays in its folder.
class SimulatedDisk final : public Disk {
 public:
  enum class Operation { Open, Read, Write, Allocate, Truncate, Sync, Name, SyncFolder };
  // Asked before each operation; an error makes it fail. A failed write may have written a part; a failed sync has
  // made a random part durable, and the rest never becomes it, whatever later syncs say.
  using Plan = std::function<std::optional<Error>(Operation operation, const std::string& path)>;

  explicit SimulatedDisk(uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) { root_->is_folder = true; }

  void set_plan(Plan plan);
  void set_bytes_max(uint64_t bytes_max);  // of all files; 0: no bound
  // Power goes after that many more operations: the one that hits 0 and all later ones are Unavailable.
  void cut_power_after(uint64_t operations);
  void cut_power() { cut_power_after(0); }
  void keep_power();  // no cut is planned any more
  bool has_power() const;
  uint64_t operations() const;
  // Decides what the cut has left. What was open before stays Unavailable.
  void restore_power();
  // The process died, the machine lives: everything written stays, what was open is Unavailable, locks are free.
  void kill_process();
  // The bytes of a file as they are now, to damage them.
  Status damage(const std::string& path, uint64_t offset, BytesView bytes);

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  friend class SimulatedFile;
  friend class SimulatedMapping;
  friend class SimulatedLock;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  struct Change {
    bool is_truncation = false;
    uint64_t offset = 0;  // truncation: the size
    Bytes bytes;
  };
  struct NameChange {
    std::string name;
    NodePtr node;  // nullptr: removed
    std::string renamed_from;
  };
  struct Node {
    bool is_folder = false;
    // A file: what is seen, what is surely on the disk, and what may be.
    Bytes now, durable;
    std::vector<Change> pending;
    // A folder, the same.
    std::map<std::string, NodePtr> names, durable_names;
    std::vector<NameChange> pending_names;
    bool is_locked = false;
  };

  Status begin(Operation operation, const std::string& path);  // under the lock
  Result<NodePtr> find(const std::string& path) const;
  Result<NodePtr> parent_of(const std::string& path, std::string& name) const;
  Status check_space(const NodePtr& node, uint64_t size) const;
  void settle(Node& node, bool is_folder_too);
  static void apply(Bytes& bytes, const Change& change);
  static void apply(std::map<std::string, NodePtr>& names, const NameChange& change);
  void apply_torn(Bytes& bytes, const std::vector<Change>& changes);
  static uint64_t bytes_below(const Node& node);

  mutable std::mutex mutex_;
  SimulatedRandom random_;
  NodePtr root_;
  Plan plan_;
  uint64_t bytes_max_ = 0;
  uint64_t operations_ = 0;
  std::optional<uint64_t> power_left_;
  uint64_t life_ = 0;  // what was open in an earlier one is dead
};

}  // namespace mcloud::testing
