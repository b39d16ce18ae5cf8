#include "node/trouble_book.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::node;

namespace {

Status failure(const std::string& message) { return make_error(Code::Unavailable, message); }

}  // namespace

TEST_CASE("a failure is news when it begins, when it is another and when it is over") {
  TroubleBook book;
  CHECK(book.note("a network", Status()) == TroubleNews::None);
  CHECK(book.note("a network", failure("no bridge")) == TroubleNews::Begins);
  for (int i = 0; i < 3; ++i) CHECK(book.note("a network", failure("no bridge")) == TroubleNews::None);
  CHECK(book.note("a network", failure("no mesh")) == TroubleNews::Changes);
  CHECK(book.note("a network", failure("no mesh")) == TroubleNews::None);
  CHECK(book.note("a network", Status()) == TroubleNews::Ends);
  CHECK(book.note("a network", Status()) == TroubleNews::None);
  CHECK(book.note("a network", failure("no mesh")) == TroubleNews::Begins);
}

TEST_CASE("each subject has its own") {
  TroubleBook book;
  CHECK(book.note("one", failure("no bridge")) == TroubleNews::Begins);
  CHECK(book.note("other", failure("no bridge")) == TroubleNews::Begins);
  CHECK(book.note("other", Status()) == TroubleNews::Ends);
  CHECK(book.note("one", failure("no bridge")) == TroubleNews::None);
}
