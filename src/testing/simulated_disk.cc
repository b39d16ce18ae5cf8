#include "testing/simulated_disk.h"

#include <algorithm>

namespace mcloud::testing {
namespace {

constexpr uint64_t kSectorBytes = 512;

Error no_power() { return make_error(Code::Unavailable, "the simulated machine has no power"); }
Error not_found(const std::string& path) { return make_error(Code::NotFound, path + ": No such file or directory"); }

}  // namespace

class SimulatedMapping final : public Mapping {
 public:
  SimulatedMapping(SimulatedDisk& disk, SimulatedDisk::NodePtr node, uint64_t size, uint64_t life)
      : disk_(disk), node_(std::move(node)), size_(size), life_(life) {}
  Status read(uint64_t offset, char* to, size_t size) const override {
    std::lock_guard guard(disk_.mutex_);
    if (life_ != disk_.life_) return no_power();
    TRY(disk_.begin(SimulatedDisk::Operation::Read, "a mapping"));
    if (offset + size > size_) return make_error(Code::Invalid, "beyond what is mapped");
    if (offset + size > node_->now.size()) return make_error(Code::Unavailable, "beyond the file's end");
    node_->now.copy(to, size, offset);
    return {};
  }
  uint64_t size() const override { return size_; }

 private:
  SimulatedDisk& disk_;
  SimulatedDisk::NodePtr node_;
  uint64_t size_;
  uint64_t life_;
};

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, SimulatedDisk::NodePtr node, std::string path, bool may_write)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)), may_write_(may_write), life_(disk.life_) {}

  Status write(uint64_t offset, BytesView bytes) override {
    std::lock_guard guard(disk_.mutex_);
    if (life_ != disk_.life_ || disk_.power_left_ == 0) return no_power();
    Status may = begin(SimulatedDisk::Operation::Write);
    if (may.has_value()) may = disk_.check_space(node_, offset + bytes.size());
    if (!may.has_value()) {
      // Some of it may have reached the file before it failed.
      if (may_write_ && !bytes.empty()) {
        uint64_t part = disk_.random_.below(bytes.size() + 1);
        if (disk_.check_space(node_, offset + part).has_value()) change({false, offset, Bytes(bytes.substr(0, part))});
      }
      return may;
    }
    change({false, offset, Bytes(bytes)});
    return {};
  }
  Result<size_t> read(uint64_t offset, char* to, size_t size) override {
    std::lock_guard guard(disk_.mutex_);
    TRY(begin(SimulatedDisk::Operation::Read));
    if (offset >= node_->now.size()) return size_t{0};
    return node_->now.copy(to, size, offset);
  }
  Result<uint64_t> size() override {
    std::lock_guard guard(disk_.mutex_);
    TRY(begin(SimulatedDisk::Operation::Read));
    return node_->now.size();
  }
  Status allocate(uint64_t size) override {
    std::lock_guard guard(disk_.mutex_);
    TRY(begin(SimulatedDisk::Operation::Allocate));
    if (size <= node_->now.size()) return {};
    TRY(disk_.check_space(node_, size));
    change({true, size, {}});
    return {};
  }
  Status truncate(uint64_t size) override {
    std::lock_guard guard(disk_.mutex_);
    TRY(begin(SimulatedDisk::Operation::Truncate));
    change({true, size, {}});
    return {};
  }
  Status sync() override {
    std::lock_guard guard(disk_.mutex_);
    if (life_ != disk_.life_ || disk_.power_left_ == 0) return no_power();
    Status may = begin(SimulatedDisk::Operation::Sync);
    if (may.has_value()) {
      for (const SimulatedDisk::Change& pending : node_->pending) SimulatedDisk::apply(node_->durable, pending);
    } else {
      disk_.apply_torn(node_->durable, node_->pending);
    }
    node_->pending.clear();
    return may;
  }
  Result<std::unique_ptr<Mapping>> map(uint64_t size) override {
    std::lock_guard guard(disk_.mutex_);
    TRY(begin(SimulatedDisk::Operation::Open));
    return std::make_unique<SimulatedMapping>(disk_, node_, size, life_);
  }

 private:
  Status begin(SimulatedDisk::Operation operation) {
    if (life_ != disk_.life_) return no_power();
    bool changes = operation != SimulatedDisk::Operation::Read && operation != SimulatedDisk::Operation::Open;
    if (changes && !may_write_) return make_error(Code::Denied, path_ + ": opened for reading");
    return disk_.begin(operation, path_);
  }
  void change(SimulatedDisk::Change change) {
    SimulatedDisk::apply(node_->now, change);
    node_->pending.push_back(std::move(change));
  }

  SimulatedDisk& disk_;
  SimulatedDisk::NodePtr node_;
  std::string path_;
  bool may_write_;
  uint64_t life_;
};

