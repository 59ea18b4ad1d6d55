# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Prints what a completion offers at the end of a command line.
#
#   zsh -f complete.zsh FOLDER LINE
#
# Completion needs a line editor and so a terminal, which zpty makes. There
# `compadd`, to which every match goes, is replaced by one that prints them. The
# terminal shows what is written to it, so the word that is waited for is written
# in two parts.
zmodload zsh/zpty || exit
zpty shell zsh -f -i
zpty -w shell "PS1= PS2=; unsetopt zle_bracketed_paste prompt_cr prompt_sp
fpath=(${(q)1} \$fpath)
autoload -Uz compinit && compinit -D -u
zstyle ':completion:*' insert-tab false
compadd() {
  local -a matches
  builtin compadd -O matches \"\$@\"
  [[ \$#matches -eq 0 ]] || print -rl -- '' \"match \"\${^matches}
  builtin compadd \"\$@\"
}
finish() { print; print rea''dy; zle kill-buffer; }
zle -N finish && bindkey '^X' finish && bindkey '^I' list-choices
print rea''dy"
zpty -r shell ready '*ready*'
zpty -n -w shell "$2"$'\t\x18'
zpty -r shell offered $'*\nready*'
zpty -d shell
print -r -- "${offered//$'\r'/}" | sed -n 's/^match //p' | sort -u
