# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Prints what a completion offers at the end of a command line, as it is inserted
# and, after a tab, its description.
#
#   fish --no-config complete.fish SCRIPT LINE
source $argv[1]
complete -C $argv[2]
