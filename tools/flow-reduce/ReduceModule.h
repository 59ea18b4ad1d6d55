// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A reduction of models and functions.

#ifndef FLOW_TOOLS_REDUCEMODULE_H
#define FLOW_TOOLS_REDUCEMODULE_H

namespace flow {

/// Registers the pass `reduce-module`. It erases symbols of the module and of
/// symbols in it; ends functions early, with the results of the last op that is
/// left; and makes arguments of what other ops compute. Stages form a chain in
/// which each reads the one before, and upstream's reducer, which only erases,
/// can take no link out. A function of several blocks stays as it is until it
/// can be erased, and so do the arguments and results of one that is called.
void registerReduceModule();

} // namespace flow

#endif // FLOW_TOOLS_REDUCEMODULE_H
