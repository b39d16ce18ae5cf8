#include "worker.h"

#include "client.h"
#include "wire/resp.h"

namespace mcloud::linear {
namespace {

using testing::Operation;
using testing::Step;
using enum testing::StepKind;

constexpr uint32_t kLivesMost = 1000;  // a process number is the worker's and the life's

Bytes request_of(const Step& step, const std::string& key, bool speaks_redis) {
  using wire::resp_request;
  switch (step.kind) {
    case Get: return resp_request({"GET", key});
    case Exists: return resp_request({"EXISTS", key});
    case Set:
    case Replace: return resp_request({"SET", key, step.argument});
    case SetIfNone: return resp_request({"SETNX", key, step.argument});
    case Remove: return resp_request({"DEL", key});
    case Take: return resp_request({"GETDEL", key});
    case Append: return resp_request({"APPEND", key, step.argument});
    case Add: return resp_request({"INCRBY", key, step.argument});
  }
  return resp_request({"PING", speaks_redis ? key : ""});
}

// In the words of testing/history.h; nullopt: no answer to such a step.
std::optional<std::string> answer_of(const Step& step, const Reply& reply, bool speaks_redis) {
  bool is_bulk = reply.kind == '$', is_number = reply.kind == ':';
  switch (step.kind) {
    case Get:
    case Take:
      if (is_bulk) return reply.is_null ? "none" : "=" + reply.text;
      return std::nullopt;
    case Set:
      if (reply.kind == '+' && reply.text == "OK") return "ok";
      return std::nullopt;
    case Replace:
      if (is_bulk) return reply.is_null ? "same" : "new";
      return std::nullopt;
    case Remove:
      if (speaks_redis) break;
      if (reply.kind == '+') return "#1";
      if (reply.kind == '-' && reply.text == "Key not found") return "#0";
      return std::nullopt;
    default: break;
  }
  if (!is_number) return std::nullopt;
  return "#" + reply.text;
}

std::string show(const Reply& reply) {
  return std::string(1, reply.kind) + (reply.is_null ? "null" : reply.text) +
         (reply.items.empty() ? "" : " and " + std::to_string(reply.items.size()) + " items");
}

bool greet(Client& client, bool says_hello) {
  if (!says_hello) return true;
  return client.send(wire::resp_request({"HELLO", "2"})) && client.receive().has_value();
}

}  // namespace

void Worker::run(ServerProcess& server, const std::vector<Object>& objects, std::atomic<uint64_t>& answered) {
  uint64_t last = 0;
  while (auto life = server.wait_for_life_after(last)) {
    last = life->number;
    Client client(life->port);
    if (!client.is_open() || !greet(client, says_hello)) continue;
    talk(client, number * kLivesMost + static_cast<uint32_t>(last), objects, answered);
    if (client.is_silent()) complaints.push_back("the server did not answer for twenty seconds");
  }
}

void Worker::talk(Client& client, uint32_t process, const std::vector<Object>& objects,
                  std::atomic<uint64_t>& answered) {
  testing::SimulatedRandom random(seed * 7919 + process);
  for (;;) {
    std::vector<Asked> batch;
    Bytes bytes;
    for (uint64_t left = 1 + random.below(pipeline_max); left > 0; --left) {
      batch.push_back(invent(random, process, objects));
      bytes += batch.back().request;
    }
    uint64_t begin = now();
    for (Asked& asked : batch) asked.record.operation.begin = begin;
    bool is_alive = client.send(bytes);
    for (Asked& asked : batch) {
      std::vector<Reply> replies;
      while (is_alive && replies.size() < asked.replies) {
        std::optional<Reply> reply = client.receive();
        is_alive = reply.has_value();
        if (reply) replies.push_back(std::move(*reply));
      }
      if (is_alive) {
        asked.record.operation.end = now();
        if (!note_answer(asked.record.operation, replies)) is_alive = false;
        answered.fetch_add(1, std::memory_order_relaxed);
      }
      records.push_back(std::move(asked.record));
    }
    if (!is_alive) return;
  }
}

Worker::Asked Worker::invent(testing::SimulatedRandom& random, uint32_t process, const std::vector<Object>& objects) {
  size_t which = random.below(objects.size());
  const Object& object = objects[which];
  Asked asked{{which, {process, 0, Operation::kNever, {}}}, {}, 1};
  std::vector<Step>& steps = asked.record.operation.steps;
  bool is_transaction = object.kind == Object::Kind::Pair && speaks_redis && random.chance(70);
  if (!is_transaction) {
    steps.push_back(invent_step(random, object, false));
    asked.request = request_of(steps[0], object.keys[steps[0].key], speaks_redis);
    return asked;
  }
  asked.request = wire::resp_request({"MULTI"});
  for (uint64_t left = 2 + random.below(3); left > 0; --left) {
    steps.push_back(invent_step(random, object, true));
    asked.request += request_of(steps.back(), object.keys[steps.back().key], true);
  }
  asked.request += wire::resp_request({"EXEC"});
  asked.replies = steps.size() + 2;
  return asked;
}

Step Worker::invent_step(testing::SimulatedRandom& random, const Object& object, bool is_queued) {
  Step step{Get, static_cast<uint32_t>(random.below(object.keys.size())), {}, {}};
  // Outside of transactions, too, nobody may see half of one.
  bool is_plain = object.kind == Object::Kind::Pair && !is_queued;
  if (object.kind == Object::Kind::Counter && speaks_redis) {
    step.kind = std::array{Get, Add, Add, Add, Remove}[random.below(5)];
    if (step.kind == Add) step.argument = std::to_string(1 + random.below(3));
    return step;
  }
  if (object.kind == Object::Kind::Counter) {
    step.kind = std::array{Get, Get, Exists, Remove}[random.below(4)];
  } else if (is_plain) {
    step.kind = random.chance(60) ? Get : Remove;
  } else if (speaks_redis) {
    step.kind = std::array{Get, Get, Get, Set, Set, SetIfNone, Remove, Take, Append, Exists}[random.below(10)];
  } else {
    step.kind = std::array{Get, Get, Replace, Replace, Remove, Exists}[random.below(6)];
  }
  if (step.kind == Set || step.kind == Replace || step.kind == SetIfNone || step.kind == Append)
    step.argument = std::to_string(number) + "." + std::to_string(++values_) + " ";
  return step;
}

bool Worker::note_answer(Operation& operation, const std::vector<Reply>& replies) {
  bool is_transaction = replies.size() > 1;
  const std::vector<Reply>& answers = is_transaction ? replies.back().items : replies;
  bool is_right = answers.size() == operation.steps.size();
  for (size_t i = 0; is_right && i < answers.size(); ++i) {
    operation.steps[i].answer = answer_of(operation.steps[i], answers[i], speaks_redis);
    is_right = operation.steps[i].answer.has_value();
  }
  if (is_right) return true;
  complaints.push_back(testing::describe(operation) + " was answered " + show(replies.back()));
  operation.end = Operation::kNever;  // whatever it did
  for (Step& step : operation.steps) step.answer.reset();
  return false;
}

std::vector<Record> read_all(uint16_t port, bool speaks_redis, bool says_hello, uint32_t process,
                             const std::vector<Object>& objects) {
  std::vector<Record> records;
  Client client(port);
  if (!client.is_open() || !greet(client, says_hello)) return records;
  for (size_t i = 0; i < objects.size(); ++i) {
    for (size_t key = 0; key < objects[i].keys.size(); ++key) {
      Step step{Get, static_cast<uint32_t>(key), {}, {}};
      uint64_t begin = now();
      std::optional<Reply> reply;
      if (client.send(request_of(step, objects[i].keys[key], speaks_redis))) reply = client.receive();
      if (!reply) return {};
      step.answer = answer_of(step, *reply, speaks_redis).value_or("no answer: " + show(*reply));
      records.push_back({i, {process, begin, now(), {step}}});
    }
  }
  return records;
}

}  // namespace mcloud::linear
