# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Prints what a completion offers at the end of a command line.
#
#   bash complete.bash SCRIPT LINE
#
# The line is divided as readline does it: `=` is a word of its own. A command
# with a path is completed as one without.
source "$1" || exit
read -r -a COMP_WORDS <<<"${2//=/ = }"
[[ $2 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
registered=$(complete -p "${COMP_WORDS[0]##*/}") || exit
[[ $registered =~ -F\ ([^ ]+) ]] || exit
"${BASH_REMATCH[1]}"
[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\n' "${COMPREPLY[@]}"
