#include "contract/parameters.h"

#include <doctest/doctest.h>

#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;

namespace {

constexpr std::string_view kRecipe = R"(name: "${who}-db"
parameters:
  who: {type: name, says: Whose database it is.}
  size: {type: size, default: 1GiB, min: 64MiB, max: 2TiB}
  copies: {type: number, default: 2, min: 1, max: 5}
  grace: {type: duration, default: 5s, max: 1m}
  share: {type: cpu, default: 500m}
  greeting: {type: text, default: hello, max_length: 12}
  shut: {type: flag, default: false}
  loss: {type: word, words: [move, wait], default: move}
workloads:
  data: {kind: kv, size: "${size}"}
  web:
    kind: container
    image: oci:./web
    replicas: ${copies}
    stop_grace: ${grace}
    read_only: ${shut}
    on_node_loss: ${loss}
    resources: {cpu: "${share}"}
    environment: {GREETING: "${greeting}, ${who}!", HOME: "$${HOME}", SUM: "${copies}${copies}", CASH: "$5 $$ ${loss}$"}
    command: [sh, -c, "echo $${GREETING} $1"]
)";

constexpr std::string_view kWrittenOut = R"(name: ida-db
workloads:
  data: {kind: kv, size: 1TiB}
  web:
    kind: container
    image: oci:./web
    replicas: 3
    stop_grace: 5s
    read_only: true
    on_node_loss: move
    resources: {cpu: 500m}
    environment: {GREETING: "hello, ida!", HOME: "${HOME}", SUM: "33", CASH: "$5 $$ move$"}
    command: [sh, -c, "echo ${GREETING} $1"]
)";

GivenValues given(std::initializer_list<std::string_view> assignments) {
  GivenValues out;
  for (std::string_view one : assignments) {
    Status added = add_assignment(out, one);
    REQUIRE_MESSAGE(added.has_value(), added.error().message);
  }
  return out;
}

ParseOutcome with_values(std::string_view yaml, std::initializer_list<std::string_view> assignments) {
  return parse_contract(yaml, "recipe.yaml", {given(assignments), nullptr});
}

Bytes bytes_of(const ParseOutcome& outcome) {
  REQUIRE_MESSAGE(outcome.contract.has_value(), format_diagnostics(outcome.diagnostics));
  fixture::KnowsAll resolver;
  CompileOutcome made = compile(*outcome.contract, fixture::context(), resolver);
  REQUIRE_MESSAGE(made.compiled.has_value(), format_diagnostics(made.diagnostics));
  return made.compiled->header_bytes + made.compiled->body_bytes;
}

std::string what_is_wrong(std::string_view yaml, std::initializer_list<std::string_view> assignments) {
  return format_diagnostics(with_values(yaml, assignments).diagnostics);
}

}  // namespace

TEST_CASE("a recipe with values is signed as the file that somebody would have written out") {
  ParseOutcome recipe = with_values(kRecipe, {"who=ida", "size=1TiB", "copies=3", "shut=true"});
  CHECK_EQ(bytes_of(recipe), bytes_of(parse_contract(kWrittenOut, "plain.yaml")));
  CHECK_NE(bytes_of(with_values(kRecipe, {"who=ida"})), bytes_of(recipe));
}

TEST_CASE("a contract says which parameters stand in it, with which values, and who gave them") {
  ParseOutcome recipe = with_values(kRecipe, {"who=ida", "size=1TiB"});
  REQUIRE(recipe.contract);
  std::string all;
  for (const UsedParameter& one : recipe.contract->parameters) all += one.name + "=" + one.value + " (" + one.from + ") ";
  CHECK_EQ(all, "copies=2 (default) grace=5s (default) greeting=hello (default) loss=move (default) share=500m (default) "
                "shut=false (default) size=1TiB (--set) who=ida (--set) ");
}

