# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantises GGUF files with llama.cpp, as its users do."""

import ctypes

# Names of types, and of the constants of llama.cpp that stand for them.
QUANTISED = {"q8_0": "LLAMA_FTYPE_MOSTLY_Q8_0",
             "q4_0": "LLAMA_FTYPE_MOSTLY_Q4_0",
             "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}


class Failed(Exception):
    """A model cannot be made; the text says why."""


def quantise(source, target, kind, threads):
    """Writes `source`, of wide floats, to `target` in the type `kind`."""
    try:
        import llama_cpp
    except ImportError as problem:
        raise Failed(f"{kind}: llama-cpp-python is not installed "
                     f"(./dev bench installs it): {problem}") from problem
    messages = []

    @llama_cpp.llama_log_callback
    def remember(level, text, _):
        # The reason of a failure is on a line of its own; 4 is an error.
        if level == 4:
            messages.append(text.decode(errors="replace").strip())

    llama_cpp.llama_log_set(remember, ctypes.c_void_p(0))
    options = llama_cpp.llama_model_quantize_default_params()
    options.nthread = threads
    options.ftype = getattr(llama_cpp, QUANTISED[kind])
    status = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(options))
    if status:
        raise Failed(f"{source}: llama.cpp cannot quantise it to {kind}: "
                     + ("; ".join(messages) or f"status {status}"))
