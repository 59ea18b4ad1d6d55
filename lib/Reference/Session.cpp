// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps of one sequence: positions counted, caches kept.

#include "flow/Reference/Session.h"

using namespace flow;

llvm::Expected<TensorRef>
ReferenceSession::prefill(llvm::ArrayRef<int32_t> tokens) {
  return step("prefill", tokens);
}

llvm::Expected<TensorRef> ReferenceSession::decode(int32_t token) {
  return step("decode", token);
}

llvm::Expected<TensorRef>
ReferenceSession::step(llvm::StringRef function,
                       llvm::ArrayRef<int32_t> tokens) {
  int64_t count = tokens.size();
  if (count == 0)
    return llvm::createStringError("@" + function + " got no tokens");
  if (count > caches.getCapacity() - position)
    return llvm::createStringError(
        "the sequence has " + llvm::Twine(position) + " + " +
        llvm::Twine(count) + " tokens, more than its " +
        llvm::Twine(caches.getCapacity()) + " positions");

  auto ids = std::make_shared<const TokenTensor>(llvm::ArrayRef<int64_t>(count),
                                                 tokens.vec());
  // A copy, which shares the tensors: kept only when all is well.
  CacheState written = caches;
  llvm::Expected<std::vector<InterpretedValue>> results =
      interpreter.call(function, {ids, position, count}, written);
  if (!results)
    return results.takeError();
  auto *rows = results->size() == 1 ? std::get_if<TensorRef>(&results->front())
                                    : nullptr;
  if (!rows)
    return llvm::createStringError("@" + function +
                                   " must return one tensor of numbers");
  caches = std::move(written);
  position += count;
  return *rows;
}