class SimulatedLock final : public FileLock {
 public:
  SimulatedLock(SimulatedDisk& disk, SimulatedDisk::NodePtr node)
      : disk_(disk), node_(std::move(node)), life_(disk.life_) {}
  ~SimulatedLock() override {
    std::lock_guard guard(disk_.mutex_);
    if (life_ == disk_.life_) node_->is_locked = false;
  }

 private:
  SimulatedDisk& disk_;
  SimulatedDisk::NodePtr node_;
  uint64_t life_;
};

void SimulatedDisk::set_plan(Plan plan) {
  std::lock_guard guard(mutex_);
  plan_ = std::move(plan);
}

void SimulatedDisk::set_bytes_max(uint64_t bytes_max) {
  std::lock_guard guard(mutex_);
  bytes_max_ = bytes_max;
}

void SimulatedDisk::cut_power_after(uint64_t operations) {
  std::lock_guard guard(mutex_);
  power_left_ = operations;
}

void SimulatedDisk::keep_power() {
  std::lock_guard guard(mutex_);
  if (power_left_ != 0) power_left_.reset();
}

bool SimulatedDisk::has_power() const {
  std::lock_guard guard(mutex_);
  return power_left_ != 0;
}

uint64_t SimulatedDisk::operations() const {
  std::lock_guard guard(mutex_);
  return operations_;
}

Status SimulatedDisk::begin(Operation operation, const std::string& path) {
  if (power_left_ == 0) return no_power();
  ++operations_;
  if (power_left_ && --*power_left_ == 0) return no_power();
  if (plan_) {
    if (auto error = plan_(operation, path)) return *error;
  }
  return {};
}

void SimulatedDisk::apply(Bytes& bytes, const Change& change) {
  if (change.is_truncation) return bytes.resize(change.offset);
  if (bytes.size() < change.offset + change.bytes.size()) bytes.resize(change.offset + change.bytes.size());
  bytes.replace(change.offset, change.bytes.size(), change.bytes);
}

void SimulatedDisk::apply(std::map<std::string, NodePtr>& names, const NameChange& change) {
  if (!change.renamed_from.empty()) names.erase(change.renamed_from);
  if (change.node) {
    names[change.name] = change.node;
  } else {
    names.erase(change.name);
  }
}

// Each sector of each write reaches the disk or not, whatever came before or after it.
void SimulatedDisk::apply_torn(Bytes& bytes, const std::vector<Change>& changes) {
  const uint64_t survive_percent = std::array<uint64_t, 5>{0, 20, 50, 90, 100}[random_.below(5)];
  for (const Change& change : changes) {
    if (change.is_truncation) {
      if (random_.chance(survive_percent)) apply(bytes, change);
      continue;
    }
    for (uint64_t at = 0; at < change.bytes.size();) {
      uint64_t until = ((change.offset + at) / kSectorBytes + 1) * kSectorBytes - change.offset;
      until = std::min<uint64_t>(until, change.bytes.size());
      if (random_.chance(survive_percent))
        apply(bytes, {false, change.offset + at, change.bytes.substr(at, until - at)});
      at = until;
    }
  }
}

void SimulatedDisk::settle(Node& node, bool is_folder_too) {
  if (!node.is_folder) {
    apply_torn(node.durable, node.pending);
    node.pending.clear();
    node.now = node.durable;
    node.is_locked = false;
    return;
  }
  if (is_folder_too) {
    // Names mostly come back in the order they were changed in, but nothing promises it.
    bool in_order = random_.chance(50);
    uint64_t kept = random_.below(node.pending_names.size() + 1);
    for (size_t i = 0; i < node.pending_names.size(); ++i) {
      if (in_order ? i < kept : random_.chance(50)) apply(node.durable_names, node.pending_names[i]);
    }
  }
  node.pending_names.clear();
  node.names = node.durable_names;
  for (auto& [name, child] : node.names) settle(*child, is_folder_too);
}

void SimulatedDisk::restore_power() {
  std::lock_guard guard(mutex_);
  settle(*root_, true);
  power_left_.reset();
  ++life_;
}

void SimulatedDisk::kill_process() {
  std::lock_guard guard(mutex_);
  ++life_;
  std::function<void(Node&)> unlock = [&](Node& node) {
    node.is_locked = false;
    for (auto& [name, child] : node.names) unlock(*child);
  };
  unlock(*root_);
}

