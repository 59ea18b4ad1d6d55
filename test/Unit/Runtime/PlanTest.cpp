// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans come back from their JSON text as they were.

#include "TestPlans.h"

#include <gtest/gtest.h>

using namespace flow;
using namespace flow::runtime;

namespace {

/// `plan` written and read again.
Plan again(const Plan &plan) {
  Result<Plan> read = planFromJson(toJson(plan));
  if (!read) {
    ADD_FAILURE() << read.error();
    return {};
  }
  return *read;
}

} // namespace

TEST(Plan, KeepsItsSizes) {
  Plan plan = again(fullPlan());
  EXPECT_EQ(plan.hidden, 64);
  EXPECT_EQ(plan.vocab, 96);
  EXPECT_EQ(plan.context, 256);
  EXPECT_EQ(plan.rowTile, 12);
}

TEST(Plan, KeepsItsWeights) {
  Plan expected = fullPlan(), plan = again(expected);
  ASSERT_EQ(plan.weights.size(), expected.weights.size());
  for (size_t i = 0; i != plan.weights.size(); ++i) {
    const PackedWeight &found = plan.weights[i], &wanted = expected.weights[i];
    SCOPED_TRACE(wanted.name);
    EXPECT_EQ(found.name, wanted.name);
    ASSERT_EQ(found.sources.size(), wanted.sources.size());
    for (size_t j = 0; j != found.sources.size(); ++j) {
      const WeightSource &source = found.sources[j];
      EXPECT_EQ(source.name, wanted.sources[j].name);
      const std::optional<WeightSource::Part> &part = wanted.sources[j].part;
      ASSERT_EQ(source.part.has_value(), part.has_value());
      if (!part)
        continue;
      EXPECT_EQ(source.part->row, part->row);
      EXPECT_EQ(source.part->col, part->col);
      EXPECT_EQ(source.part->rows, part->rows);
      EXPECT_EQ(source.part->group, part->group);
      EXPECT_EQ(source.part->stride, part->stride);
    }
    EXPECT_EQ(found.combine, wanted.combine);
    EXPECT_EQ(found.group, wanted.group);
    EXPECT_EQ(found.add, wanted.add);
    EXPECT_EQ(found.packing, wanted.packing);
    EXPECT_EQ(found.rows, wanted.rows);
    EXPECT_EQ(found.cols, wanted.cols);
    EXPECT_EQ(found.block, wanted.block);
    EXPECT_EQ(found.scale, wanted.scale);
    EXPECT_EQ(found.hasMin, wanted.hasMin);
    EXPECT_EQ(found.bits, wanted.bits);
    EXPECT_EQ(found.offset, wanted.offset);
    EXPECT_EQ(found.leading, wanted.leading);
  }
}

TEST(Plan, CountsThePartsOfAWeight) {
  PackedWeight weight;
  for (Packing packing : {Packing::Raw, Packing::Dense, Packing::PanelsF32,
                          Packing::PanelsBf16}) {
    weight.packing = packing;
    EXPECT_EQ(weight.parts(), 1);
  }
  weight.packing = Packing::PanelsI8;
  EXPECT_EQ(weight.parts(), 2);
  weight.hasMin = true;
  EXPECT_EQ(weight.parts(), 3);
  weight.bits = 4;
  EXPECT_EQ(weight.parts(), 3);
  weight.bits = 5;
  EXPECT_EQ(weight.parts(), 4);
  weight.bits = 6;
  EXPECT_EQ(weight.parts(), 4);
  weight.hasMin = false;
  weight.bits = 8;
  weight.leading = 5;
  EXPECT_EQ(weight.parts(), 4);
  EXPECT_FALSE(weight.isLowBits(1));
  EXPECT_TRUE(weight.isLowBits(2));
}

