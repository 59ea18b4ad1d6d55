// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What generated code and the runtime know of each other.

/* An entry function is `void flow_entry_f(void **args)`. args[0] is the runtime
 * context; each further argument is a pointer to a memref descriptor
 * { void *allocated; void *aligned; int64_t offset; int64_t sizes[rank];
 *   int64_t strides[rank]; } or to an int64_t scalar. Generated code calls
 * malloc, free and memcpy of the C library and nothing else. */

#ifndef FLOW_RUNTIME_ABI_H
#define FLOW_RUNTIME_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the range [begin, end) of a parallel loop. */
typedef void (*flow_loop_body)(void *closure, int64_t begin, int64_t end);

/* The first argument of every entry function. */
typedef struct flow_runtime_context {
  /* Runs `body` over [0, count), cut into contiguous pieces, on the threads of
   * the context, and returns when all are done. */
  void (*parallel_for)(struct flow_runtime_context *self, int64_t count,
                       flow_loop_body body, void *closure);
} flow_runtime_context;

#ifdef __cplusplus
}
#endif

#endif /* FLOW_RUNTIME_ABI_H */