TEST_CASE("values that are unknown, missing, ill-typed or out of bounds give one error with place and what is allowed") {
  struct Slip {
    std::initializer_list<std::string_view> values;
    std::string_view said;
  };
  for (const Slip& slip : std::initializer_list<Slip>{
           {{}, "recipe.yaml:3:3: parameters.who: has no value; write --set who=VALUE; allowed: a name\n"},
           {{"who=ida", "siez=1GiB"},
            "recipe.yaml:3:3: parameters: there is no parameter \"siez\" (--set); allowed: who, size, copies, grace, share, greeting, "
            "shut, loss; did you mean \"size\"?\n"},
           {{"who=Ida"}, "recipe.yaml:3:3: parameters.who (--set): \"Ida\" is not allowed; allowed: a lower-case letter, then up to 39 "
                         "lower-case letters, digits or \"-\"\n"},
           {{"who=ida", "size=3TiB"}, "recipe.yaml:4:3: parameters.size (--set): \"3TiB\" is out of bounds; allowed: 64MiB to 2TiB\n"},
           {{"who=ida", "copies=two"}, "recipe.yaml:5:3: parameters.copies (--set): \"two\" is not a whole number; allowed: 1 to 5\n"},
           {{"who=ida", "greeting=good evening to you"},
            "recipe.yaml:8:3: parameters.greeting (--set): has 19 letters; allowed: at most 12\n"},
           {{"who=ida", "shut=yes"},
            "recipe.yaml:9:3: parameters.shut (--set): \"yes\" is not known here; allowed: true, false; did you mean \"true\"?\n"},
           {{"who=ida", "loss=mov"},
            "recipe.yaml:10:3: parameters.loss (--set): \"mov\" is not known here; allowed: move, wait; did you mean \"move\"?\n"}}) {
    CHECK_EQ(what_is_wrong(kRecipe, slip.values), slip.said);
  }
}

TEST_CASE("a declaration that cannot be is refused, its default too") {
  auto with = [](const std::string& declaration) {
    return what_is_wrong("name: x\nparameters:\n  p: " + declaration + "\nworkloads: {w: {kind: container, image: \"oci:./i\"}}\n", {});
  };
  CHECK_NE(with("{default: 1}").find("parameters.p.type: is missing"), std::string::npos);
  CHECK_NE(with("{type: sise, default: 1}").find("did you mean \"size\""), std::string::npos);
  CHECK_NE(with("{type: size, default: 1GiB, max: 1MiB}").find("parameters.p.default: \"1GiB\" is out of bounds; allowed: 0B to 1MiB"), std::string::npos);
  CHECK_NE(with("{type: number, default: 1, min: 5, max: 2}").find("parameters.p.max: 2 is out of bounds"), std::string::npos);
  CHECK_NE(with("{type: word, default: a}").find("parameters.p.words: is missing"), std::string::npos);
  CHECK_NE(with("{type: word, words: [a, b], default: c}").find("parameters.p.default: \"c\" is not known here"), std::string::npos);
  CHECK_NE(with("{type: text, default: a, min: 1}").find("means nothing for a text"), std::string::npos);
  CHECK_NE(with("{type: flag, default: true, max_length: 1}").find("means nothing for a flag"), std::string::npos);
  CHECK_NE(with("{type: text, defualt: a}").find("did you mean \"default\""), std::string::npos);
  CHECK_NE(what_is_wrong("name: x\nparameters: {\"1p\": {type: text, default: a}}\n", {}).find("is not a parameter's name"), std::string::npos);
}

TEST_CASE("a name that nobody declared, or no end of it, is told at its place") {
  auto with = [](const std::string& value) {
    return what_is_wrong("name: x\nparameters: {size: {type: size, default: 1GiB}}\nworkloads:\n  w:\n    kind: container\n"
                         "    image: oci:./i\n    environment:\n      A: \"" + value + "\"\n", {});
  };
  CHECK_EQ(with("${siez}"), "recipe.yaml:8:10: workloads.w.environment.A: there is no parameter \"siez\"; allowed: size; $${ for the "
                            "characters themselves; did you mean \"size\"?\n");
  CHECK_NE(with("${size").find("\"${\" without \"}\""), std::string::npos);
  CHECK_NE(with("${}").find("there is no parameter \"\""), std::string::npos);
  CHECK_NE(with("${a ${size}}").find("there is no parameter"), std::string::npos);
  CHECK_EQ(with("$${size} $ {size} $"), "");
}

