#include "io/loop.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "io/clock.h"

using namespace mcloud::io;

TEST_CASE("a hangup runs its function each time and the loop goes on") {
  Loop loop;
  int times = 0;
  loop.on_hangup([&] {
    if (++times < 3)
      raise(SIGHUP);
    else
      loop.stop();
  });
  loop.post([] { raise(SIGHUP); });
  loop.run();
  CHECK_EQ(times, 3);
}

TEST_CASE("posted functions run in order on the loop's thread") {
  Loop loop;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) loop.post([&, i] { order.push_back(i); });
  std::jthread other([&] {
    for (int i = 100; i < 200; ++i) loop.post([&, i] { order.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  REQUIRE_EQ(order.size(), 200u);
  for (int i = 0; i < 200; ++i) CHECK_EQ(order[static_cast<size_t>(i)], i);
}

TEST_CASE("timers fire in the order of their time, not before it") {
  Loop loop;
  std::vector<int> order;
  uint64_t start = SystemClock().monotonic_ms();
  Timer late = loop.after(40, [&] {
    order.push_back(2);
    loop.stop();
  });
  Timer early = loop.after(5, [&] { order.push_back(1); });
  loop.run();
  CHECK_EQ(order, std::vector<int>{1, 2});
  CHECK_GE(SystemClock().monotonic_ms() - start + 1, 40u);
}

TEST_CASE("a timer that is cancelled, dropped or replaced does not fire") {
  Loop loop;
  bool fired = false;
  Timer cancelled = loop.after(1, [&] { fired = true; });
  cancelled.cancel();
  static_cast<void>(loop.after(1, [&] { fired = true; }));
  Timer replaced = loop.after(1, [&] { fired = true; });
  replaced = Timer();
  Timer end = loop.after(20, [&] { loop.stop(); });
  loop.run();
  CHECK_FALSE(fired);
}

TEST_CASE("a timer cancelled by a function that is due with it does not fire") {
  Loop loop;
  bool fired = false;
  Timer second;
  Timer first = loop.after(1, [&] { second.cancel(); });
  second = loop.after(1, [&] { fired = true; });  // both are due before the loop looks
  for (uint64_t start = SystemClock().monotonic_ms(); SystemClock().monotonic_ms() < start + 5;) continue;
  Timer end = loop.after(10, [&] { loop.stop(); });
  loop.run();
  CHECK_FALSE(fired);
}

TEST_CASE("what a cancelled timer captured is let go at the next turn") {
  Loop loop;
  auto captured = std::make_shared<int>(1);
  Timer timer = loop.after(1'000'000, [captured] {});
  timer.cancel();
  loop.post([&] { loop.stop(); });
  loop.run();
  CHECK_EQ(captured.use_count(), 1);
}

TEST_CASE("a timer may set itself again from within") {
  Loop loop;
  int count = 0;
  Timer timer;
  std::function<void()> again = [&] {
    if (++count == 5) return loop.stop();
    timer = loop.after(1, again);
  };
  timer = loop.after(1, again);
  loop.run();
  CHECK_EQ(count, 5);
}

TEST_CASE("timers may outlive their loop, and functions that own timers die with it") {
  Timer timer;
  auto captured = std::make_shared<Timer>();
  {
    Loop loop;
    timer = loop.after(1'000'000, [] {});
    *captured = loop.after(1'000'000, [] {});
    Timer owner = loop.after(1'000'000, [captured] {});
    loop.post([captured, owner] {});
  }
  timer.cancel();
  captured->cancel();
}

TEST_CASE("after stop nothing is kept or run") {
  Loop loop;
  loop.stop();
  auto captured = std::make_shared<int>(1);
  loop.post([captured] { std::abort(); });
  CHECK_EQ(captured.use_count(), 1);
  loop.run();
}

TEST_CASE("a signal stops the loop") {
  Loop loop;
  loop.stop_on_signals();
  loop.post([] { raise(SIGTERM); });
  loop.run();
}

TEST_CASE("a pool runs every job it accepted and refuses what exceeds its queue") {
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  std::atomic<int> ran = 0;
  std::promise<void> done;
  Pool pool(1, 2);
  std::promise<void> running;
  REQUIRE(pool.submit([&] {
    running.set_value();
    open.wait();
    ++ran;
  }));
  running.get_future().wait();
  CHECK(pool.submit([&] { ++ran; }));
  CHECK(pool.submit([&] {
    ++ran;
    done.set_value();
  }));
  CHECK_FALSE(pool.submit([&] { ++ran; }));
  gate.set_value();
  done.get_future().wait();
  CHECK_EQ(ran, 3);
}

TEST_CASE("a pool without a queue still uses its idle threads") {
  Pool pool(2, 0);
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  CHECK(pool.submit([open] { open.wait(); }));
  CHECK(pool.submit([open] { open.wait(); }));
  CHECK_FALSE(pool.submit([] {}));
  gate.set_value();
}

TEST_CASE("the end of a pool waits for what runs and drops what waits") {
  std::atomic<bool> finished = false;
  auto dropped = std::make_shared<int>(1);
  std::promise<void> gate;
  std::jthread opener;
  {
    Pool pool(1, 10);
    std::promise<void> running;
    REQUIRE(pool.submit([&] {
      running.set_value();
      gate.get_future().wait();
      finished = true;
    }));
    running.get_future().wait();
    REQUIRE(pool.submit([dropped] { ++*dropped; }));
    opener = std::jthread([&] { gate.set_value(); });
  }
  CHECK(finished);
  CHECK_EQ(dropped.use_count(), 1);
}
