// One node of the cluster as its root sees it: configuration files, namespaces, pid 1.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/process.h"
#include "lab/cgroups.h"
#include "lab/layout.h"
#include "lab/options.h"

namespace mcloud::lab {

class NodeHost {
 public:
  struct Surroundings {
    Folders folders;
    Cgroups cgroups;
    std::string cluster;  // its id
    std::vector<std::string> node_command;
  };
  NodeHost(const Surroundings& surroundings, NodeSpec spec, size_t index)
      : surroundings_(surroundings), spec_(std::move(spec)), index_(index) {}

  const std::string& name() const { return spec_.name; }
  size_t index() const { return index_; }
  bool is_hidden() const { return spec_.is_hidden; }
  bool is_gateway() const { return spec_.is_gateway; }
  std::string uplink() const { return is_hidden() ? hidden_address(index_) : uplink_address(index_); }
  bool is_up() const { return child_ != nullptr; }
  int exit_code() const { return exit_code_; }  // of the last pid 1
  const io::Child* child() const { return child_.get(); }
  // NotFound while it is down. Not kept longer than needed: a dead node's addresses must not answer.
  Result<io::Fd> netns() const;

  // bird.conf and node.json.
  Status write_configs(const std::vector<RingLink>& ring) const;
  // Makes bird read its configuration again.
  Status reload_routing() const;
  // pid 1 in a network namespace that is wired already. Conflict when it is up.
  Status start(const io::Fd& netns);
  // As a power cut: its cables go dead, then SIGKILL to pid 1.
  void kill();
  // When pid 1 has ended: reaps it and removes its control groups.
  void finish();

 private:
  std::string group() const { return surroundings_.cluster + "/" + spec_.name; }
  const Surroundings& surroundings_;
  NodeSpec spec_;
  size_t index_;
  std::unique_ptr<io::Child> child_;
  int exit_code_ = 0;
};

}  // namespace mcloud::lab
