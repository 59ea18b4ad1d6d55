// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Maps files into memory and lets go of parts of them.

#include "MappedFile.h"

#include "flow/Import/ModelFile.h"
#include "llvm/Support/MathExtras.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace flow;

llvm::Expected<llvm::sys::fs::mapped_file_region>
flow::mapFile(llvm::StringRef path, uint64_t minBytes, llvm::StringRef kind) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(path + ": " + what);
  };
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(path, status))
    return fail("cannot be read: " + code.message());
  if (status.type() != llvm::sys::fs::file_type::regular_file)
    return fail("is no regular file");
  if (status.getSize() < minBytes)
    return fail("has " + llvm::Twine(status.getSize()) +
                " bytes, too few for a " + kind);
  auto handle = llvm::sys::fs::openNativeFileForRead(path);
  if (!handle)
    return fail("cannot be opened: " + llvm::toString(handle.takeError()));
  std::error_code code;
  llvm::sys::fs::mapped_file_region region(
      *handle, llvm::sys::fs::mapped_file_region::readonly, status.getSize(), 0,
      code);
  llvm::sys::fs::closeFile(*handle);
  if (code)
    return fail("cannot be mapped: " + code.message());
  return region;
}

ModelFile::~ModelFile() = default;

void ModelFile::releasePages(const std::byte *data, size_t size) {
  // Whole pages inside the range; the mapping is read-only and backed by the
  // file, so what is dropped can be read again.
  auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto begin = llvm::alignTo(reinterpret_cast<uintptr_t>(data), page);
  auto end = (reinterpret_cast<uintptr_t>(data) + size) / page * page;
  if (begin < end)
    (void)madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}
