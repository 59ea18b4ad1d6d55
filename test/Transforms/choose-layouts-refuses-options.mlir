// RUN: not flow-opt %s --flow-choose-layouts=rows-block=8 2>&1 | FileCheck %s

// CHECK: error: rows-block must be 16 or 32, got 8
func.func @nothing_to_pack() {
  return
}
