# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# How lit finds and runs the tests of this tree.

import os
import shutil
import subprocess
import sys

import lit.formats
from lit.llvm import llvm_config

config.name = "gemma-flow"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Unit", "Inputs", "tools"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.flow_obj_root, "test")

llvm_config.use_default_substitutions()  # FileCheck, not, count
llvm_config.add_tool_substitutions(
    ["flow-bench", "flow-compile", "flow-lsp-server", "flow-opt", "flow-reduce",
     "flow-run", "split-file"],
    [config.flow_tools_dir, config.llvm_tools_dir])

config.substitutions.append(("%tokenize", os.path.join(
    config.test_exec_root, "tools", "flow-test-tokenize")))

config.substitutions.append(("%run_plan", os.path.join(
    config.test_exec_root, "tools", "flow-test-run-plan")))

# A CUDA driver over the emulator, and NVIDIA's with a GPU where there is one.
config.substitutions.append(("%test_driver", os.path.join(
    config.test_exec_root, "tools", "flow-test-cuda.so")))
if subprocess.run([sys.executable, "-c",
                   "import ctypes; cuda = ctypes.CDLL('libcuda.so.1'); "
                   "assert cuda.cuInit(0) == 0"],
                  stderr=subprocess.DEVNULL).returncode == 0:
    config.available_features.add("gpu")

config.substitutions.append(("%check_asm", "%s %s" % (
    sys.executable, os.path.join(config.test_source_root, os.pardir, "tools",
                                 "checks", "check_asm.py"))))

config.substitutions.append(("%lsp_session", "%s %s" % (
    sys.executable, os.path.join(config.test_source_root, "tools",
                                 "lsp_session.py"))))

# What surrounds the tools in a shell is tested with what reads it there.
config.substitutions.append(("%flow_build", config.flow_obj_root))
for script in ["compare_completion", "compare_man_page"]:
    config.substitutions.append(("%" + script, "%s %s" % (
        sys.executable, os.path.join(config.test_source_root, "Shell", "Inputs",
                                     script + ".py"))))
for reader in ["bash", "fish", "groff", "man", "mandoc", "vim", "zsh"]:
    if shutil.which(reader):
        config.available_features.add(reader)

# So are the grammars of editors.
root = os.path.dirname(config.test_source_root)
config.substitutions += [
    ("%editors", os.path.join(root, "tools", "editors")),
    ("%dialect_page", os.path.join(root, "docs", "Dialect.md")),
    ("%make_grammars", "%s -B %s" % (sys.executable, os.path.join(
        root, "tools", "editors", "make_grammars.py"))),
    ("%textmate_scopes", "%s %s" % (sys.executable, os.path.join(
        config.test_source_root, "Editors", "Inputs", "textmate_scopes.py")))]

# Models are made by scripts that need numpy and gguf.
if os.path.exists(config.flow_python):
    config.available_features.add("models")
    config.substitutions.append(("%test_python", config.flow_python))
    config.substitutions.append(("%make_model", "%s %s" % (
        config.flow_python,
        os.path.join(config.test_source_root, "tools", "make_model.py"))))
    config.substitutions.append(("%benchmarks", os.path.join(
        os.path.dirname(config.test_source_root), "benchmarks")))
    config.substitutions.append(("%corrupt_gguf", "%s %s" % (
        config.flow_python,
        os.path.join(config.test_source_root, "tools", "corrupt_gguf.py"))))

    # Found, not imported: that takes seconds.
    if subprocess.run([config.flow_python, "-c",
                       "from importlib.util import find_spec; "
                       "assert find_spec('torch') and find_spec('transformers')"],
                      stderr=subprocess.DEVNULL).returncode == 0:
        config.available_features.add("transformers")

if os.path.exists(config.flow_real_model):
    config.available_features.add("real-model")
    config.substitutions.append(("%real_model", config.flow_real_model))

# Code for AArch64 runs in an emulator.
if shutil.which("qemu-aarch64") and shutil.which("aarch64-linux-gnu-g++"):
    config.available_features.add("aarch64-emulator")

# The assembler of CUDA's toolkit, on PATH or where it is by default.
ptxas = shutil.which("ptxas") or shutil.which("/usr/local/cuda/bin/ptxas")
if ptxas:
    config.available_features.add("ptxas")
    config.substitutions.append(("%ptxas", ptxas))
    config.substitutions.append(("%gpu_instructions", os.path.join(
        config.test_exec_root, "tools", "flow-test-gpu-instructions")))
if shutil.which("fatbinary") or shutil.which("/usr/local/cuda/bin/fatbinary"):
    config.available_features.add("fatbinary")

# The compiler of the same toolkit.
nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
if nvcc:
    config.available_features.add("nvcc")
    config.substitutions.append(("%nvcc", nvcc))
    config.substitutions.append(("%run_foreign_ptx", os.path.join(
        config.test_exec_root, "tools", "flow-test-foreign-ptx")))

# Compiled code goes to a cache of the tests' own.
cache = os.path.join(config.test_exec_root, "cache")
shutil.rmtree(cache, ignore_errors=True)
config.environment["XDG_CACHE_HOME"] = cache
