// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of ggml types.

#include "flow/Ggml/Types.h"

using namespace flow::ggml;

std::optional<TypeInfo> flow::ggml::typeInfo(uint32_t id) {
  switch (static_cast<Type>(id)) {
  case Type::F32:
    return TypeInfo{"F32", 1, 4};
  case Type::F16:
    return TypeInfo{"F16", 1, 2};
  case Type::Q4_0:
    return TypeInfo{"Q4_0", 32, 18};
  case Type::Q4_1:
    return TypeInfo{"Q4_1", 32, 20};
  case Type::Q5_0:
    return TypeInfo{"Q5_0", 32, 22};
  case Type::Q5_1:
    return TypeInfo{"Q5_1", 32, 24};
  case Type::Q8_0:
    return TypeInfo{"Q8_0", 32, 34};
  case Type::Q8_1:
    return TypeInfo{"Q8_1", 32, 36};
  case Type::Q2_K:
    return TypeInfo{"Q2_K", 256, 84};
  case Type::Q3_K:
    return TypeInfo{"Q3_K", 256, 110};
  case Type::Q4_K:
    return TypeInfo{"Q4_K", 256, 144};
  case Type::Q5_K:
    return TypeInfo{"Q5_K", 256, 176};
  case Type::Q6_K:
    return TypeInfo{"Q6_K", 256, 210};
  case Type::Q8_K:
    return TypeInfo{"Q8_K", 256, 292};
  case Type::IQ2_XXS:
    return TypeInfo{"IQ2_XXS", 256, 66};
  case Type::IQ2_XS:
    return TypeInfo{"IQ2_XS", 256, 74};
  case Type::IQ3_XXS:
    return TypeInfo{"IQ3_XXS", 256, 98};
  case Type::IQ1_S:
    return TypeInfo{"IQ1_S", 256, 50};
  case Type::IQ4_NL:
    return TypeInfo{"IQ4_NL", 32, 18};
  case Type::IQ3_S:
    return TypeInfo{"IQ3_S", 256, 110};
  case Type::IQ2_S:
    return TypeInfo{"IQ2_S", 256, 82};
  case Type::IQ4_XS:
    return TypeInfo{"IQ4_XS", 256, 136};
  case Type::I8:
    return TypeInfo{"I8", 1, 1};
  case Type::I16:
    return TypeInfo{"I16", 1, 2};
  case Type::I32:
    return TypeInfo{"I32", 1, 4};
  case Type::I64:
    return TypeInfo{"I64", 1, 8};
  case Type::F64:
    return TypeInfo{"F64", 1, 8};
  case Type::IQ1_M:
    return TypeInfo{"IQ1_M", 256, 56};
  case Type::BF16:
    return TypeInfo{"BF16", 1, 2};
  case Type::TQ1_0:
    return TypeInfo{"TQ1_0", 256, 54};
  case Type::TQ2_0:
    return TypeInfo{"TQ2_0", 256, 66};
  case Type::MXFP4:
    return TypeInfo{"MXFP4", 32, 17};
  case Type::NVFP4:
    return TypeInfo{"NVFP4", 64, 36};
  case Type::Q1_0:
    return TypeInfo{"Q1_0", 128, 18};
  case Type::Q2_0:
    return TypeInfo{"Q2_0", 64, 18};
  }
  return std::nullopt;
}

std::string_view flow::ggml::typeName(Type type) {
  std::optional<TypeInfo> info = typeInfo(static_cast<uint32_t>(type));
  return info ? info->name : "unknown";
}
