// RUN: not flow-opt %s --flow-verify-phase=phase=recipe 2>&1 | FileCheck %s

// CHECK: a recipe holds one flow.model, found 0
module {}