Status SimulatedDisk::damage(const std::string& path, uint64_t offset, BytesView bytes) {
  std::lock_guard guard(mutex_);
  NodePtr node = TRY(find(path));
  apply(node->now, {false, offset, Bytes(bytes)});
  apply(node->durable, {false, offset, Bytes(bytes)});
  return {};
}

Result<SimulatedDisk::NodePtr> SimulatedDisk::find(const std::string& path) const {
  NodePtr node = root_;
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    auto child = node->names.find(part);
    if (child == node->names.end()) return not_found(path);
    node = child->second;
  }
  return node;
}

Result<SimulatedDisk::NodePtr> SimulatedDisk::parent_of(const std::string& path, std::string& name) const {
  size_t slash = path.find_last_of('/');
  name = path.substr(slash + 1);
  return find(path.substr(0, slash));
}

uint64_t SimulatedDisk::bytes_below(const Node& node) {
  uint64_t bytes = node.now.size();
  for (const auto& [name, child] : node.names) bytes += bytes_below(*child);
  return bytes;
}

Status SimulatedDisk::check_space(const NodePtr& node, uint64_t size) const {
  if (bytes_max_ == 0 || size <= node->now.size()) return {};
  if (bytes_below(*root_) + size - node->now.size() <= bytes_max_) return {};
  return make_error(Code::Exhausted, "No space left on device");
}

Result<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, OpenMode mode) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::Open, path));
  std::string name;
  NodePtr folder = TRY(parent_of(path, name));
  auto there = folder->names.find(name);
  if (mode == OpenMode::Create) {
    if (there != folder->names.end()) return make_error(Code::AlreadyExists, path + ": File exists");
    auto node = std::make_shared<Node>();
    folder->pending_names.push_back({name, node, {}});
    folder->names[name] = node;
    return std::make_unique<SimulatedFile>(*this, node, path, true);
  }
  if (there == folder->names.end()) return not_found(path);
  return std::make_unique<SimulatedFile>(*this, there->second, path, mode == OpenMode::Write);
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& folder) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::Read, folder));
  NodePtr node = TRY(find(folder));
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

Status SimulatedDisk::make_folder(const std::string& path) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::Name, path));
  NodePtr node = root_;
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    NodePtr& child = node->names[part];
    if (!child) {
      child = std::make_shared<Node>();
      child->is_folder = true;
      node->pending_names.push_back({part, child, {}});
    }
    node = child;
  }
  return {};
}

Status SimulatedDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::Name, from));
  std::string old_name, new_name;
  NodePtr folder = TRY(parent_of(from, old_name));
  if (TRY(parent_of(to, new_name)) != folder) return make_error(Code::Unsupported, "rename into another folder");
  if (!folder->names.contains(old_name)) return not_found(from);
  folder->pending_names.push_back({new_name, folder->names[old_name], old_name});
  apply(folder->names, folder->pending_names.back());
  return {};
}

Status SimulatedDisk::remove(const std::string& path) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::Name, path));
  std::string name;
  auto folder = parent_of(path, name);
  if (!folder.has_value() || !(*folder)->names.contains(name)) return {};
  NodePtr node = (*folder)->names[name];
  if (node->is_folder && !node->names.empty()) return make_error(Code::Invalid, path + ": Directory not empty");
  (*folder)->pending_names.push_back({name, nullptr, {}});
  apply((*folder)->names, (*folder)->pending_names.back());
  return {};
}

Status SimulatedDisk::sync_folder(const std::string& path) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::SyncFolder, path));
  NodePtr node = TRY(find(path));
  node->durable_names = node->names;
  node->pending_names.clear();
  return {};
}

Result<uint64_t> SimulatedDisk::free_bytes(const std::string&) {
  std::lock_guard guard(mutex_);
  return bytes_max_ == 0 ? uint64_t{1} << 40 : bytes_max_ - std::min(bytes_max_, bytes_below(*root_));
}

Result<std::unique_ptr<FileLock>> SimulatedDisk::lock(const std::string& path) {
  std::lock_guard guard(mutex_);
  TRY(begin(Operation::Open, path));
  std::string name;
  NodePtr folder = TRY(parent_of(path, name));
  NodePtr& node = folder->names[name];
  if (!node) {
    node = std::make_shared<Node>();
    folder->pending_names.push_back({name, node, {}});
  }
  if (node->is_locked) return make_error(Code::Conflict, path + ": somebody holds it");
  node->is_locked = true;
  return std::make_unique<SimulatedLock>(*this, node);
}

}  // namespace mcloud::testing
