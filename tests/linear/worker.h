// A client that does random things to few keys, in pipelines, over as many connections as the server has lives, and
// writes down what it did.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "server.h"
#include "testing/history.h"
#include "testing/simulated_random.h"

namespace mcloud::linear {

class Client;
struct Reply;

// Some keys that are judged together.
struct Object {
  enum class Kind : uint8_t { String, Counter, Pair };
  Kind kind = Kind::String;
  std::vector<std::string> keys;
};

// An operation on an object, as it was done.
struct Record {
  size_t object = 0;
  testing::Operation operation;
};

struct Worker {
  uint64_t seed = 0;
  uint32_t number = 0;  // of this client
  bool speaks_redis = false;
  bool says_hello = false;  // the server's own dialect is 0-db
  size_t pipeline_max = 8;

  // Until the server is retired. `answered` counts answers of all workers.
  void run(ServerProcess& server, const std::vector<Object>& objects, std::atomic<uint64_t>& answered);

  std::vector<Record> records;  // each connection is a process of its own
  std::vector<std::string> complaints;  // replies that must not be

 private:
  struct Asked {
    Record record;
    Bytes request;
    size_t replies = 1;
  };
  void talk(Client& client, uint32_t process, const std::vector<Object>& objects, std::atomic<uint64_t>& answered);
  Asked invent(testing::SimulatedRandom& random, uint32_t process, const std::vector<Object>& objects);
  testing::Step invent_step(testing::SimulatedRandom& random, const Object& object, bool is_queued);
  bool note_answer(testing::Operation& operation, const std::vector<Reply>& replies);

  uint64_t values_ = 0;
};

// Reads every key once, as the only client: what is there at the end of a life.
std::vector<Record> read_all(uint16_t port, bool speaks_redis, bool says_hello, uint32_t process,
                             const std::vector<Object>& objects);

}  // namespace mcloud::linear
