// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans as JSON text, checked when they are read.

#include "flow/Runtime/Plan.h"

#include <nlohmann/json.hpp>

#include <array>
#include <limits>

using namespace flow;
using namespace flow::runtime;
using nlohmann::json;

namespace {

/// Names of enumerators, in the order of their values.
constexpr std::array<const char *, 2> kCombines = {"concat", "interleave"};
constexpr std::array<const char *, 7> kPackings = {
    "raw",        "dense",       "dense_bf16", "weight_blocks",
    "panels_f32", "panels_bf16", "panels_i8"};
constexpr std::array<const char *, 2> kScales = {"f16", "f32"};
constexpr std::array<const char *, 5> kElements = {"f32", "bf16", "f16", "i8",
                                                   "i32"};
/// Those of a cache are the first ones.
constexpr std::array<const char *, 3> kCacheElements = {"f32", "bf16", "f16"};
constexpr std::array<const char *, 4> kSteps = {"embed", "rope_angles", "call",
                                                "launch"};
constexpr std::array<const char *, 10> kArguments = {
    "buffer",    "weight", "keys", "values",   "scalar",
    "sequences", "tokens", "step", "capacity", "spans"};
constexpr std::array<const char *, 4> kScalars = {"start", "count", "total",
                                                  "rows"};

constexpr int64_t kMaxDimension = int64_t(1) << 40;

/// `value` for a message: a list or an object, however large, by its kind.
std::string shown(const json &value) {
  return value.is_structured() ? value.type_name() : value.dump();
}

json write(const Argument &argument) {
  json result{{"kind", kArguments[static_cast<size_t>(argument.kind)]}};
  if (argument.kind == Argument::Kind::Scalar)
    result["name"] = kScalars[static_cast<size_t>(argument.scalar)];
  else if (argument.hasIndex())
    result["index"] = argument.index;
  if (argument.kind == Argument::Kind::Weight)
    result["part"] = argument.part;
  if (argument.isTensorMap())
    result["box"] = {argument.boxRows, argument.boxColumns};
  return result;
}

json write(const Step &step) {
  json result{{"kind", kSteps[static_cast<size_t>(step.kind)]}};
  switch (step.kind) {
  case StepKind::Embed:
    result["weight"] = step.weight;
    result["scale"] = step.scale;
    result["buffer"] = step.buffer;
    break;
  case StepKind::RopeAngles:
    result["theta"] = step.theta;
    result["factor"] = step.factor;
    result["head_dim"] = step.headDim;
    result["pairs"] = step.pairs;
    result["buffer"] = step.buffer;
    break;
  case StepKind::Launch:
    result["threads"] = step.threads;
    result["shared_bytes"] = step.sharedBytes;
    result["grid"] = json::array();
    for (const GridSize &size : step.grid)
      result["grid"].push_back({{"times", size.times}, {"per", size.per}});
    [[fallthrough]];
  case StepKind::Call:
    result["function"] = step.function;
    result["args"] = json::array();
    for (const Argument &argument : step.args)
      result["args"].push_back(write(argument));
    break;
  }
  return result;
}

json write(const WeightSource &source) {
  json result{{"name", source.name}};
  if (const std::optional<WeightSource::Part> &part = source.part)
    result["part"] = {{"row", part->row},
                      {"col", part->col},
                      {"rows", part->rows},
                      {"group", part->group},
                      {"stride", part->stride}};
  return result;
}

json write(const PackedWeight &weight) {
  json sources = json::array();
  for (const WeightSource &source : weight.sources)
    sources.push_back(write(source));
  json result{{"name", weight.name},
              {"sources", sources},
              {"combine", kCombines[static_cast<size_t>(weight.combine)]},
              {"group", weight.group},
              {"add", weight.add},
              {"packing", kPackings[static_cast<size_t>(weight.packing)]},
              {"rows", weight.rows},
              {"cols", weight.cols}};
  if (weight.packing == Packing::WeightBlocks) {
    result["block"] = weight.block;
    result["scale"] = kScales[static_cast<size_t>(weight.scale)];
    result["min"] = weight.hasMin;
    result["bits"] = weight.bits;
  }
  if (weight.packing == Packing::PanelsI8) {
    result["block"] = weight.block;
    result["scale"] = kScales[static_cast<size_t>(weight.scale)];
    result["min"] = weight.hasMin;
    result["bits"] = weight.bits;
    result["offset"] = weight.offset;
    result["leading"] = weight.leading;
  }
  return result;
}

/// Reads members of JSON objects; the first problem is kept.
class Reader {
public:
  bool ok() const { return problem.empty(); }
  const std::string &error() const { return problem; }