TEST(Plan, KeepsItsCachesAndBuffers) {
  Plan expected = fullPlan(), plan = again(expected);
  ASSERT_EQ(plan.caches.size(), expected.caches.size());
  for (size_t i = 0; i != plan.caches.size(); ++i) {
    EXPECT_EQ(plan.caches[i].name, expected.caches[i].name);
    EXPECT_EQ(plan.caches[i].kvHeads, expected.caches[i].kvHeads);
    EXPECT_EQ(plan.caches[i].headDim, expected.caches[i].headDim);
    EXPECT_EQ(plan.caches[i].window, expected.caches[i].window);
  }
  ASSERT_EQ(plan.buffers.size(), expected.buffers.size());
  for (size_t i = 0; i != plan.buffers.size(); ++i) {
    EXPECT_EQ(plan.buffers[i].name, expected.buffers[i].name);
    EXPECT_EQ(plan.buffers[i].dims, expected.buffers[i].dims);
    EXPECT_EQ(plan.buffers[i].element, expected.buffers[i].element);
  }
}

TEST(Plan, KeepsItsSchedules) {
  Plan expected = fullPlan();
  expected.schedules[0].logitsAll = true;
  expected.buffers[2].dims = {-1, 96};
  Plan plan = again(expected);
  ASSERT_EQ(plan.schedules.size(), 2u);
  for (size_t i = 0; i != 2; ++i) {
    const Schedule &found = plan.schedules[i], &wanted = expected.schedules[i];
    EXPECT_EQ(found.name, wanted.name);
    EXPECT_EQ(found.rows, wanted.rows);
    EXPECT_EQ(found.headBegin, wanted.headBegin);
    EXPECT_EQ(found.logits, wanted.logits);
    EXPECT_EQ(found.logitsAll, wanted.logitsAll);
    EXPECT_EQ(found.steps.size(), wanted.steps.size());
  }
}

TEST(Plan, KeepsTheStepsOfTheRuntime) {
  Plan plan = again(fullPlan());
  ASSERT_FALSE(plan.schedules.empty());
  const Step &embed = plan.schedules[0].steps[0];
  EXPECT_EQ(embed.kind, StepKind::Embed);
  EXPECT_EQ(embed.weight, 0);
  EXPECT_EQ(embed.scale, 8);
  EXPECT_EQ(embed.buffer, 0);
  const Step &angles = plan.schedules[0].steps[1];
  EXPECT_EQ(angles.kind, StepKind::RopeAngles);
  EXPECT_EQ(angles.theta, 10000);
  EXPECT_EQ(angles.factor, 8);
  EXPECT_EQ(angles.headDim, 32);
  EXPECT_EQ(angles.pairs, 12);
  EXPECT_EQ(angles.buffer, 1);
}

TEST(Plan, KeepsTheArgumentsOfCalls) {
  Plan expected = fullPlan(), plan = again(expected);
  ASSERT_FALSE(plan.schedules.empty());
  const Step &found = plan.schedules[1].steps[2];
  const Step &wanted = expected.schedules[1].steps[2];
  EXPECT_EQ(found.kind, StepKind::Call);
  EXPECT_EQ(found.function, "layer");
  ASSERT_EQ(found.args.size(), wanted.args.size());
  for (size_t i = 0; i != found.args.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(found.args[i].kind, wanted.args[i].kind);
    EXPECT_EQ(found.args[i].index, wanted.args[i].index);
    EXPECT_EQ(found.args[i].part, wanted.args[i].part);
    EXPECT_EQ(found.args[i].scalar, wanted.args[i].scalar);
  }
}

TEST(Plan, KeepsTheBoxesOfTensorMaps) {
  Plan plan = launchPlan();
  Argument &table = plan.schedules[0].steps[3].args[1];
  table.boxRows = 128;
  table.boxColumns = 64;
  std::string text = toJson(plan);
  Result<Plan> read = planFromJson(text);
  ASSERT_TRUE(bool(read)) << read.error();
  EXPECT_EQ(toJson(*read), text);
  EXPECT_NE(text, toJson(launchPlan()));
}

TEST(Plan, HasBoxesOfCachesOfBf16Alone) {
  Plan plan = launchPlan();
  Argument keys = Argument::keys(0);
  keys.boxRows = keys.boxColumns = 64;
  plan.schedules[0].steps[2].args[0] = keys;
  for (ElementType element : {ElementType::BF16, ElementType::F16}) {
    plan.caches[0].element = element;
    Result<Plan> read = planFromJson(toJson(plan));
    std::string error = read ? "" : read.error();
    EXPECT_EQ(error.find("only a buffer, a weight or a cache of bf16 has a "
                         "'box'") == std::string::npos,
              element == ElementType::BF16)
        << error;
  }
}

