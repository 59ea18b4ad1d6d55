// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Adds up times by function and loop.

#include "flow/Runtime/Profile.h"

#include <algorithm>

using namespace flow::runtime;

void Profile::beginFunction(const std::string &name) {
  auto known =
      std::find_if(list.begin(), list.end(), [&](const Function &function) {
        return function.name == name;
      });
  current = static_cast<size_t>(known - list.begin());
  if (known == list.end())
    list.emplace_back().name = name;
}

void Profile::addLoop(flow_loop_body body, double seconds) {
  std::vector<Loop> &loops = list[current].loops;
  auto known = std::find_if(loops.begin(), loops.end(), [&](const Loop &loop) {
    return loop.body == body;
  });
  Loop &loop = known == loops.end() ? loops.emplace_back() : *known;
  loop.body = body;
  ++loop.runs;
  loop.seconds += seconds;
}

void Profile::endFunction(double seconds) {
  ++list[current].runs;
  list[current].seconds += seconds;
}
