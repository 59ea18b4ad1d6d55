// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans that are not what they should be: each is refused with its reason.

#include "TestPlans.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace flow;
using namespace flow::runtime;
using nlohmann::json;

namespace {

/// One change to the valid plan, and a part of the reason that it must give.
struct Change {
  const char *name;
  /// JSON pointer of the member.
  const char *where;
  /// Its new value as JSON text; null removes the member.
  const char *value;
  const char *reason;
};

void PrintTo(const Change &change, std::ostream *out) { *out << change.name; }

std::string errorOf(const std::string &text) {
  Result<Plan> plan = planFromJson(text);
  return plan ? "(accepted)" : plan.error();
}

class PlanRefuses : public testing::TestWithParam<Change> {};

constexpr const char *kTable = "/weights/0";
constexpr const char *kCall = "/schedules/0/steps/2";

constexpr Change kChanges[] = {
    // The plan itself.
    {"NoVersion", "/version", nullptr, "'version' is missing"},
    {"AnotherVersion", "/version", "1", "version 1, expected 8"},
    {"VersionAsText", "/version", "\"3\"", "'version' must be an integer"},
    {"NoHidden", "/hidden", nullptr, "'hidden' is missing"},
    {"ZeroHidden", "/hidden", "0", "'hidden' must be an integer from 1"},
    {"FractionalHidden", "/hidden", "64.0", "'hidden' must be an integer"},
    {"ZeroVocab", "/vocab", "0", "'vocab' must be an integer from 1"},
    {"HugeVocab", "/vocab", "18446744073709551615", "'vocab' must be"},
    {"ZeroContext", "/context", "0", "'context' must be an integer from 1"},
    {"HugeContext", "/context", "1073741825", "to 1073741824"},
    {"ZeroRowTile", "/row_tile", "0", "'row_tile' must be an integer from 1"},
    {"WeightsAsObject", "/weights", "{}", "'weights' must be a list"},
    {"NoCaches", "/caches", nullptr, "'caches' is missing"},
    {"BuffersAsNumber", "/buffers", "3", "'buffers' must be a list"},
    {"NoSchedules", "/schedules", nullptr, "'schedules' is missing"},
    // Weights.
    {"WeightAsNumber", kTable, "7", "expected an object with 'name'"},
    {"WeightNameAsNumber", "/weights/0/name", "7", "'name' must be a string"},
    {"NoSource", "/weights/0/sources", "[]", "weight 'table' has no source"},
    {"SourceAsNumber", "/weights/0/sources/0", "7",
     "expected an object with 'name'"},
    {"PartOfNothing", "/weights/1/sources/0/part", "[]",
     "expected an object with 'row'"},
    {"PartBefore", "/weights/1/sources/0/part/row", "-1",
     "'row' must be an integer"},
    {"PartWithoutRows", "/weights/1/sources/0/part/rows", "0",
     "'rows' must be an integer from 1"},
    {"BrokenGroups", "/weights/2/sources/1/part/group", "24",
     "a source of weight 'gate_up' needs whole groups of rows"},
    {"GroupsInEachOther", "/weights/2/sources/1/part/stride", "15",
     "a source of weight 'gate_up' needs whole groups of rows"},
    {"UnknownCombine", "/weights/0/combine", "\"sum\"",
     "'combine' has the unknown value 'sum'"},
    {"ZeroGroup", "/weights/2/group", "0", "'group' must be an integer from 1"},
    {"AddAsText", "/weights/1/add", "\"1\"", "'add' must be a number"},
    {"UnknownPacking", "/weights/0/packing", "\"tiles\"",
     "'packing' has the unknown value 'tiles'"},
    {"ZeroRows", "/weights/0/rows", "0", "'rows' must be an integer from 1"},
    {"ZeroCols", "/weights/0/cols", "0", "'cols' must be an integer from 1"},
    {"TooLarge", "/weights/0/rows", "1099511627776",
     "weight 'table' is too large"},
    {"RowsOfHalfAPanel", "/weights/3/rows", "48",
     "weight 'qkv' has 48 rows, panels need a multiple of 32"},
    {"FloatRowsOfHalfAPanel", "/weights/2/rows", "80",
     "weight 'gate_up' has 80 rows, panels need a multiple of 32"},
    {"RawOfTwo", "/weights/0/sources", "[{\"name\":\"a\"},{\"name\":\"b\"}]",
     "weight 'table' is raw and has several sources"},
    {"UnevenInterleave", "/weights/2/group", "48",
     "weight 'gate_up' cannot interleave its sources evenly"},
    {"HugeGroup", "/weights/2/group", "1099511627776",
     "weight 'gate_up' cannot interleave its sources evenly"},
    {"BlockOf24", "/weights/3/block", "24", "blocks of 16 or 32"},
    {"QuantsOf7Bits", "/weights/3/bits", "7", "quants of 7 bits"},
    {"QuantsOf3Bits", "/weights/3/bits", "3", "'bits' must be an integer"},
    {"OffsetOfOtherBits", "/weights/3/offset", "16", "with the offset 16"},
    {"NoOffsetOfBytes", "/weights/3/offset", "0", "with the offset 0"},
    {"LeadingOf4", "/weights/3/leading", "4", "has 4 leading bits"},
    {"LeadingOf7", "/weights/3/leading", "7", "'leading' must be an integer"},
    {"BlockOf64", "/weights/3/block", "64", "'block' must be an integer"},
    {"RowsOf48Values", "/weights/3/cols", "48", "a multiple of 32"},
    {"UnknownScale", "/weights/3/scale", "\"f64\"",
     "'scale' has the unknown value 'f64'"},
    {"MinAsNumber", "/weights/3/min", "1", "'min' must be true or false"},
    {"NoSourceToInterleave", "/weights/2/sources", "[]",
     "weight 'gate_up' has no source"},
    // Caches.
    {"NoCacheHeads", "/caches/0/kv_heads", "0", "'kv_heads' must be"},
    {"HugeHeadDim", "/caches/0/head_dim", "65537", "'head_dim' must be"},
    {"HeadDimOf48", "/caches/0/head_dim", "48",
     "cache 'ring' must have a head_dim that is a multiple of 32"},
    {"NegativeWindow", "/caches/0/window", "-1", "'window' must be"},
    {"CacheOfBytes", "/caches/0/element", "\"i8\"",
     "'element' has the unknown value 'i8'"},
    {"CacheOfNoElement", "/caches/0/element", nullptr, "'element' is missing"},
    // Buffers.
    {"NoDimensions", "/buffers/0/dims", "[]", "must have 1 to 4 dimensions"},
    {"FiveDimensions", "/buffers/0/dims", "[1,1,1,1,1]",
     "buffer 'x' must have 1 to 4 dimensions"},
    {"OpenInnerDimension", "/buffers/0/dims/1", "-1",
     "buffer 'x' has a bad dimension -1"},
    {"ZeroDimension", "/buffers/0/dims/1", "0",
     "buffer 'x' has a bad dimension 0"},
    {"DimensionAsText", "/buffers/0/dims/1", "\"64\"",
     "buffer 'x' has a bad dimension \"64\""},
    {"EndlessDimension", "/buffers/0/dims/0", "18446744073709551615",
     "buffer 'x' has a bad dimension"},
    {"HugeDimension", "/buffers/0/dims/1", "16777217", "bad dimension"},
    {"BufferOfNoElement", "/buffers/0/element", nullptr,
     "'element' is missing"},
    {"BufferOfDoubles", "/buffers/0/element", "\"f64\"",
     "'element' has the unknown value 'f64'"},
    // Schedules and steps.
    {"ScheduleOfTwoRows", "/schedules/0/rows", "2", "'rows' must be"},
    {"HeadBeyondTheSteps", "/schedules/0/head_begin", "5",
     "'head_begin' must be an integer from 0 to 4"},
    {"LogitsBeyondTheBuffers", "/schedules/0/logits", "6",
     "'logits' must be an integer from 0 to 5"},
    {"LogitsOfAnotherShape", "/schedules/0/logits", "0",
     "buffer 'x' has another shape"},
    {"LogitsAllAsNumber", "/schedules/0/logits_all", "1",
     "'logits_all' must be true or false"},
    {"StepsAsObject", "/schedules/0/steps", "{}", "'steps' must be a list"},
    {"UnknownStep", "/schedules/0/steps/0/kind", "\"sample\"",
     "'kind' has the unknown value 'sample'"},
    {"EmbedOfNoWeight", "/schedules/0/steps/0/weight", "4",
     "'weight' must be an integer from 0 to 3"},
    {"EmbedOfAPackedWeight", "/schedules/0/steps/0/weight", "3",
     "an embedding must read a raw weight"},
    {"EmbedOfTooFewRows", "/weights/0/rows", "95",
     "an embedding must read a raw weight of the vocabulary's rows"},
    {"EmbedIntoNoBuffer", "/schedules/0/steps/0/buffer", "-1",
     "'buffer' must be an integer from 0 to 5"},
    {"EmbedIntoAnotherShape", "/schedules/0/steps/0/buffer", "1",
     "buffer 'angles' has another shape"},
    {"EmbedScaleAsText", "/schedules/0/steps/0/scale", "\"8\"",
     "'scale' must be a number"},
    {"NoTheta", "/schedules/0/steps/1/theta", nullptr, "'theta' is missing"},
    {"FactorAsText", "/schedules/0/steps/1/factor", "\"8\"",
     "'factor' must be a number"},
    {"HeadDimOfOne", "/schedules/0/steps/1/head_dim", "1",
     "'head_dim' must be an integer from 2"},
    {"TooManyPairs", "/schedules/0/steps/1/pairs", "17",
     "'pairs' must be an integer from 1 to 16"},
    {"AnglesIntoAnotherShape", "/schedules/0/steps/1/buffer", "0",
     "buffer 'x' has another shape"},
    {"CallOfNothing", "/schedules/0/steps/2/function", nullptr,
     "'function' is missing"},
    {"StepAsNumber", kCall, "7", "expected an object with 'kind'"},
    // Arguments.
    {"UnknownArgument", "/schedules/0/steps/2/args/0/kind", "\"token\"",
     "'kind' has the unknown value 'token'"},
    {"NoBufferThere", "/schedules/0/steps/2/args/0/index", "6",
     "'index' must be an integer from 0 to 5"},
    {"NoWeightThere", "/schedules/0/steps/2/args/2/index", "4",
     "'index' must be an integer from 0 to 3"},
    {"NoPartThere", "/schedules/0/steps/2/args/4/part", "3",
     "'part' must be an integer from 0 to 2"},
    {"NoSecondPartOfADenseWeight", "/schedules/0/steps/2/args/2/part", "1",
     "'part' must be an integer from 0 to 0"},
    {"CallReadsARawWeight", "/schedules/0/steps/2/args/2/index", "0",
     "a call reads the raw weight 'table'"},
    {"NoKeysThere", "/schedules/0/steps/2/args/5/index", "2",
     "'index' must be an integer from 0 to 1"},
    {"NoValuesThere", "/schedules/0/steps/2/args/6/index", "-1",
     "'index' must be an integer from 0 to 1"},
    {"UnknownScalar", "/schedules/0/steps/2/args/7/name", "\"last\"",
     "'name' has the unknown value 'last'"},
};

} // namespace

