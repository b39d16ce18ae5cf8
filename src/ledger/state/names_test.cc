// Public names: whose they are and which contract uses them.
#include <doctest/doctest.h>

#include <random>

#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

Bytes key_bytes(const char* name) { return test_key(name).public_key().bytes(); }

pb::ContractHeader with_names(const TestChain& chain, const char* contract, const std::vector<std::string>& names) {
  pb::Facets site = test_facets("site", 1);
  for (const std::string& name : names) site.add_names(name);
  return chain.make_header(contract, {site});
}

void set_names(pb::ContractHeader& header, const std::vector<std::string>& names) {
  header.mutable_workloads(0)->clear_names();
  for (const std::string& name : names) header.mutable_workloads(0)->add_names(name);
}

bool uses(const TestChain& chain, const pb::ContractHeader& header, const char* name) {
  return chain.name(name).contract() == contract::contract_id(header).view();
}

}  // namespace

TEST_CASE("a name has one owner, who gives it to another or gives it up") {
  TestChain chain;
  CHECK(chain.buy("shop", "ann").ok);
  CHECK_EQ(chain.name("shop").owner(), key_bytes("ann"));
  CHECK_EQ(chain.buy("shop", "bob").code, Code::AlreadyExists);
  CHECK_EQ(chain.buy("shop", "ann").code, Code::AlreadyExists);
  CHECK_EQ(chain.give("shop", "bob", "bob").code, Code::Denied);
  CHECK_EQ(chain.give("shop", "ann", "ann").code, Code::Conflict);
  CHECK_EQ(chain.give("shop", "ann", "stranger").code, Code::NotFound);
  CHECK_EQ(chain.give("none", "ann", "bob").code, Code::NotFound);
  CHECK(chain.give("shop", "ann", "bob").ok);
  CHECK_EQ(chain.release("shop", "ann").code, Code::Denied);
  CHECK(exists(chain.state(), keys::name_of(test_key("bob").public_key(), "shop")));
  CHECK_FALSE(exists(chain.state(), keys::name_of(test_key("ann").public_key(), "shop")));
  CHECK(chain.release("shop", "bob").ok);
  CHECK_EQ(chain.release("shop", "bob").code, Code::NotFound);
  CHECK(chain.buy("shop", "ann").ok);
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("names are DNS labels of 3 to 40 characters") {
  TestChain chain;
  for (const std::string& good : {std::string("abc"), std::string("1st-shop"), std::string(40, 'a'), std::string("a--b")}) {
    CAPTURE(good);
    CHECK(chain.buy(good).ok);
  }
  for (const std::string& bad : {std::string(), std::string("ab"), std::string(41, 'a'), std::string("-abc"), std::string("abc-"),
                                 std::string("Shop"), std::string("a.b"), std::string("a_b"), std::string("xn--abc")}) {
    CAPTURE(bad);
    CHECK_EQ(chain.buy(bad).code, Code::Invalid);
  }
}

TEST_CASE("nobody owns more than 1000 names, bought or given") {
  TestChain chain;
  for (int i = 0; i < 1000; ++i) REQUIRE(chain.buy("name" + std::to_string(i)).ok);
  CHECK_EQ(chain.buy("one-more").code, Code::Exhausted);
  CHECK(chain.buy("gift", "bob").ok);
  CHECK_EQ(chain.give("gift", "bob", "ann").code, Code::Exhausted);
  CHECK(chain.release("name7").ok);
  CHECK(chain.give("gift", "bob", "ann").ok);
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a contract needs names that its owner owns") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = with_names(chain, "c", {"shop"});
  CHECK_EQ(chain.submit(header).code, Code::NotFound);
  chain.buy("shop", "bob");
  CHECK_EQ(chain.submit(header).code, Code::Denied);
  chain.give("shop", "bob", "ann");
  CHECK(chain.submit(header).ok);
  CHECK_EQ(chain.name("shop").contract(), "");  // nothing is bound before it is approved
  chain.approve(header, "bob");
  CHECK(uses(chain, header, "shop"));
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a name is in a header once") {
  TestChain chain;
  chain.make_farm(1);
  chain.buy("shop");
  pb::Facets one = test_facets("one", 1), two = test_facets("two", 1);
  one.add_names("shop");
  two.add_names("shop");
  CHECK_EQ(chain.submit(chain.make_header("c", {one, two})).code, Code::Invalid);
}

TEST_CASE("a name that a live contract uses is neither given away nor given up nor used twice") {
  TestChain chain;
  chain.make_farm(1);
  chain.buy("shop");
  pb::ContractHeader first = with_names(chain, "first", {"shop"});
  chain.submit(first);
  chain.approve(first, "bob");
  CHECK_EQ(chain.give("shop", "ann", "bob").code, Code::Conflict);
  CHECK_EQ(chain.release("shop").code, Code::Conflict);
  pb::ContractHeader second = with_names(chain, "second", {"shop"});
  CHECK_EQ(chain.submit(second).code, Code::Conflict);
  chain.cancel(first);
  CHECK_EQ(chain.name("shop").contract(), "");
  CHECK(chain.submit(second).ok);
  chain.approve(second, "bob");
  CHECK(uses(chain, second, "shop"));
}

TEST_CASE("of two versions that wait for one name the first approved gets it; the other's approval is refused") {
  TestChain chain;
  chain.make_farm(1);
  chain.buy("shop");
  pb::ContractHeader first = with_names(chain, "first", {"shop"}), second = with_names(chain, "second", {"shop"});
  CHECK(chain.submit(first).ok);
  CHECK(chain.submit(second).ok);
  CHECK(chain.approve(second, "bob").ok);
  CHECK_EQ(chain.approve(first, "bob").code, Code::Conflict);
  CHECK_EQ(chain.contract(first).proposed().state(), pb::CONTRACT_PENDING);
  CHECK_EQ(chain.contract(first).proposed().decisions_size(), 0);  // it may be approved once the name is free
  CHECK(uses(chain, second, "shop"));
  chain.cancel(second);
  CHECK(chain.approve(first, "bob").ok);
  CHECK(uses(chain, first, "shop"));
}

TEST_CASE("a name given away while its contract waits is missed at the approval") {
  TestChain chain;
  chain.make_farm(1);
  chain.buy("shop");
  pb::ContractHeader header = with_names(chain, "c", {"shop"});
  chain.submit(header);
  CHECK(chain.give("shop", "ann", "bob").ok);
  CHECK_EQ(chain.approve(header, "bob").code, Code::Denied);
  CHECK(chain.give("shop", "bob", "ann").ok);
  CHECK(chain.approve(header, "bob").ok);
}

TEST_CASE("a version that becomes current keeps, takes and frees names; one that is rejected changes none") {
  TestChain chain;
  chain.make_farm(1);
  for (const char* name : {"one", "two", "three"}) chain.buy(name);
  pb::ContractHeader header = with_names(chain, "c", {"one", "two"});
  chain.submit(header);
  chain.approve(header, "bob");
  pb::ContractHeader next = header;
  next.set_version(2);
  set_names(next, {"three", "two"});
  CHECK(chain.update(next).ok);
  CHECK(chain.reject(next, "bob").ok);
  CHECK(uses(chain, header, "one"));
  CHECK_FALSE(uses(chain, header, "three"));
  next.set_version(3);
  CHECK(chain.update(next).ok);
  CHECK(chain.approve(next, "bob").ok);
  CHECK_FALSE(uses(chain, header, "one"));
  CHECK(uses(chain, header, "two"));
  CHECK(uses(chain, header, "three"));
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("whatever people do in whatever order, no name is ever used by two contracts") {
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    TestChain chain;
    chain.make_farm(1);
    std::vector<pb::ContractHeader> headers;
    auto name = [&] { return std::string("name") + static_cast<char>('a' + random() % 2); };
    auto person = [&] { return random() % 4 == 0 ? "bob" : "ann"; };
    for (int step = 0; step < 250; ++step) {
      CAPTURE(step);
      const uint32_t what = random() % 12;
      if (headers.empty() || what == 0) {
        headers.push_back(with_names(chain, ("c" + std::to_string(step)).c_str(), {name()}));
        chain.submit(headers.back());
        if (headers.size() > 4) headers.erase(headers.begin());
      } else if (what <= 2) {
        pb::ContractHeader& header = headers[random() % headers.size()];
        header.set_version(header.version() + 1);
        header.set_expires_ms(chain.now() + 3'600'000);
        set_names(header, random() % 3 == 0 ? std::vector<std::string>{} : std::vector<std::string>{name()});
        if (!chain.update(header).ok) header.set_version(header.version() - 1);
      } else if (what <= 6) {
        chain.approve(headers[random() % headers.size()], "bob");
      } else if (what == 7) {
        random() % 2 == 0 ? chain.cancel(headers[random() % headers.size()]) : chain.reject(headers[random() % headers.size()], "bob");
      } else if (what == 8) {
        chain.give(name(), person(), person());
      } else if (what == 9) {
        chain.release(name(), person());
      } else {
        chain.buy(name(), person());
      }
      REQUIRE_EQ(Books(chain.state()).error(), "");
    }
  }
}
