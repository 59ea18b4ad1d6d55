// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Puts code of several architectures into one file.

#include "CudaTools.h"
#include "flow/Target/NvvmTarget.h"

using namespace flow;

std::string flow::findFatbinary() { return findCudaTool("fatbinary"); }

llvm::Expected<std::string>
flow::buildFatbin(llvm::ArrayRef<FatbinImage> images, llvm::StringRef path) {
  llvm::Expected<TemporaryFile> output = TemporaryFile::create("fatbin");
  if (!output)
    return output.takeError();
  std::vector<TemporaryFile> inputs;
  std::vector<std::string> arguments{"-64",
                                     ("--create=" + output->path()).str()};
  for (const FatbinImage &image : images) {
    llvm::Expected<TemporaryFile> input =
        TemporaryFile::create(image.isPtx ? "ptx" : "cubin", image.bytes);
    if (!input)
      return input.takeError();
    arguments.push_back(
        (llvm::Twine("--image3=kind=") + (image.isPtx ? "ptx" : "elf") +
         ",sm=" + llvm::StringRef(image.chip).drop_front(sizeof("sm_") - 1) +
         ",file=" + input->path())
            .str());
    inputs.push_back(std::move(*input));
  }
  llvm::Expected<std::string> said =
      runCudaTool(path, arguments, "fatbinary refuses the code");
  if (!said)
    return said.takeError();
  return output->read();
}
