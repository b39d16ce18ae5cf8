// A whole ledger server: data folder, state machine, solo engine, watch and HTTP API, in one object.
#pragma once

#include <memory>
#include <string>

#include "base/world.h"
#include "ledger/engine/genesis.h"
#include "ledger/engine/solo.h"

namespace mcloud::ledger {

class Server {
 public:
  struct Options {
    std::string data_folder;         // made by init_ledger()
    std::string host = "127.0.0.1";  // "" = no TCP
    uint16_t port = 0;               // 0 = any free one
    std::string unix_path;           // "" = none
    size_t workers = 4;              // threads that verify signatures and read the state
    Solo::Limits limits;
    const Clock* clock = nullptr;  // nullptr = the machine's; outlives the server
  };
  // Recovers the chain, then serves. Conflict when another process has the folder or the port, Corrupt when what is
  // stored does not fit together.
  static Result<std::unique_ptr<Server>> start(const Options& options);
  // Answers what is being answered, closes everything, joins its threads. What was acknowledged is durable.
  virtual ~Server() = default;

  virtual uint16_t port() const = 0;
  virtual const Trust& trust() const = 0;
  virtual ChainTip tip() const = 0;

  // Blocks until SIGINT or SIGTERM (success) or until the engine fails (its error). Once per process.
  virtual Status run_until_signal() = 0;
};

}  // namespace mcloud::ledger