TEST_CASE("no value changes the structure of a file, is read as YAML or for another parameter") {
  const std::string yaml =
      "name: x\nparameters: {t: {type: text, max_length: 2000}, u: {type: text, default: secret}}\nworkloads:\n"
      "  w: {kind: container, image: \"oci:./i\", environment: {A: \"${t}\", B: \"<${t}>\"}}\n";
  for (std::string_view hostile : {"x}, evil: {kind: container", "a\nworkloads:\n  evil: {kind: container}", "\"", "'", "# no", "null",
                                   "[1, 2]", "{a: b}", "*anchor", "!!binary x", "5", "true", "", "${u}", "$${u}", "}", "a: b", "- a", "|"}) {
    CAPTURE(hostile);
    GivenValues values;
    REQUIRE(add_assignment(values, "t=" + std::string(hostile)));
    ParseOutcome outcome = parse_contract(yaml, "x.yaml", {values, nullptr});
    REQUIRE_MESSAGE(outcome.contract.has_value(), format_diagnostics(outcome.diagnostics));
    CHECK_EQ(outcome.contract->workloads.size(), 2u);  // with the network
    const Container* w = outcome.contract->find_as<Container>("w");
    REQUIRE_EQ(w->environment.size(), 2u);
    CHECK_EQ(w->environment[0].value, hostile);
    CHECK_EQ(w->environment[1].value, "<" + std::string(hostile) + ">");
  }
}

TEST_CASE("a text never becomes a number, and a number that must be quoted stays one") {
  auto with = [](std::string_view type) {
    return what_is_wrong("name: x\nparameters: {n: {type: " + std::string(type) + ", default: 3}}\nworkloads:\n"
                         "  w: {kind: container, image: \"oci:./i\", replicas: \"${n}\"}\n", {});
  };
  CHECK_EQ(with("number"), "");
  CHECK_NE(with("text").find("is a quoted text, not a number"), std::string::npos);
}

TEST_CASE("a file without parameters means every ${ as it is written, and takes no values") {
  const std::string yaml = "name: x\nworkloads: {w: {kind: container, image: \"oci:./i\", environment: {A: \"${HOME} $${B\"}}}\n";
  ParseOutcome outcome = parse_contract(yaml, "x.yaml");
  REQUIRE(outcome.contract);
  CHECK_EQ(outcome.contract->find_as<Container>("w")->environment[0].value, "${HOME} $${B");
  CHECK_NE(what_is_wrong(yaml, {"size=1"}).find("there is no parameter \"size\" (--set); allowed: the file declares none"), std::string::npos);
}

TEST_CASE("what many parameters put into a file is bounded") {
  std::string yaml = "name: x\nparameters: {t: {type: text, default: \"" + std::string(30'000, 'x') + "\", max_length: 32768}}\nworkloads:\n"
                     "  w:\n    kind: container\n    image: oci:./i\n    environment:\n";
  for (int i = 0; i < 60; ++i) yaml += "      V" + std::to_string(i) + ": \"${t}\"\n";
  CHECK_EQ(format_diagnostics(parse_contract(yaml, "x.yaml").diagnostics),
           "x.yaml:42:12: workloads.w.environment.V34: with this value the parameters make the file too large; allowed: 1MiB in all\n");
}

TEST_CASE("values come from the command line and from a file; the command line wins, and each is named where it came from") {
  GivenValues values = given({"size=2TiB"});
  REQUIRE(add_values_file(values, "who: lena\nsize: 1GiB\ncopies: 9\n", "mine.yaml"));
  ParseOutcome outcome = parse_contract(kRecipe, "recipe.yaml", {values, nullptr});
  CHECK_EQ(format_diagnostics(outcome.diagnostics),
           "recipe.yaml:5:3: parameters.copies (mine.yaml:3:1): 9 is out of bounds; allowed: 1 to 5\n");
  values["copies"].value = "5";
  outcome = parse_contract(kRecipe, "recipe.yaml", {values, nullptr});
  REQUIRE(outcome.contract);
  CHECK_EQ(outcome.contract->name.value, "lena-db");
  CHECK_EQ(outcome.contract->find_as<Kv>("data")->size_bytes.value, 2ull << 40);
  for (const char* bad : {"- a", "a: [1]", "a: {b: c}", "a: &x 1", "a: 1\na: 2", "\xff"}) {
    CAPTURE(bad);
    GivenValues none;
    CHECK_FALSE(add_values_file(none, bad, "mine.yaml").has_value());
  }
  for (const char* bad : {"", "size", "=1", "1size=1", "si ze=1", "size=1", "b=\xff", "b=a\x01"}) {
    CAPTURE(bad);
    CHECK_FALSE(add_assignment(values, bad).has_value());  // size stands there already
  }
}