  void fail(const std::string &what) {
    if (ok())
      problem = "plan: " + what;
  }

  const json &member(const json &object, const char *name) {
    static const json none;
    if (!object.is_object()) {
      fail(std::string("expected an object with '") + name + "'");
      return none;
    }
    auto found = object.find(name);
    if (found == object.end()) {
      fail(std::string("'") + name + "' is missing");
      return none;
    }
    return *found;
  }

  int64_t integer(const json &object, const char *name, int64_t low,
                  int64_t high) {
    const json &value = member(object, name);
    bool fits =
        value.is_number_integer() &&
        (!value.is_number_unsigned() ||
         value.get<uint64_t>() <=
             static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
    int64_t number = fits ? value.get<int64_t>() : 0;
    if (!fits || number < low || number > high) {
      fail(std::string("'") + name + "' must be an integer from " +
           std::to_string(low) + " to " + std::to_string(high) + ", got " +
           shown(value));
      return low;
    }
    return number;
  }

  double number(const json &object, const char *name) {
    const json &value = member(object, name);
    if (!value.is_number()) {
      fail(std::string("'") + name + "' must be a number, got " + shown(value));
      return 0;
    }
    return value.get<double>();
  }

  std::string text(const json &object, const char *name) {
    const json &value = member(object, name);
    if (!value.is_string()) {
      fail(std::string("'") + name + "' must be a string, got " + shown(value));
      return {};
    }
    return value.get<std::string>();
  }

  bool flag(const json &object, const char *name) {
    const json &value = member(object, name);
    if (!value.is_boolean())
      fail(std::string("'") + name + "' must be true or false, got " +
           shown(value));
    return value.is_boolean() && value.get<bool>();
  }

  const json &list(const json &object, const char *name) {
    static const json none = json::array();
    const json &value = member(object, name);
    if (value.is_array())
      return value;
    fail(std::string("'") + name + "' must be a list, got " + shown(value));
    return none;
  }

  template <size_t N>
  size_t choice(const json &object, const char *name,
                const std::array<const char *, N> &names) {
    std::string value = text(object, name);
    for (size_t i = 0; i != N; ++i)
      if (value == names[i])
        return i;
    fail(std::string("'") + name + "' has the unknown value '" + value + "'");
    return 0;
  }

private:
  std::string problem;
};

WeightSource readSource(Reader &r, const json &object,
                        const std::string &weight) {
  WeightSource source;
  source.name = r.text(object, "name");
  if (!r.ok() || !object.contains("part"))
    return source;
  const json &part = object["part"];
  source.part = {r.integer(part, "row", 0, kMaxDimension),
                 r.integer(part, "col", 0, kMaxDimension),
                 r.integer(part, "rows", 1, kMaxDimension),
                 r.integer(part, "group", 1, kMaxDimension),
                 r.integer(part, "stride", 1, kMaxDimension)};
  if (r.ok() && (source.part->stride < source.part->group ||
                 source.part->rows % source.part->group != 0))
    r.fail("a source of weight '" + weight +
           "' needs whole groups of rows that do not overlap");
  return source;
}

void readBlocks(Reader &r, const json &object, PackedWeight &weight) {
  weight.block = r.integer(object, "block", 16, 32);
  weight.scale = static_cast<ScaleType>(r.choice(object, "scale", kScales));
  weight.hasMin = r.flag(object, "min");
  weight.bits = r.integer(object, "bits", 4, 8);
  weight.offset = weight.bits == 4 && !weight.hasMin ? 8 : 0;
  bool isKnown =
      (weight.bits == 4 || weight.bits == 8) &&
      (weight.block == 32 || (weight.block == 16 && weight.bits == 8 &&
                              weight.scale == ScaleType::F32));
  if (!isKnown || weight.cols % 32 != 0)
    r.fail(
        "weight '" + weight.name +
        "' needs 4 or 8 bits in blocks of 32, or 8 bits in blocks of 16 with "
        "scales of f32, and rows of a multiple of 32");
}

PackedWeight readWeight(Reader &r, const json &object) {
  PackedWeight weight;
  weight.name = r.text(object, "name");
  for (const json &source : r.list(object, "sources"))
    weight.sources.push_back(readSource(r, source, weight.name));
  if (weight.sources.empty())
    r.fail("weight '" + weight.name + "' has no source");
  weight.combine = static_cast<Combine>(r.choice(object, "combine", kCombines));
  weight.group = r.integer(object, "group", 1, kMaxDimension);
  weight.add = r.number(object, "add");
  weight.packing = static_cast<Packing>(r.choice(object, "packing", kPackings));
  weight.rows = r.integer(object, "rows", 1, kMaxDimension);
  weight.cols = r.integer(object, "cols", 1, kMaxDimension);
  if (weight.rows > kMaxDimension / weight.cols)
    r.fail("weight '" + weight.name + "' is too large");
  bool panels = weight.packing >= Packing::PanelsF32;
  if (panels && weight.rows % 32 != 0)
    r.fail("weight '" + weight.name + "' has " + std::to_string(weight.rows) +
           " rows, panels need a multiple of 32");
  if (weight.packing == Packing::Raw && weight.sources.size() != 1)
    r.fail("weight '" + weight.name + "' is raw and has several sources");
  if (weight.packing == Packing::Raw && weight.add != 0)
    r.fail("weight '" + weight.name + "' is raw and cannot be added to");
  int64_t turn = weight.group * static_cast<int64_t>(weight.sources.size());
  if (weight.combine == Combine::Interleave && r.ok() &&
      (weight.group > kMaxDimension / 64 || weight.rows % turn != 0))
    r.fail("weight '" + weight.name + "' cannot interleave its sources evenly");
  if (weight.packing == Packing::PanelsBf16 && weight.cols % 2 != 0)
    r.fail("weight '" + weight.name + "' has rows of " +
           std::to_string(weight.cols) +
           ", panels of bf16 need an even number");
  if (weight.packing == Packing::WeightBlocks)
    readBlocks(r, object, weight);
  if (weight.packing == Packing::PanelsI8) {
    weight.block = r.integer(object, "block", 16, 32);
    weight.scale = static_cast<ScaleType>(r.choice(object, "scale", kScales));
    weight.hasMin = r.flag(object, "min");
    weight.bits = r.integer(object, "bits", 4, 8);
    weight.offset = r.integer(object, "offset", 0, 128);
    weight.leading = r.integer(object, "leading", 0, 6);
    if (weight.block % 16 != 0 || weight.cols % 32 != 0)
      r.fail("weight '" + weight.name +
             "' needs blocks of 16 or 32 and rows of a multiple of 32");
    bool halves = weight.offset == int64_t(1) << (weight.bits - 1);
    if (weight.bits == 7 || (!halves && (weight.bits == 8 || weight.offset)))
      r.fail("weight '" + weight.name + "' has quants of " +
             std::to_string(weight.bits) + " bits with the offset " +
             std::to_string(weight.offset) +
             ", expected 4, 5, 6 or 8 bits and 128 for 8, else 0 or half the "
             "range");
    if (weight.leading != 0 &&
        (weight.leading < 5 || weight.bits != 8 ||
         weight.scale != ScaleType::F16 || weight.hasMin))
      r.fail("weight '" + weight.name + "' has " +
             std::to_string(weight.leading) +
             " leading bits, expected 0, or 5 or 6 of quants of 8 bits with "
             "scales of f16 and without minima");
  }
  return weight;
}

/// Reads the box of an argument that is a tensor map, if it is one.
void readBox(Reader &r, const json &object, const Plan &plan,
             Argument &argument) {
  if (!r.ok() || !object.contains("box"))
    return;
  const json &box = r.list(object, "box");
  if (box.size() != 2 || !box[0].is_number_integer() || box[0] < 1 ||
      box[0] > 256 || box[1] != 64)
    return r.fail("'box' must have 1 to 256 rows and 64 columns, got " +
                  box.dump());
  argument.boxRows = box[0].get<int64_t>();
  argument.boxColumns = box[1].get<int64_t>();
  bool isCache = argument.kind == Argument::Kind::Keys ||
                 argument.kind == Argument::Kind::Values;
  bool isBf16 =
      (argument.kind == Argument::Kind::Buffer &&
       plan.buffers[argument.index].element == ElementType::BF16) ||
      (argument.kind == Argument::Kind::Weight &&
       plan.weights[argument.index].packing == Packing::DenseBf16) ||
      (isCache && plan.caches[argument.index].element == ElementType::BF16);
  if (!isBf16)
    r.fail("only a buffer, a weight or a cache of bf16 has a 'box'");
}

Argument readArgument(Reader &r, const json &object, const Plan &plan) {
  Argument argument;
  argument.kind =
      static_cast<Argument::Kind>(r.choice(object, "kind", kArguments));
  auto last = [](const auto &list) {
    return static_cast<int64_t>(list.size()) - 1;
  };
  switch (argument.kind) {
  case Argument::Kind::Buffer:
    argument.index = r.integer(object, "index", 0, last(plan.buffers));
    break;
  case Argument::Kind::Weight:
    argument.index = r.integer(object, "index", 0, last(plan.weights));
    if (!r.ok())
      break;
    argument.part =
        r.integer(object, "part", 0, plan.weights[argument.index].parts() - 1);
    if (plan.weights[argument.index].packing == Packing::Raw)
      r.fail("a call reads the raw weight '" +
             plan.weights[argument.index].name + "'");
    break;
  case Argument::Kind::Keys:
  case Argument::Kind::Values:
  case Argument::Kind::Capacity:
    argument.index = r.integer(object, "index", 0, last(plan.caches));
    break;
  case Argument::Kind::Scalar:
    argument.scalar = static_cast<Scalar>(r.choice(object, "name", kScalars));
    break;
  case Argument::Kind::Sequences:
  case Argument::Kind::Tokens:
  case Argument::Kind::StepTable:
  case Argument::Kind::Spans:
    break;
  }
  readBox(r, object, plan, argument);
  return argument;
}

/// A buffer that the runtime fills or reads must hold `[rows, inner...]`; -1
/// stands for open rows.
void checkBuffer(Reader &r, const Plan &plan, int64_t index, int64_t rows,
                 const std::vector<int64_t> &inner) {
  if (!r.ok())
    return;
  const std::vector<int64_t> &dims = plan.buffers[index].dims;
  // Open rows also serve a step of fixed rows.
  bool ok = dims.size() == inner.size() + 1 &&
            (dims.front() == rows || (dims.front() == -1 && rows == 1)) &&
            std::equal(inner.begin(), inner.end(), dims.begin() + 1);
  if (!ok)
    r.fail("buffer '" + plan.buffers[index].name +
           "' has another shape than the step that fills it");
  else if (plan.buffers[index].element != ElementType::F32)
    r.fail("buffer '" + plan.buffers[index].name +
           "' must be of f32 for the step that fills it");
}

/// What a schedule gives in the place of logits.
Schedule::Candidates readCandidates(Reader &r, const json &object,
                                    const Plan &plan) {
  int64_t last = static_cast<int64_t>(plan.buffers.size()) - 1;
  Schedule::Candidates candidates;
  candidates.logits = r.integer(object, "logits", 0, last);
  candidates.tokens = r.integer(object, "tokens", 0, last);
  if (!r.ok())
    return candidates;
  const BufferPlan &logits = plan.buffers[candidates.logits];
  const BufferPlan &tokens = plan.buffers[candidates.tokens];
  bool ok = logits.dims.size() == 2 && logits.dims[0] == 1 &&
            logits.dims[1] <= plan.vocab && logits.dims == tokens.dims &&
            logits.element == ElementType::F32 &&
            tokens.element == ElementType::I32;
  if (!ok)
    r.fail("the candidates in buffers '" + logits.name + "' and '" +
           tokens.name +
           "' must be one row of f32 and one of i32, as long as each other and "
           "no longer than the vocabulary");
  return candidates;
}

/// `rows` is the number of rows of the schedule, -1 for open ones.
Step readStep(Reader &r, const json &object, const Plan &plan, int64_t rows) {
  Step step;
  step.kind = static_cast<StepKind>(r.choice(object, "kind", kSteps));
  int64_t lastBuffer = static_cast<int64_t>(plan.buffers.size()) - 1;
  int64_t lastWeight = static_cast<int64_t>(plan.weights.size()) - 1;
  switch (step.kind) {
  case StepKind::Embed:
    step.weight = r.integer(object, "weight", 0, lastWeight);
    step.scale = r.number(object, "scale");
    step.buffer = r.integer(object, "buffer", 0, lastBuffer);
    if (!r.ok())
      break;
    if (plan.weights[step.weight].packing != Packing::Raw ||
        plan.weights[step.weight].rows < plan.vocab)
      r.fail("an embedding must read a raw weight of the vocabulary's rows");
    checkBuffer(r, plan, step.buffer, rows, {plan.weights[step.weight].cols});
    break;
  case StepKind::RopeAngles:
    step.theta = r.number(object, "theta");
    step.factor = r.number(object, "factor");
    if (!(step.theta > 0) || !(step.factor > 0))
      r.fail("'theta' and 'factor' of rope angles must be positive");
    step.headDim = r.integer(object, "head_dim", 2, 1 << 16);
    step.pairs = r.integer(object, "pairs", 1, step.headDim / 2);
    step.buffer = r.integer(object, "buffer", 0, lastBuffer);
    checkBuffer(r, plan, step.buffer, rows, {step.headDim / 2, 2});
    break;
  case StepKind::Launch: {
    constexpr int64_t kMost = 1 << 30;
    step.threads = r.integer(object, "threads", 1, 1024);
    step.sharedBytes = r.integer(object, "shared_bytes", 0, 1 << 20);
    const json &grid = r.list(object, "grid");
    if (grid.size() != step.grid.size())
      r.fail("a grid must have 3 dimensions, got " +
             std::to_string(grid.size()));
    for (size_t i = 0; r.ok() && i != step.grid.size(); ++i)
      step.grid[i] = {r.integer(grid[i], "times", 1, kMost),
                      r.integer(grid[i], "per", 0, kMost)};
    [[fallthrough]];
  }
  case StepKind::Call:
    step.function = r.text(object, "function");
    for (const json &value : r.list(object, "args")) {
      const Argument &argument =
          step.args.emplace_back(readArgument(r, value, plan));
      if (step.kind == StepKind::Call ? argument.isOfLaunches()
                                      : argument.isOfCalls())
        r.fail("'" + step.function + "' has an argument '" +
               kArguments[static_cast<size_t>(argument.kind)] + "', which no " +
               kSteps[static_cast<size_t>(step.kind)] + " has");
      if (step.kind == StepKind::Call && argument.isTensorMap())
        r.fail("'" + step.function + "' has a 'box', which no call has");
    }
    break;
  }
  return step;
}

/// What makes a schedule one for rows of several sequences, or of one.
void checkSequences(Reader &r, const Schedule &schedule) {
  bool batch = schedule.name == "batch" || schedule.name == "batch_decode";
  auto refuse = [&](const std::string &why) {
    r.fail("schedule '" + schedule.name + "' " + why);
  };
  if ((batch || schedule.name == "verify") &&
      (schedule.rows != 0 || !schedule.logitsAll))
    refuse("must have any number of rows and logits of every one");
  for (size_t i = 0; i != schedule.steps.size(); ++i) {
    // Rows are moved before the head, so that places mean nothing behind.
    bool inHead = static_cast<int64_t>(i) >= schedule.headBegin;
    if (batch && inHead && schedule.steps[i].kind < StepKind::Call)
      refuse("makes rows in the steps that serve logits");
    for (const Argument &argument : schedule.steps[i].args) {
      bool isTable = argument.kind == Argument::Kind::Sequences;
      bool isCache = argument.kind == Argument::Kind::Keys ||
                     argument.kind == Argument::Kind::Values;
      if (isTable && !batch)
        refuse("has rows of one sequence, and a call reads a table of them");
      if (batch && argument.kind == Argument::Kind::Spans)
        refuse("has rows of several sequences, and a call reads spans");
      if (batch && argument.kind == Argument::Kind::Scalar &&
          argument.scalar != Scalar::Rows)
        refuse("has rows of several sequences, and a call reads where one is");
      if (batch && inHead && (isTable || isCache))
        refuse("reads caches or the table of sequences to serve logits");
    }
  }
}

Schedule readSchedule(Reader &r, const json &object, const Plan &plan) {
  Schedule schedule;
  schedule.name = r.text(object, "name");
  if (plan.findSchedule(schedule.name))
    r.fail("there are two schedules '" + schedule.name + "'");
  schedule.rows = r.integer(object, "rows", 0, 1);
  int64_t rows = schedule.rows == 0 ? -1 : schedule.rows;
  for (const json &step : r.list(object, "steps"))
    schedule.steps.push_back(readStep(r, step, plan, rows));
  schedule.headBegin = r.integer(object, "head_begin", 0,
                                 static_cast<int64_t>(schedule.steps.size()));
  schedule.logitsAll = r.flag(object, "logits_all");
  checkSequences(r, schedule);
  if (r.ok() && object.contains("candidates")) {
    if (object.contains("logits") || schedule.logitsAll)
      r.fail("schedule '" + schedule.name + "' has both logits and candidates");
    schedule.candidates = readCandidates(r, object["candidates"], plan);
    return schedule;
  }
  schedule.logits = r.integer(object, "logits", 0,
                              static_cast<int64_t>(plan.buffers.size()) - 1);
  checkBuffer(r, plan, schedule.logits, schedule.logitsAll ? rows : 1,
              {plan.vocab});
  if (r.ok() && rows == -1 && !schedule.logitsAll &&
      plan.buffers[schedule.logits].dims.front() != 1)
    r.fail("schedule '" + schedule.name +
           "' has logits of every row and promises those of the last");
  return schedule;
}

} // namespace

const Schedule *Plan::findSchedule(std::string_view name) const {
  for (const Schedule &schedule : schedules)
    if (schedule.name == name)
      return &schedule;
  return nullptr;
}

/// How many candidates `schedule`, of `plan`, gives.
static int64_t countCandidates(const Plan &plan, const Schedule &schedule) {
  return schedule.candidates ? plan.buffers[schedule.candidates->logits].dims[1]
                             : 0;
}

bool Plan::hasSpans() const {
  for (const Schedule &schedule : schedules)
    for (const Step &step : schedule.steps)
      for (const Argument &argument : step.args)
        if (argument.kind == Argument::Kind::Spans)
          return true;
  return false;
}

int64_t Plan::candidateCount() const {
  return schedules.empty() ? 0 : countCandidates(*this, schedules.front());
}

std::string flow::runtime::toJson(const Plan &plan) {
  json result{{"version", kPlanVersion},   {"hidden", plan.hidden},
              {"vocab", plan.vocab},       {"context", plan.context},
              {"row_tile", plan.rowTile},  {"weights", json::array()},
              {"caches", json::array()},   {"buffers", json::array()},
              {"schedules", json::array()}};
  for (const PackedWeight &weight : plan.weights)
    result["weights"].push_back(write(weight));
  for (const CachePlan &cache : plan.caches)
    result["caches"].push_back({{"name", cache.name},
                                {"kv_heads", cache.kvHeads},
                                {"head_dim", cache.headDim},
                                {"window", cache.window},
                                {"element", elementName(cache.element)}});
  for (const BufferPlan &buffer : plan.buffers)
    result["buffers"].push_back({{"name", buffer.name},
                                 {"dims", buffer.dims},
                                 {"element", elementName(buffer.element)}});
  for (const Schedule &schedule : plan.schedules) {
    json steps = json::array();
    for (const Step &step : schedule.steps)
      steps.push_back(write(step));
    json object{{"name", schedule.name},
                {"rows", schedule.rows},
                {"steps", std::move(steps)},
                {"head_begin", schedule.headBegin},
                {"logits_all", schedule.logitsAll}};
    if (const std::optional<Schedule::Candidates> &best = schedule.candidates)
      object["candidates"] = {{"logits", best->logits},
                              {"tokens", best->tokens}};
    else
      object["logits"] = schedule.logits;
    result["schedules"].push_back(std::move(object));
  }
  // Names come from files and may be no UTF-8; such bytes are replaced.
  return result.dump(1, ' ', /*ensure_ascii=*/false,
                     json::error_handler_t::replace);
}

const char *flow::runtime::elementName(ElementType element) {
  return kElements[static_cast<size_t>(element)];
}

Result<Plan> flow::runtime::planFromJson(std::string_view text) {
  json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded())
    return Error{"plan: the text is no JSON"};
  Reader r;
  int64_t version = r.integer(root, "version", 0, 1 << 20);
  if (r.ok() && version != kPlanVersion)
    return Error{"plan: version " + std::to_string(version) + ", expected " +
                 std::to_string(kPlanVersion)};
  Plan plan;
  plan.hidden = r.integer(root, "hidden", 1, 1 << 24);
  plan.vocab = r.integer(root, "vocab", 1, 1 << 30);
  plan.context = r.integer(root, "context", 1, 1 << 30);
  plan.rowTile = r.integer(root, "row_tile", 1, 1024);
  for (const json &weight : r.list(root, "weights"))
    plan.weights.push_back(readWeight(r, weight));
  for (const json &object : r.list(root, "caches")) {
    CachePlan cache;
    cache.name = r.text(object, "name");
    cache.kvHeads = r.integer(object, "kv_heads", 1, 1 << 16);
    cache.headDim = r.integer(object, "head_dim", 1, 1 << 16);
    if (cache.headDim % 32 != 0)
      r.fail("cache '" + cache.name +
             "' must have a head_dim that is a multiple of 32");
    cache.window = r.integer(object, "window", 0, 1 << 30);
    cache.element =
        static_cast<ElementType>(r.choice(object, "element", kCacheElements));
    plan.caches.push_back(std::move(cache));
  }
  for (const json &object : r.list(root, "buffers")) {
    BufferPlan buffer;
    buffer.name = r.text(object, "name");
    buffer.element =
        static_cast<ElementType>(r.choice(object, "element", kElements));
    const json &dims = r.list(object, "dims");
    if (dims.empty() || dims.size() > 4)
      r.fail("buffer '" + buffer.name + "' must have 1 to 4 dimensions");
    for (size_t i = 0; i != dims.size() && i != 4; ++i) {
      // Only the rows may be open.
      constexpr uint64_t kMax = 1 << 24;
      bool ok = dims[i].is_number_unsigned()
                    ? dims[i].get<uint64_t>() - 1 < kMax
                    : i == 0 && dims[i].is_number_integer() && dims[i] == -1;
      if (!ok)
        r.fail("buffer '" + buffer.name + "' has a bad dimension " +
               shown(dims[i]));
      else
        buffer.dims.push_back(dims[i].get<int64_t>());
    }
    plan.buffers.push_back(std::move(buffer));
  }
  if (r.ok())
    for (const json &schedule : r.list(root, "schedules"))
      plan.schedules.push_back(readSchedule(r, schedule, plan));
  for (const Schedule &schedule : plan.schedules)
    if (r.ok() && countCandidates(plan, schedule) != plan.candidateCount())
      r.fail("schedule '" + schedule.name +
             "' has another number of candidates than the one before");
  if (!r.ok())
    return Error{r.error()};
  return plan;
}