TEST(Plan, KeepsItsLaunches) {
  Plan plan = launchPlan();
  Result<Plan> read = planFromJson(toJson(plan));
  ASSERT_TRUE(bool(read)) << read.error();
  EXPECT_EQ(toJson(*read), toJson(plan));
  EXPECT_EQ(read->weights[0].packing, Packing::DenseBf16);
  const Step &layer = read->schedules[0].steps[2];
  EXPECT_EQ(layer.kind, StepKind::Launch);
  EXPECT_EQ(layer.function, "layer");
  EXPECT_EQ(layer.threads, 128);
  EXPECT_EQ(layer.sharedBytes, 512);
  // ceil(7 * 3 / 2) and a number.
  EXPECT_EQ(layer.grid[0].blocks(7), 11);
  EXPECT_EQ(layer.grid[1].blocks(7), 5);
  EXPECT_EQ(layer.args[4].kind, Argument::Kind::StepTable);
  EXPECT_EQ(layer.args[5].kind, Argument::Kind::Capacity);
}

TEST(Plan, KeepsItsBlocks) {
  Plan plan = launchPlan();
  PackedWeight &weight = plan.weights[0];
  weight.packing = Packing::WeightBlocks;
  weight.cols = 64;
  weight.scale = ScaleType::F32;
  weight.bits = 4;
  weight.offset = 8;
  Result<Plan> read = planFromJson(toJson(plan));
  ASSERT_TRUE(bool(read)) << read.error();
  EXPECT_EQ(toJson(*read), toJson(plan));
  EXPECT_EQ(read->weights[0].packing, Packing::WeightBlocks);
  EXPECT_EQ(read->weights[0].scale, ScaleType::F32);
  EXPECT_EQ(read->weights[0].bits, 4);
  // What was added follows from the rest.
  EXPECT_EQ(read->weights[0].offset, 8);
  weight.bits = 6;
  read = planFromJson(toJson(plan));
  ASSERT_FALSE(bool(read));
  EXPECT_NE(read.error().find("needs 4 or 8 bits in blocks of 32"),
            std::string::npos);
}

TEST(Plan, KeepsEveryBitOfItsNumbers) {
  Plan plan = fullPlan();
  // sqrt(640) rounded to f64, and the largest step below 1e6.
  plan.schedules[0].steps[0].scale = 0x1.94c583ada5b53p+4;
  plan.schedules[0].steps[1].theta = 0x1.e847fffffffffp+19;
  Plan read = again(plan);
  ASSERT_FALSE(read.schedules.empty());
  EXPECT_EQ(read.schedules[0].steps[0].scale, 0x1.94c583ada5b53p+4);
  EXPECT_EQ(read.schedules[0].steps[1].theta, 0x1.e847fffffffffp+19);
}

TEST(Plan, WritesTheSameTextAgain) {
  std::string text = toJson(fullPlan());
  EXPECT_EQ(toJson(again(fullPlan())), text);
}

TEST(Plan, FindsSchedulesByName) {
  Plan plan = fullPlan();
  EXPECT_EQ(plan.findSchedule("prefill"), &plan.schedules[0]);
  EXPECT_EQ(plan.findSchedule("decode"), &plan.schedules[1]);
  EXPECT_EQ(plan.findSchedule("deco"), nullptr);
}

TEST(Plan, KeepsItsCandidates) {
  EXPECT_EQ(again(fullPlan()).candidateCount(), 0);
  Plan plan = again(candidatesPlan());
  EXPECT_EQ(plan.candidateCount(), 8);
  for (const Schedule &schedule : plan.schedules) {
    ASSERT_TRUE(schedule.candidates);
    EXPECT_EQ(schedule.candidates->logits, 6);
    EXPECT_EQ(schedule.candidates->tokens, 7);
  }
  EXPECT_EQ(Plan().candidateCount(), 0);
}
