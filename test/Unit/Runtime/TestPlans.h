// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A small plan that uses everything a plan can say.

#ifndef FLOW_TEST_RUNTIME_TESTPLANS_H
#define FLOW_TEST_RUNTIME_TESTPLANS_H

#include "flow/Runtime/Plan.h"

namespace flow::runtime {

/// Two schedules, one weight of each packing, a ring and a full cache.
inline Plan fullPlan() {
  Plan plan;
  plan.hidden = 64;
  plan.vocab = 96;
  plan.context = 256;
  plan.rowTile = 12;

  PackedWeight table;
  table.name = "table";
  table.sources = {"token_embd.weight"};
  table.packing = Packing::Raw;
  table.rows = 96;
  table.cols = 64;

  PackedWeight norm;
  norm.name = "norm";
  norm.sources = {"output_norm.weight"};
  norm.packing = Packing::Dense;
  norm.add = 1;
  norm.rows = 1;
  norm.cols = 64;
  norm.sources[0].part = WeightSource::Part{5, 32, 1, 1, 1};

  PackedWeight gateUp;
  gateUp.name = "gate_up";
  gateUp.sources = {"ffn_gate.weight", "ffn_up.weight"};
  gateUp.sources[1].part = WeightSource::Part{16, 0, 64, 16, 32};
  gateUp.combine = Combine::Interleave;
  gateUp.group = 32;
  gateUp.packing = Packing::PanelsF32;
  gateUp.rows = 128;
  gateUp.cols = 64;

  PackedWeight qkv;
  qkv.name = "qkv";
  qkv.sources = {"attn_q.weight", "attn_k.weight", "attn_v.weight"};
  qkv.packing = Packing::PanelsI8;
  qkv.rows = 96;
  qkv.cols = 64;
  qkv.block = 16;
  qkv.scale = ScaleType::F32;
  qkv.hasMin = true;
  plan.weights = {table, norm, gateUp, qkv};

  plan.caches = {{"ring", 2, 32, 24}, {"whole", 1, 64, 0}};
  plan.buffers = {
      {"x", {-1, 64}},
      {"angles", {-1, 16, 2}},
      {"logits", {1, 96}},
      {"quants", {-1, 64}, ElementType::I8},
      {"sums", {-1, 4}, ElementType::I32},
      {"rounded", {-1, 64}, ElementType::BF16},
  };

  Step embed;
  embed.kind = StepKind::Embed;
  embed.weight = 0;
  embed.scale = 8;
  embed.buffer = 0;
  Step angles;
  angles.kind = StepKind::RopeAngles;
  angles.theta = 10000;
  angles.factor = 8;
  angles.headDim = 32;
  angles.pairs = 12;
  angles.buffer = 1;
  Step layer;
  layer.function = "layer";
  layer.args = {Argument::buffer(0),
                Argument::buffer(1),
                Argument::weight(1, 0),
                Argument::weight(2, 0),
                Argument::weight(3, 2),
                Argument::keys(0),
                Argument::values(1),
                Argument::ofScalar(Scalar::Start),
                Argument::ofScalar(Scalar::Count),
                Argument::ofScalar(Scalar::Total),
                Argument::ofScalar(Scalar::Rows)};
  Step head;
  head.function = "head";
  head.args = {Argument::buffer(0), Argument::buffer(2)};

  Schedule prefill;
  prefill.name = "prefill";
  prefill.steps = {embed, angles, layer, head};
  prefill.headBegin = 3;
  prefill.logits = 2;
  Schedule decode = prefill;
  decode.name = "decode";
  decode.rows = 1;
  plan.schedules = {prefill, decode};
  return plan;
}

/// The same with the best 8 logits in the place of all.
inline Plan candidatesPlan() {
  Plan plan = fullPlan();
  plan.buffers.push_back({"best", {1, 8}});
  plan.buffers.push_back({"tokens", {1, 8}, ElementType::I32});
  for (Schedule &schedule : plan.schedules) {
    schedule.candidates = {6, 7};
    schedule.steps.back().args.back() = Argument::buffer(6);
    schedule.steps.back().args.push_back(Argument::buffer(7));
  }
  return plan;
}

/// A plan of launches: an embedding, angles, a kernel that writes a cache, a
/// head.
inline Plan launchPlan() {
  Plan plan;
  plan.hidden = 8;
  plan.vocab = 16;
  plan.context = 200;
  plan.rowTile = 1;
  PackedWeight table;
  table.name = "table";
  table.sources = {"token_embd.weight"};
  table.packing = Packing::DenseBf16;
  table.rows = 16;
  table.cols = 8;
  plan.weights = {table};
  plan.caches = {{"kv", 1, 32, 0, ElementType::BF16}};
  plan.buffers = {
      {"stream", {-1, 8}}, {"angles", {-1, 16, 2}}, {"logits", {-1, 16}}};

  auto launch = [](const char *kernel, std::vector<Argument> args) {
    Step step;
    step.kind = StepKind::Launch;
    step.function = kernel;
    step.args = std::move(args);
    step.threads = 128;
    step.sharedBytes = 512;
    step.grid = {GridSize{3, 2}, GridSize{5, 0}, GridSize{1, 0}};
    return step;
  };
  Schedule prefill;
  prefill.name = "prefill";
  prefill.logitsAll = true;
  prefill.steps = {
      launch("embed",
             {Argument::tokens(), Argument::weight(0, 0), Argument::buffer(0)}),
      launch("angles", {Argument::buffer(1), Argument::stepTable()}),
      launch("layer", {Argument::buffer(0), Argument::buffer(1),
                       Argument::keys(0), Argument::values(0),
                       Argument::stepTable(), Argument::capacity(0)}),
      launch("head", {Argument::buffer(0), Argument::weight(0, 0),
                      Argument::buffer(2), Argument::stepTable()})};
  prefill.headBegin = 3;
  prefill.logits = 2;
  Schedule decode = prefill;
  decode.name = "decode";
  decode.rows = 1;
  plan.schedules = {prefill, decode};
  return plan;
}

} // namespace flow::runtime

#endif // FLOW_TEST_RUNTIME_TESTPLANS_H