TEST_P(PlanRefuses, WithItsReason) {
  json plan = json::parse(toJson(fullPlan()));
  json::json_pointer where(GetParam().where);
  ASSERT_TRUE(plan.contains(where));
  if (GetParam().value)
    plan[where] = json::parse(GetParam().value);
  else
    plan[where.parent_pointer()].erase(where.back());
  std::string error = errorOf(plan.dump());
  EXPECT_EQ(error.rfind("plan: ", 0), 0u) << error;
  EXPECT_NE(error.find(GetParam().reason), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(Plans, PlanRefuses, testing::ValuesIn(kChanges),
                         [](const testing::TestParamInfo<Change> &info) {
                           return info.param.name;
                         });

TEST(PlanRefusals, TakeWhatIsNoJson) {
  for (const char *text : {"", "{", "plan", "{\"version\": 1e999}",
                           "{\"version\": 3} {}", "\"\xff\""})
    EXPECT_EQ(errorOf(text), "plan: the text is no JSON") << text;
}

TEST(PlanRefusals, TakeJsonThatIsNoObject) {
  for (const char *text : {"[]", "1", "null", "\"version\""})
    EXPECT_EQ(errorOf(text), "plan: expected an object with 'version'") << text;
}

TEST(PlanRefusals, TakeEveryCutOfThePlan) {
  std::string text = toJson(fullPlan());
  for (size_t size = 0; size < text.size(); size += 7)
    EXPECT_EQ(errorOf(text.substr(0, size)), "plan: the text is no JSON");
}

TEST(PlanRefusals, TakePlansWithoutAnyMember) {
  // Whatever is taken away, the reader complains and does not fall over.
  json whole = json::parse(toJson(fullPlan()));
  json leaves = whole.flatten();
  int removed = 0;
  for (const auto &leaf : leaves.items()) {
    json::json_pointer where(leaf.key());
    json plan = whole;
    json &parent = plan[where.parent_pointer()];
    if (!parent.is_object())
      continue;
    parent.erase(where.back());
    EXPECT_NE(errorOf(plan.dump()).find("is missing"), std::string::npos)
        << leaf.key();
    ++removed;
  }
  EXPECT_GT(removed, 100);
}

TEST(PlanRefusals, TakeCandidatesThatAreNone) {
  const json whole = json::parse(toJson(candidatesPlan()));
  // A member of the first schedule, what it becomes, and the reason.
  for (auto [where, value, reason] :
       {std::tuple{"/candidates", "7", "expected an object with 'logits'"},
        {"/candidates", "{}", "'logits' is missing"},
        {"/candidates/logits", "8", "'logits' must be an integer from 0 to 7"},
        {"/candidates/tokens", "-1", "'tokens' must be an integer from 0 to 7"},
        {"/candidates/tokens", "\"7\"", "'tokens' must be an integer"},
        {"/logits", "2", "schedule 'prefill' has both logits and candidates"},
        {"/logits_all", "true",
         "schedule 'prefill' has both logits and candidates"}}) {
    json plan = whole;
    plan["schedules"][0][json::json_pointer(where)] = json::parse(value);
    EXPECT_EQ(errorOf(plan.dump()).rfind(std::string("plan: ") + reason, 0), 0u)
        << where << ": " << errorOf(plan.dump());
  }
}

TEST(PlanRefusals, TakeLaunchesThatAreNone) {
  const json whole = json::parse(toJson(launchPlan()));
  // A member of the first launch, what it becomes, and the reason.
  for (auto [where, value, reason] :
       {std::tuple{"/threads", "0", "'threads' must be an integer from 1"},
        {"/threads", "1025", "'threads' must be an integer from 1 to 1024"},
        {"/shared_bytes", "-1", "'shared_bytes' must be an integer from 0"},
        {"/grid", "7", "'grid' must be a list"},
        {"/grid", "[]", "a grid must have 3 dimensions, got 0"},
        {"/grid/0/times", "0", "'times' must be an integer from 1"},
        {"/grid/1/per", "-1", "'per' must be an integer from 0"},
        {"/grid/2", "7", "expected an object with 'times'"},
        {"/function", "7", "'function' must be a string"},
        {"/args/0", R"({"kind": "scalar", "name": "start"})",
         "'embed' has an argument 'scalar', which no launch has"},
        {"/args/0", R"({"kind": "sequences"})",
         "'embed' has an argument 'sequences', which no launch has"},
        {"/args/0", R"({"kind": "capacity", "index": 1})",
         "'index' must be an integer from 0 to 0"}}) {
    json plan = whole;
    plan["schedules"][0]["steps"][0][json::json_pointer(where)] =
        json::parse(value);
    EXPECT_EQ(errorOf(plan.dump()).rfind(std::string("plan: ") + reason, 0), 0u)
        << where << ": " << errorOf(plan.dump());
  }
}

TEST(PlanRefusals, TakeCallsWithWhatLaunchesHave) {
  const json whole = json::parse(toJson(fullPlan()));
  for (const char *argument : {R"({"kind": "tokens"})", R"({"kind": "step"})",
                               R"({"kind": "capacity", "index": 0})"}) {
    json plan = whole;
    plan["schedules"][0]["steps"][2]["args"][0] = json::parse(argument);
    EXPECT_NE(errorOf(plan.dump()).find(", which no call has"),
              std::string::npos)
        << argument << ": " << errorOf(plan.dump());
  }
}
